//! One queue of a worker, and one try at an object of it: claim it, run it, let go of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::deleter::Deleter;
use super::find::News;
use super::hooks::Event;
use super::meters::Meters;
use super::runner::{Ended, Runner};
use crate::error::Error;
use crate::protocol::Root;
use crate::protocol::claim::{Claimed, Claiming, claim, is_young};
use crate::protocol::hold::Hold;
use crate::record::{Key, ObjectId, QueueName, Step, Token};
use crate::state::claim::Claimant;
use crate::store::Etag;
use crate::time::StoreTime;

/// A suspect of a crash that may not run now is looked at again after this time.
const CROWDED: Duration = Duration::from_secs(5);

/// One queue of a worker.
pub(super) struct Lane {
    pub root: Root,
    queue: QueueName,
    deleter: Deleter,
    meters: Meters,
}

/// An object to try.
pub(super) struct Target {
    pub id: ObjectId,
    /// The version that was listed, if one was.
    pub etag: Option<Etag>,
    /// When that version was written, if a listing told.
    pub last_modified: Option<StoreTime>,
    /// Tasks submitted before this moment were purged.
    pub purged_before: Option<StoreTime>,
}

/// What a try came to in the end.
pub(super) struct Tried {
    /// Where the object stands now.
    pub news: News,
    /// Whether it was ours for a while.
    pub claimed: bool,
    /// Whether it was over, and somebody had left before that was written down everywhere.
    pub repaired: bool,
    /// Whether it is suspected of a crash, and too many of its kind run here.
    pub crowded: bool,
    /// What kept it from being claimed.
    pub error: Option<Error>,
}

impl Lane {
    /// A queue, and the future that deletes what its worker finished; it ends when the lane is
    /// dropped and everything is deleted.
    pub fn new(root: Root, queue: QueueName) -> (Lane, impl Future<Output = ()> + Send) {
        let (deleter, deletions) = Deleter::new(root.clone());
        let meters = Meters::new(&queue);
        let lane = Lane {
            root,
            queue,
            deleter,
            meters,
        };
        (lane, deletions)
    }

    /// Claims one object and runs it to its end. `claimed` is called when it is ours.
    pub async fn attempt(
        &self,
        shared: &Arc<Shared>,
        target: Target,
        slot: OwnedSemaphorePermit,
        claimed: impl FnOnce(),
    ) -> Tried {
        let id = target.id;
        let env = self.root.env();
        let who = Claimant {
            worker: shared.id.clone(),
            token: Token::new(env.entropy.as_ref()),
            longest_lease: shared.longest_lease(env.now()),
            slots: shared.concurrency,
        };
        let place = shared.suspects.place(id);
        let how = Claiming {
            queue: &self.queue,
            wants: &|task_type| shared.registry.knows(task_type),
            purged_before: target.purged_before,
            doubtful: &|token| shared.is_doubtful(token),
            admits: &|among| place.take(among, env.now()),
        };
        let mut tried = Tried {
            news: News::Failed,
            claimed: false,
            repaired: false,
            crowded: false,
            error: None,
        };
        let written = target.last_modified.unwrap_or(id.due());
        let listed = target.etag.as_ref();
        let listed = listed.filter(|_| !is_young(written, self.root.now()));
        match claim(&self.root, how, id, listed, &who).await {
            Ok(Claimed::Held(hold)) => {
                claimed();
                tried.claimed = true;
                tried.news = self.run(shared, *hold, slot).await;
            }
            Ok(other) => {
                tried.repaired = matches!(other, Claimed::Repaired(_));
                if let Claimed::Repaired(Some(live)) = &other {
                    shared.hooks.tell_finished(&self.queue, id, live, |_| None);
                }
                tried.crowded = matches!(other, Claimed::Crowded { .. });
                tried.news = self.not_ours(shared, other);
            }
            Err(error) => {
                tried.news = self.failed(shared, id, target.etag, &error);
                tried.error = Some(error);
            }
        }
        tried
    }

    async fn run(&self, shared: &Arc<Shared>, hold: Hold, slot: OwnedSemaphorePermit) -> News {
        let id = hold.id();
        shared.not_doubtful(hold.token());
        self.meters.claimed.increment(1);
        let live = hold.live();
        let last = live.history.last();
        let taken_over = last.is_some_and(|e| e.what == Step::TakenOver);
        if taken_over {
            self.meters.taken_over.increment(1);
        } else {
            let due = id.due().max(live.write.created);
            let waited = self.root.now().since(due);
            if live.delivery == 1 {
                self.meters.queue_wait.record(waited.as_secs_f64());
            }
        }
        shared.hooks.tell(|| Event::Claimed {
            queue: self.queue.clone(),
            id,
            task_type: live.task_type.clone(),
            delivery: live.delivery,
            taken_over,
        });
        let runner = Runner::new(shared.clone(), self.meters.clone(), hold, slot);
        match runner.run().await {
            Ended::Recorded(key) => {
                if let Some(key) = key {
                    self.deleter.delete(key);
                }
                News::Released
            }
            Ended::Waits { until, etag } => News::Waiting {
                until,
                etag: Some(etag),
            },
            Ended::Lost => News::Released,
            Ended::InDoubt { until } => News::Running { until, etag: None },
        }
    }

    fn not_ours(&self, shared: &Shared, claimed: Claimed) -> News {
        match claimed {
            Claimed::Waiting { until, etag } => News::Waiting {
                until,
                etag: Some(etag),
            },
            Claimed::Running { until, etag } => {
                self.meters.found_taken.increment(1);
                News::Running {
                    until,
                    etag: Some(etag),
                }
            }
            Claimed::Held(_) | Claimed::Repaired(_) | Claimed::Gone => News::Gone,
            Claimed::LostRace => {
                self.meters.lost_races.increment(1);
                News::LostRace
            }
            Claimed::Foreign { etag, task_type } => News::Foreign { etag, task_type },
            Claimed::Crowded { etag } => News::Waiting {
                until: self.root.now().plus(CROWDED),
                etag: Some(etag),
            },
            Claimed::Doubt(token) => {
                shared.doubtful(token);
                News::Running {
                    until: StoreTime(0),
                    etag: None,
                }
            }
        }
    }

    fn failed(&self, shared: &Shared, id: ObjectId, etag: Option<Etag>, error: &Error) -> News {
        if !matches!(error, Error::Unreadable { .. }) {
            tracing::warn!(queue = %self.queue, %id, %error, "a task could not be claimed");
            return News::Failed;
        }
        let key = Key::Live(self.queue.clone(), id);
        tracing::warn!(%key, %error, "an object cannot be read; it was left as it is");
        self.meters.unreadable.increment(1);
        shared.hooks.tell(|| Event::Unreadable {
            queue: self.queue.clone(),
            why: error.to_string(),
        });
        News::Unreadable { etag }
    }
}
