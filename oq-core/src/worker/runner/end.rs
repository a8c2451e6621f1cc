//! How the run of a held object ends: its outcomes are recorded, it is given back, or it is lost.

use super::Runner;
use crate::protocol::finish::{self, Finished};
use crate::protocol::hold::Renewed;
use crate::record::Key;
use crate::state::run::{Rest, rest};
use crate::store::{Etag, StoreKey};
use crate::time::StoreTime;
use crate::worker::hooks::Event;

/// How a run ended, for whoever looks for the next object.
pub(in crate::worker) enum Ended {
    /// The outcomes are recorded; the live object is still to be deleted, if its key is given.
    Recorded(Option<StoreKey>),
    /// Given back: it may be claimed again then, in this version.
    Waits { until: StoreTime, etag: Etag },
    /// Somebody else's now.
    Lost,
    /// Nobody knows yet: if it is still ours, it may be taken over when its lease has ended.
    InDoubt { until: StoreTime },
}

impl Runner {
    /// Gives back what has no outcome.
    pub(super) async fn give_back(mut self, reason: &str) -> Ended {
        self.slots.clear();
        let step = self.step;
        let reason = self.reason.take().unwrap_or_else(|| reason.into());
        match self.hold.give_back(step, Some(reason)).await {
            Ok(Renewed::Held) => {
                if self.shared.releasing() {
                    self.shared.hooks.tell(|| Event::Released {
                        queue: self.hold.queue().clone(),
                        id: self.hold.id(),
                        tasks: self.hold.live().open().count(),
                    });
                }
                let until = self.hold.live().available_at;
                let until = until.unwrap_or_else(|| self.hold.root().now());
                let etag = self.hold.etag().clone();
                return Ended::Waits { until, etag };
            }
            Ok(Renewed::Lost) => return self.lost(),
            // It may be given back or still be ours; nothing of it runs here any more.
            Ok(Renewed::Doubt) => {
                tracing::warn!(id = %self.hold.id(), "no answer to giving a task back; if it was not, it is taken over when its lease ends");
            }
            Err(error) => {
                tracing::warn!(id = %self.hold.id(), %error, "a task could not be given back; it is taken over when its lease ends");
            }
        }
        self.in_doubt()
    }

    /// Records the outcomes, off the slot.
    pub(super) async fn finish(mut self) -> Ended {
        // So many may be recorded at once that a slow store holds claims back, not memory up.
        let env = self.hold.root().env().clone();
        let finishing = loop {
            let permit = self.shared.finishing.clone().acquire_owned();
            let renewal = self.renew_at.since(env.now());
            if let Some(permit) = env.within(renewal, permit).await {
                break permit;
            }
            self.declare().await;
            if self.hold.is_lost() {
                return self.lost();
            }
        };
        self.slots.clear();
        let now = self.hold.root().now();
        let all_completed = rest(self.hold.live(), now) == Rest::AllCompleted;
        let finished = if all_completed {
            finish::completed(&mut self.hold).await
        } else {
            finish::over(&mut self.hold).await
        };
        drop(finishing);
        match finished {
            Ok(Finished::Recorded | Finished::Found) => {
                let (queue, id, live) = (self.hold.queue(), self.hold.id(), self.hold.live());
                let ran = |index| self.ran.get(&index).copied();
                self.shared.hooks.tell_finished(queue, id, live, ran);
                let key = Key::Live(self.hold.queue().clone(), self.hold.id()).store_key();
                Ended::Recorded(all_completed.then_some(key))
            }
            Ok(Finished::Lost) => self.lost(),
            Ok(Finished::Doubt) => self.in_doubt(),
            Err(error) => {
                tracing::warn!(id = %self.hold.id(), %error, "an outcome could not be recorded; the task is taken over when its lease ends");
                self.in_doubt()
            }
        }
    }

    fn in_doubt(&self) -> Ended {
        let until = self.hold.root().now().plus(self.hold.lease());
        Ended::InDoubt { until }
    }

    /// The object is somebody else's now: handlers are stopped by dropping them.
    pub(super) fn lost(&self) -> Ended {
        self.meters.running.decrement(self.running.len() as f64);
        self.meters.leases_lost.increment(1);
        let (queue, id) = (self.hold.queue().clone(), self.hold.id());
        tracing::warn!(%queue, %id, "the lease was lost; what it ran was stopped and runs again elsewhere");
        self.shared.hooks.tell(|| Event::Lost { queue, id });
        Ended::Lost
    }
}
