//! Claiming: two GET in parallel and one conditional PUT; for a take-over also the seal.

mod adopt;
mod over;

use std::time::Duration;

use futures::future::join;
use tracing::Instrument;

use self::adopt::{adopt, holds, may_adopt};
use self::over::{expire, purge, record_over};
use super::finish;
use super::hold::{Hold, Renewed};
use super::lookup::{outcome, read_done};
use super::purged::{is_purged, is_purged_now};
use super::root::Root;
use super::seal;
use super::write::{Settled, update_while};
use crate::env::Mono;
use crate::error::Result;
use crate::record::{
    Done, Hint, Key, Live, LiveState, MIN_LEASE, ObjectId, QueueName, Seen, TaskType, Token,
};
use crate::state::claim::{self as state, Claimant, LEFT_BEHIND, Refusal};
use crate::store::{Dated, Etag};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// What a claim came to.
#[derive(Debug)]
pub enum Claimed {
    /// It is ours: run the declared tasks.
    Held(Box<Hold>),
    /// It waits until then.
    Waiting {
        /// Until when.
        until: StoreTime,
        /// The version that says so.
        etag: Etag,
    },
    /// Somebody holds it.
    Running {
        /// When it may be taken over, unless renewed.
        until: StoreTime,
        /// The version that says so.
        etag: Etag,
    },
    /// It was over, and what was left of recording that was done now. If it was this call that
    /// recorded the outcomes: of these tasks.
    Repaired(Option<Box<Live>>),
    /// It is not there.
    Gone,
    /// Others were faster.
    LostRace,
    /// This worker has no handler for it.
    Foreign {
        /// Its type.
        task_type: TaskType,
        /// The version that says so.
        etag: Etag,
    },
    /// It is suspected of a crash, and too many of its kind run here at the moment.
    Crowded {
        /// The version that says so.
        etag: Etag,
    },
    /// The answer was lost; if the claim landed after all, this token tells.
    Doubt(Token),
}

/// How a worker claims.
#[derive(Clone, Copy)]
pub struct Claiming<'a> {
    /// Which queue.
    pub queue: &'a QueueName,
    /// Which task types have a handler.
    pub wants: &'a (dyn Fn(&TaskType) -> bool + Send + Sync),
    /// Tasks submitted before this moment were purged.
    pub purged_before: Option<StoreTime>,
    /// Tokens of own claims whose answer was lost.
    pub doubtful: &'a (dyn Fn(&Token) -> bool + Send + Sync),
    /// Whether a suspect of a crash may run now, among so many at the most.
    pub admits: &'a (dyn Fn(u16) -> bool + Send + Sync),
}

/// A create lands sooner after its send, and a purge takes longer before it deletes an outcome.
const LATE: Duration = Duration::from_secs(2);

/// `LastModified` may be truncated by this much.
const DATE_STEP: Duration = Duration::from_secs(1);

/// A claim that took longer than this may span a whole life of the object: from the version that was
/// listed or read to a second delivery of the request that created it, with the same bytes and so
/// perhaps the same ETag. Another's claim, outcome and deletion take longer one after the other.
const PROMPT: Duration = Duration::from_millis(200);

/// Whether an object that was written then is too young for its outcome to be looked for while it is
/// read itself: within the precision of dates, that look would have to be taken again.
pub fn is_young(written: StoreTime, now: StoreTime) -> bool {
    written.plus(DATE_STEP) > now
}

