//! The way of one request: sent, applied some time later or never, answered some time after that or
//! never.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::SimStore;
use super::fate::Fate;
use super::fault::Fault;
use super::world::{Answer, Op};
use crate::store::{Changed, Dated, List, StoreError, Write};
use crate::testing::sim_clock::{SimHost, now, sleep_until};

pub(super) type Reply = Result<Answer, StoreError>;

/// Counts a request as under way until it is dropped.
struct Underway(SimStore);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.world().in_flight -= 1;
    }
}

/// Carries a request to its end.
pub(super) async fn carry(
    store: SimStore,
    host: Arc<SimHost>,
    op: Op,
    fate: Fate,
    caller: oneshot::Sender<Reply>,
) {
    let underway = Underway(store);
    let wire = Wire {
        store: &underway.0,
        host: &host,
        op: &op,
        sent: underway.0.elapsed(),
    };
    wire.store.tell(|| {
        let fault = fate.fault.map_or("", Fault::name);
        format!("{:>3} → {} {} {fault}", host.id(), op.verb(), op.target())
    });
    let arrives = now() + fate.there;
    let Some(fault) = fate.fault else {
        sleep_until(arrives).await;
        let answer = wire.apply();
        sleep_until(now() + fate.back).await;
        wire.answer(caller, Ok(answer));
        return;
    };
    wire.go_wrong(fault, &fate, caller).await;
}

struct Wire<'a> {
    store: &'a SimStore,
    host: &'a SimHost,
    op: &'a Op,
    sent: Duration,
}

