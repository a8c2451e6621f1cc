//! From candidates to running objects: one slot a claim, queues in proportion to their weights.

use std::sync::Arc;
use std::time::Duration;

use futures::future::select_all;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use super::Shared;
use super::deleter::Deleter;
use super::find::{Candidate, Finder, News};
use super::hooks::Event;
use super::meters::Meters;
use super::runner::{Ended, Runner};
use crate::error::Error;
use crate::protocol::Root;
use crate::protocol::claim::{Claimed, Claiming, claim};
use crate::record::{Key, QueueName, Token};
use crate::state::claim::Claimant;
use crate::time::StoreTime;

/// One queue of a worker.
pub(super) struct Lane {
    pub root: Root,
    pub queue: QueueName,
    pub weight: u32,
    pub finder: Arc<Finder>,
    pub deleter: Deleter,
    pub meters: Meters,
}

/// What one unit of weight is worth; a lane's turn comes after `TURN / weight`.
const TURN: u64 = 1 << 20;

/// A lane is looked at again after this time even if its finder is silent.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

pub(super) struct Dispatcher {
    pub shared: Arc<Shared>,
    pub lanes: Vec<Arc<Lane>>,
    passes: Vec<u64>,
    runs: JoinSet<()>,
}

impl Dispatcher {
    pub fn new(shared: Arc<Shared>, lanes: Vec<Arc<Lane>>) -> Dispatcher {
        let passes = vec![0; lanes.len()];
        Dispatcher {
            shared,
            lanes,
            passes,
            runs: JoinSet::new(),
        }
    }

    /// Claims and runs until dropped or cancelled at an await.
    pub async fn claim_on(&mut self) {
        loop {
            while self.runs.try_join_next().is_some() {}
            let slots = &self.shared.slots;
            if slots.available_permits() == 0 {
                self.lanes.iter().for_each(|lane| lane.finder.set_room(0));
            }
            let Ok(slot) = slots.clone().acquire_owned().await else {
                return;
            };
            let room = slots.available_permits() + 1;
            self.lanes
                .iter()
                .for_each(|lane| lane.finder.set_room(room));
            let (lane, candidate) = self.next().await;
            self.runs
                .spawn(try_one(self.shared.clone(), lane, candidate, slot));
        }
    }

    async fn next(&mut self) -> (Arc<Lane>, Candidate) {
        loop {
            let mut order: Vec<usize> = (0..self.lanes.len()).collect();
            order.sort_by_key(|i| self.passes[*i]);
            for i in order {
                let lane = &self.lanes[i];
                if let Some(candidate) = lane.finder.take() {
                    // A lane that had nothing for a while does not save up turns.
                    let behind = self
                        .passes
                        .iter()
                        .copied()
                        .max()
                        .unwrap_or(0)
                        .saturating_sub(TURN);
                    self.passes[i] =
                        self.passes[i].max(behind) + TURN / u64::from(lane.weight.max(1));
                    return (lane.clone(), candidate);
                }
            }
            let ready = select_all(self.lanes.iter().map(|lane| Box::pin(lane.finder.ready())));
            let env = self.lanes[0].root.env();
            env.within(LOOK_AGAIN, ready).await;
        }
    }

    /// Waits until nothing runs any more.
    pub async fn idle(&mut self) {
        while self.runs.join_next().await.is_some() {}
    }

    /// How many objects are claimed or run.
    pub fn running(&self) -> usize {
        self.runs.len()
    }
}

/// Claims one candidate and runs it to its end.
async fn try_one(
    shared: Arc<Shared>,
    lane: Arc<Lane>,
    candidate: Candidate,
    slot: OwnedSemaphorePermit,
) {
    let id = candidate.id;
    let settings = lane.finder.settings();
    let entropy = lane.root.env().entropy.clone();
    let who = Claimant {
        worker: shared.id.clone(),
        token: Token::new(entropy.as_ref()),
        longest_lease: shared.longest_lease,
    };
    let how = Claiming {
        queue: &lane.queue,
        wants: &|task_type| shared.registry.knows(task_type),
        purged_before: settings.purged_before,
        doubtful: &|token| shared.is_doubtful(token),
    };
    let claimed = claim(&lane.root, how, id, candidate.etag.as_ref(), &who).await;
    let news = match claimed {
        Ok(Claimed::Held(hold)) => {
            shared.not_doubtful(hold.token());
            lane.finder.report(id, News::Claimed);
            lane.meters.claimed.increment(1);
            let live = hold.live();
            let last = live.history.last();
            let taken_over = last.is_some_and(|e| e.what == crate::record::Step::TakenOver);
            if taken_over {
                lane.meters.taken_over.increment(1);
            } else {
                let due = id.due().max(live.write.created);
                let waited = lane.root.now().since(due);
                if live.delivery == 1 {
                    lane.meters.queue_wait.record(waited.as_secs_f64());
                }
            }
            shared.hooks.tell(|| Event::Claimed {
                queue: lane.queue.clone(),
                id,
                task_type: live.task_type.clone(),
                delivery: live.delivery,
                taken_over,
            });
            let runner = Runner::new(shared.clone(), lane.meters.clone(), *hold, slot);
            match runner.run().await {
                Ended::Recorded(key) => {
                    if let Some(key) = key {
                        lane.deleter.delete(key);
                    }
                    News::Released
                }
                Ended::Waits { until, etag } => {
                    if shared.releasing() {
                        // Whoever goes on without us has to be told.
                        lane.finder.ring(id.shard());
                    }
                    News::Waiting {
                        until,
                        etag: Some(etag),
                    }
                }
                Ended::Lost => News::Released,
                Ended::InDoubt { until } => News::Running { until, etag: None },
            }
        }
        Ok(Claimed::Waiting { until, etag }) => News::Waiting {
            until,
            etag: Some(etag),
        },
        Ok(Claimed::Running { until, etag }) => News::Running {
            until,
            etag: Some(etag),
        },
        Ok(Claimed::Repaired | Claimed::Gone) => News::Gone,
        Ok(Claimed::LostRace) => {
            lane.meters.lost_races.increment(1);
            News::LostRace
        }
        Ok(Claimed::Foreign { etag, .. }) => News::Foreign { etag },
        Ok(Claimed::Doubt(token)) => {
            shared.doubtful(token);
            News::Running {
                until: StoreTime(0),
                etag: None,
            }
        }
        Err(error @ Error::Unreadable { .. }) => {
            let key = Key::Live(lane.queue.clone(), id);
            tracing::warn!(%key, %error, "an object cannot be read; it was left as it is");
            lane.meters.unreadable.increment(1);
            shared.hooks.tell(|| Event::Unreadable {
                queue: lane.queue.clone(),
                why: error.to_string(),
            });
            match candidate.etag.clone() {
                Some(etag) => News::Unreadable { etag },
                None => News::Failed,
            }
        }
        Err(error) => {
            tracing::warn!(queue = %lane.queue, %id, %error, "a task could not be claimed");
            News::Failed
        }
    };
    lane.finder.report(id, news);
}
