//! From candidates to running objects: one slot a claim, while there is memory for inputs; queues in
//! proportion to their weights.

use std::sync::Arc;
use std::time::Duration;

use futures::future::select_all;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use super::Shared;
use super::find::{Candidate, Finder, News};
use super::lane::{Lane, Target};
use super::turns::Turns;

/// A queue and what finds its tasks.
pub(super) struct Source {
    pub lane: Lane,
    pub finder: Arc<Finder>,
}

/// A source is looked at again after this time even if its finder is silent.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

pub(super) struct Dispatcher {
    pub shared: Arc<Shared>,
    pub sources: Vec<Arc<Source>>,
    turns: Turns,
    runs: JoinSet<()>,
}

impl Dispatcher {
    pub fn new(shared: Arc<Shared>, sources: Vec<Arc<Source>>, turns: Turns) -> Dispatcher {
        Dispatcher {
            shared,
            sources,
            turns,
            runs: JoinSet::new(),
        }
    }

    /// Claims and runs until dropped or cancelled at an await.
    pub async fn claim_on(&mut self) {
        loop {
            while let Some(ended) = self.runs.try_join_next() {
                if let Err(error) = ended {
                    tracing::error!(%error, "a run broke; its task is taken over when its lease ends");
                }
            }
            let slots = &self.shared.slots;
            if slots.available_permits() == 0 {
                self.set_room(0);
            }
            let Ok(slot) = slots.clone().acquire_owned().await else {
                return;
            };
            let (source, candidate) = self.next().await;
            self.runs
                .spawn(try_one(self.shared.clone(), source, candidate, slot));
        }
    }

    fn set_room(&self, room: usize) {
        self.sources.iter().for_each(|s| s.finder.set_room(room));
    }

    /// The next candidate, for a slot that is held.
    async fn next(&mut self) -> (Arc<Source>, Candidate) {
        loop {
            if !self.shared.budget.has_room() {
                self.set_room(0);
                self.shared.budget.room().await;
            }
            self.set_room(self.shared.slots.available_permits() + 1);
            for i in self.turns.order() {
                let source = &self.sources[i];
                if let Some(candidate) = source.finder.take() {
                    self.turns.took(i);
                    return (source.clone(), candidate);
                }
            }
            let ready = select_all(self.sources.iter().map(|s| Box::pin(s.finder.ready())));
            let env = self.sources[0].lane.root.env();
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

/// Claims one candidate, runs it to its end and tells the finder.
async fn try_one(
    shared: Arc<Shared>,
    source: Arc<Source>,
    candidate: Candidate,
    slot: OwnedSemaphorePermit,
) {
    let (id, finder) = (candidate.id, &source.finder);
    let target = Target {
        id,
        etag: candidate.etag,
        last_modified: candidate.last_modified,
        purged_before: finder.settings().purged_before,
    };
    let claimed = || finder.report(id, News::Claimed);
    let tried = source.lane.attempt(&shared, target, slot, claimed).await;
    if tried.claimed && shared.releasing() && matches!(tried.news, News::Waiting { .. }) {
        // Whoever goes on without us has to be told.
        finder.ring(id);
    }
    finder.report(id, tried.news);
}