impl Wire<'_> {
    fn apply(&self) -> Answer {
        let client = self.host.id();
        self.store.world().apply(client, self.sent, self.op)
    }

    fn count(&self, fault: Fault) {
        self.store.world().fired.count(fault);
    }

    fn answer(&self, caller: oneshot::Sender<Reply>, reply: Reply) {
        if self.host.is_cut_back() {
            self.count(Fault::CutBack);
            return;
        }
        let world = &mut *self.store.world();
        world.trace.number(match &reply {
            Ok(Answer::Write(Write::Won { .. })) => 1,
            Ok(Answer::Write(Write::Lost)) => 2,
            Ok(Answer::Write(Write::Again { .. })) => 3,
            Ok(Answer::Write(Write::Unknown)) => 4,
            Ok(_) => 5,
            Err(_) => 6,
        });
        world.tell(|| {
            let (verb, target) = (self.op.verb(), self.op.target());
            format!("{:>3} ← {verb} {target} {}", self.host.id(), brief(&reply))
        });
        // A caller that died or gave up does not listen any more.
        let _ = caller.send(reply);
    }

    /// Tells the caller that its request failed in a way that leaves open what became of it.
    fn fail(&self, caller: oneshot::Sender<Reply>, why: &str) {
        let reply = if self.op.is_conditional() {
            Ok(Answer::Write(Write::Unknown))
        } else {
            Err(StoreError::Unavailable(why.into()))
        };
        self.answer(caller, reply);
    }

    /// Tells the caller that nothing was applied.
    fn refuse(&self, caller: oneshot::Sender<Reply>, why: &str, after: Option<Duration>) {
        let reply = if self.op.is_conditional() {
            Ok(Answer::Write(Write::Again { after }))
        } else {
            Err(StoreError::Unavailable(why.into()))
        };
        self.answer(caller, reply);
    }

    async fn go_wrong(&self, fault: Fault, fate: &Fate, caller: oneshot::Sender<Reply>) {
        if !matches!(
            fault,
            Fault::EmptyBody | Fault::CutBody | Fault::CorruptBody | Fault::Hidden
        ) {
            self.count(fault);
        }
        let whole = fate.there + fate.back;
        match fault {
            Fault::CutOut | Fault::LostRequest => {}
            Fault::Refused | Fault::Conflict | Fault::ThrottleStorm => {
                sleep_until(now() + whole).await;
                let after = fate.silent.then_some(Duration::from_secs(1));
                self.refuse(caller, fault.name(), after);
            }
            Fault::Denied => {
                sleep_until(now() + whole).await;
                self.answer(caller, Err(StoreError::Denied("ExpiredToken".into())));
            }
            Fault::Hidden => {
                sleep_until(now() + fate.there).await;
                let answer = self.apply();
                sleep_until(now() + fate.back).await;
                let told = match &answer {
                    Answer::Object(object) => object.value.is_some(),
                    Answer::Changed(changed) => !matches!(changed.value, Changed::Missing),
                    _ => false,
                };
                if told {
                    return self.answer(caller, Ok(answer));
                }
                self.count(fault);
                self.answer(caller, Err(StoreError::Denied("AccessDenied".into())));
            }
            Fault::FailedUnapplied | Fault::ReadError | Fault::DeleteError => {
                sleep_until(now() + whole).await;
                self.fail(caller, "InternalError");
            }
            Fault::AppliedThen500 | Fault::AppliedThenReset => {
                sleep_until(now() + fate.there).await;
                self.apply();
                sleep_until(now() + fate.back).await;
                self.fail(caller, "reset");
            }
            Fault::AppliedThenSilence => {
                sleep_until(now() + fate.there).await;
                self.apply();
            }
            Fault::Zombie => {
                let lands = now() + fate.late;
                if !fate.silent {
                    sleep_until(now() + whole).await;
                    self.fail(caller, "reset");
                }
                self.land(lands).await;
            }
            Fault::Duplicate => {
                sleep_until(now() + fate.there).await;
                let first = self.apply();
                sleep_until(now() + fate.back).await;
                // To one that was told that nothing landed, a second delivery would be a lie.
                let told_otherwise =
                    matches!(first, Answer::Write(Write::Again { .. } | Write::Lost));
                self.answer(caller, Ok(first));
                if !told_otherwise {
                    self.land(now() + fate.late).await;
                }
            }
            Fault::HiddenRetry => {
                sleep_until(now() + fate.there).await;
                self.apply();
                sleep_until(now() + fate.late).await;
                let second = self.apply();
                sleep_until(now() + fate.back).await;
                self.answer(caller, Ok(second));
            }
            Fault::SlowAnswer | Fault::SlowRequest | Fault::SlowRead => {
                let (there, back) = match fault {
                    Fault::SlowAnswer => (fate.there, fate.late),
                    _ => (fate.late, fate.back),
                };
                sleep_until(now() + there).await;
                let answer = self.apply();
                sleep_until(now() + back).await;
                self.answer(caller, Ok(answer));
            }
            Fault::EmptyBody | Fault::CutBody | Fault::CorruptBody => {
                sleep_until(now() + fate.there).await;
                let answer = self.damaged(fault, fate.place);
                sleep_until(now() + fate.back).await;
                self.answer(caller, Ok(answer));
            }
            Fault::SplitList => {
                sleep_until(now() + fate.there).await;
                let answer = self.split(fate).await;
                sleep_until(now() + fate.back).await;
                self.answer(caller, Ok(answer));
            }
            Fault::StaleList => {
                sleep_until(now() + fate.there).await;
                let answer = {
                    let world = &mut *self.store.world();
                    let most = world.modes.stale_lists.unwrap_or_default();
                    let (client, sent, op) = (self.host.id(), self.sent, self.op);
                    world.in_the_past(most.mul_f64(fate.place), |w| w.apply(client, sent, op))
                };
                sleep_until(now() + fate.back).await;
                self.answer(caller, Ok(answer));
            }
            // Counted where they happen; no request is drawn to be one.
            Fault::PartialDelete | Fault::TooSoon | Fault::CutBack => {}
        }
    }

    /// Applies the request when nobody expects it any more.
    async fn land(&self, at: Instant) {
        self.store.world().late += 1;
        sleep_until(at).await;
        self.apply();
        self.store.world().late -= 1;
    }

    /// A read whose body was damaged on the way, so that it shows.
    fn damaged(&self, fault: Fault, place: f64) -> Answer {
        let mut answer = self.apply();
        let object = match &mut answer {
            Answer::Object(Dated { value, .. }) => value.as_mut(),
            Answer::Changed(Dated { value, .. }) => match value {
                Changed::Now(object) => Some(object),
                Changed::Same | Changed::Missing => None,
            },
            _ => None,
        };
        if let Some(object) = object.filter(|o| !o.body.is_empty()) {
            self.count(fault);
            let at = (object.body.len() as f64 * place) as usize;
            object.body = match fault {
                Fault::EmptyBody => Bytes::new(),
                Fault::CutBody => object.body.slice(..at),
                _ => {
                    let mut bytes = object.body.to_vec();
                    bytes[at] = 0xff;
                    bytes.into()
                }
            };
        }
        answer
    }

    /// A page whose second half was taken later than its first.
    async fn split(&self, fate: &Fate) -> Answer {
        let Op::List(list) = self.op else {
            return self.apply();
        };
        let page = |list: List| {
            let (client, sent) = (self.host.id(), self.sent);
            self.store.world().apply(client, sent, &Op::List(list))
        };
        let whole = page(list.clone());
        let Answer::Page(mut first) = whole else {
            return whole;
        };
        let half = first.value.entries.len() / 2;
        if list.fold || half == 0 {
            return Answer::Page(first);
        }
        first.value.entries.truncate(half);
        let last = first.value.entries[half - 1].key.as_str().to_owned();
        sleep_until(now() + fate.late).await;
        let rest = list.clone().after(last).limit(list.limit - half as u16);
        if let Answer::Page(rest) = page(rest) {
            first.date = rest.date;
            first.value.entries.extend(rest.value.entries);
            first.value.next = rest.value.next;
        }
        Answer::Page(first)
    }
}

fn brief(reply: &Reply) -> String {
    match reply {
        Ok(Answer::Object(o)) => match &o.value {
            Some(o) => format!("{} bytes {:?}", o.body.len(), o.etag),
            None => "nothing".into(),
        },
        Ok(Answer::Changed(c)) => match &c.value {
            Changed::Same => "same".into(),
            Changed::Missing => "missing".into(),
            Changed::Now(o) => format!("now {:?}", o.etag),
        },
        Ok(Answer::Write(w)) => format!("{w:?}"),
        Ok(Answer::Deleted(d)) => format!("deleted, {} failed", d.value.len()),
        Ok(Answer::Page(p)) => format!("{} keys", p.value.entries.len()),
        Err(e) => e.to_string(),
    }
}