/// Tries to claim one object. `listed` is the version that a listing showed, if one did; without it
/// the outcome is looked for behind the live object, which takes no request more and a little longer.
#[tracing::instrument(level = "debug", skip_all, fields(queue = %how.queue, %id))]
pub async fn claim(
    root: &Root,
    how: Claiming<'_>,
    id: ObjectId,
    listed: Option<&Etag>,
    who: &Claimant,
) -> Result<Claimed> {
    let live_key = Key::Live(how.queue.clone(), id).store_key();
    let done_key = Key::Done(how.queue.clone(), id).store_key();
    let began = root.env().now();
    let (object, done) = if mutated(Mutant::ClaimWithoutDoneCheck) {
        (
            root.get(&live_key).await,
            Ok(Dated {
                date: root.now(),
                value: None,
            }),
        )
    } else if mutated(Mutant::StaleDoneCheck) {
        let done = root.get(&done_key).await;
        (root.get(&live_key).await, done)
    } else if listed.is_none() {
        let live = root.get(&live_key).await?;
        let Some(object) = &live.value else {
            return Ok(Claimed::Gone);
        };
        if matches!(Hint::of_size(object.body.len() as u64), Hint::Running(_)) {
            let read = Live::in_object(id, &live_key, object.clone())?;
            let held = held_until(&read.record, object.last_modified, how);
            if let Some(until) = held.filter(|at| live.date < *at) {
                let etag = read.etag;
                return Ok(Claimed::Running { until, etag });
            }
        }
        (Ok(live), root.get(&done_key).await)
    } else {
        join(root.get(&live_key), root.get(&done_key)).await
    };
    let Dated {
        date,
        value: Some(object),
    } = object?
    else {
        return Ok(Claimed::Gone);
    };
    let Dated {
        date: looked,
        value: mut done,
    } = done?;
    let last_modified = object.last_modified;
    let etag = object.etag.clone();
    let live = Live::in_object(id, &live_key, object)?;
    // Somebody holds it: what its outcome is does not matter to us.
    if let Some(until) = held_until(&live.record, last_modified, how).filter(|at| date < *at)
        && done.is_none()
    {
        return Ok(Claimed::Running { until, etag });
    }
    // The outcome was looked for while the live object was read. That is late enough only if this
    // version was there before: it may be the late copy of a create whose life is over. The ETag
    // alone does not tell, where it is a hash of the body and something on the way sent it twice.
    let same = listed == Some(&etag) && !is_young(last_modified, looked);
    if listed.is_some()
        && !same
        && !mutated(Mutant::StaleDoneCheck)
        && !mutated(Mutant::ClaimWithoutDoneCheck)
    {
        done = root.get(&done_key).await?.value;
    }
    let (seal, over) = match read_done(id, &done_key, done)? {
        Some(d) if d.record.is_seal() => (Some(d), None),
        other => (None, other),
    };
    if let Some(over) = over {
        finish::clear(root, how.queue, id, &over.record).await?;
        return Ok(Claimed::Repaired(None));
    }
    let longest = who.longest_lease;
    let left = longest.saturating_sub(root.env().now().since(began));
    let who = Claimant {
        longest_lease: left.max(longest.min(MIN_LEASE)),
        ..who.clone()
    };
    decide(
        root,
        how,
        id,
        &who,
        At {
            began,
            date,
            last_modified,
        },
        live,
        seal,
    )
    .await
}

fn at_once(root: &Root, began: Mono) -> bool {
    let skipped = mutated(Mutant::StaleDoneCheck) || mutated(Mutant::ClaimWithoutDoneCheck);
    skipped || root.env().now().since(began) < PROMPT
}

/// Until when the lease of a running record lasts, unless it is one of our own.
fn held_until(live: &Live, last_modified: StoreTime, how: Claiming<'_>) -> Option<StoreTime> {
    let lease = live
        .lease
        .as_ref()
        .filter(|_| live.state == LiveState::Running)?;
    (!(how.doubtful)(&lease.token)).then(|| state::take_over_at(live, last_modified))
}

#[derive(Clone, Copy)]
struct At {
    began: Mono,
    date: StoreTime,
    last_modified: StoreTime,
}

async fn decide(
    root: &Root,
    how: Claiming<'_>,
    id: ObjectId,
    who: &Claimant,
    at: At,
    live: Seen<Live>,
    seal: Option<Seen<Done>>,
) -> Result<Claimed> {
    let now = root.now();
    let etag = live.etag.clone();
    let record = &live.record;
    let created = record.write.created;
    // A copy of a create that lands so late may find its outcome purged, and us without word of it.
    let late = record.delivery == 0 && at.last_modified.since(created) > LATE;
    let purged = match late {
        true => is_purged_now(root, how.queue, how.purged_before, created).await?,
        false => is_purged(how.purged_before, created),
    };
    match record.state {
        LiveState::Terminal if at.date.since(at.last_modified) >= LEFT_BEHIND => {
            return record_over(root, how.queue, id, live.record, seal).await;
        }
        LiveState::Terminal => {
            return Ok(Claimed::Running {
                until: at.last_modified.plus(LEFT_BEHIND),
                etag,
            });
        }
        LiveState::Running => {
            let token = record.lease.as_ref().map(|l| l.token.clone());
            if let Some(token) = token.filter(|token| (how.doubtful)(token)) {
                if purged {
                    return purge(root, how.queue, id).await;
                }
                if may_adopt(record, seal.as_ref()) {
                    if !admitted(record, how) {
                        return Ok(Claimed::Crowded { etag });
                    }
                    return adopt(root, how.queue, id, token, live, seal).await;
                }
            }
            let until = state::take_over_at(record, at.last_modified);
            if at.date < until {
                return Ok(Claimed::Running { until, etag });
            }
        }
        LiveState::Pending => {}
    }
    if purged {
        return purge(root, how.queue, id).await;
    }
    let next = match state::take_over(record, who, at.last_modified, at.date, now) {
        Ok(next) => next,
        Err(Refusal::NotYet(until)) => return Ok(Claimed::Waiting { until, etag }),
        Err(Refusal::Held(until)) => return Ok(Claimed::Running { until, etag }),
        Err(Refusal::Expired) => return expire(root, how.queue, id, live, seal, now).await,
        Err(Refusal::Terminal) => return Ok(Claimed::LostRace),
    };
    // Without a handler an expired lease is left to workers that have one.
    if !(how.wants)(&record.task_type) {
        return Ok(Claimed::Foreign {
            task_type: record.task_type.clone(),
            etag,
        });
    }
    if !admitted(&next, how) {
        return Ok(Claimed::Crowded { etag });
    }
    let take = Take {
        began: at.began,
        taking_over: record.state == LiveState::Running,
        live,
        next,
        seal,
    };
    if take.taking_over {
        let span = tracing::debug_span!("take_over", queue = %how.queue, %id);
        return take.write(root, how.queue, id, who).instrument(span).await;
    }
    take.write(root, how.queue, id, who).await
}

/// A claim that is worth sending.
struct Take {
    began: Mono,
    taking_over: bool,
    live: Seen<Live>,
    next: Live,
    seal: Option<Seen<Done>>,
}

impl Take {
    /// The write, for a take-over the seal, and what makes sure that it may start.
    async fn write(
        self,
        root: &Root,
        queue: &QueueName,
        id: ObjectId,
        who: &Claimant,
    ) -> Result<Claimed> {
        let Take {
            began,
            taking_over,
            live,
            next,
            seal,
        } = self;
        let sent = root.env().now();
        let key = Key::Live(queue.clone(), id);
        // A claim is cheap to lose: it is not worth sending for longer than a fraction of the lease.
        let patience = next.options.lease / 3;
        let may_send = |_| root.env().now().since(sent) < patience;
        let (seen, recovered) = match update_while(root, &key, &live, next, may_send).await? {
            Settled::Won { seen, recovered } => (seen, recovered),
            Settled::Lost(_) => return Ok(Claimed::LostRace),
            Settled::Doubt => return Ok(Claimed::Doubt(who.token.clone())),
        };
        if !holds(&seen.record, &who.token) {
            return Ok(Claimed::LostRace);
        }
        let sent = if mutated(Mutant::LeaseFromAnswer) {
            root.env().now()
        } else {
            sent
        };
        let mut hold = Hold::new(root.clone(), queue.clone(), id, seen, sent);
        if taking_over && !mutated(Mutant::TakeOverWithoutSeal) {
            match seal::put(root, queue, id, &hold, seal).await? {
                seal::Sealed::In(seal) => hold.seal = Some(*seal),
                seal::Sealed::Over(done) => {
                    finish::clear(root, queue, id, &done).await?;
                    return Ok(Claimed::Repaired(None));
                }
                seal::Sealed::Not => return Ok(Claimed::LostRace),
            }
        } else {
            hold.seal = seal;
            if !at_once(root, began) {
                match outcome(root, queue, id).await {
                    Ok(Some(done)) if !done.record.is_seal() => {
                        finish::clear(root, queue, id, &done.record).await?;
                        return Ok(Claimed::Repaired(None));
                    }
                    Ok(_) => {}
                    // It is ours, but whether it may be started will be seen when it is met again. So
                    // it is when the outcome cannot be read: an answer may be damaged on the way.
                    Err(_) => return Ok(Claimed::Doubt(who.token.clone())),
                }
            }
        }
        if recovered && !mutated(Mutant::RenewIgnoresDoubt) && hold.renew().await? == Renewed::Lost
        {
            return Ok(Claimed::LostRace);
        }
        Ok(Claimed::Held(Box::new(hold)))
    }
}

/// Whether it may run here now, as far as crashes on its record go.
fn admitted(live: &Live, how: Claiming<'_>) -> bool {
    state::suspect(live).is_none_or(|among| (how.admits)(among))
}
