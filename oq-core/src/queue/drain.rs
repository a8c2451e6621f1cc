//! What a queue that is being drained still has to do, looked at again and again.
//!
//! Lengths alone do not tell: a task whose worker fell silent looks as if it ran, and in a paused
//! queue nobody takes it over; what is over looks so too where its live object was not deleted. So
//! what has not been written for a while is read, and what is over is cleared away.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};

use super::Queue;
use super::stats::{Stats, count_live};
use crate::error::{Error, Result};
use crate::protocol::finish;
use crate::protocol::lookup::{Found, lookup};
use crate::record::{Hint, LiveState, ObjectId, prefix};
use crate::state::claim::{LEFT_BEHIND, TAKE_OVER_MARGIN, take_over_at};
use crate::store::{Etag, Listed};
use crate::time::StoreTime;

/// What is younger has a holder that is at work.
const FRESH: Duration = Duration::from_secs(2);

/// So many objects are read at a time.
const AT_A_TIME: usize = 16;

/// What is left of a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Tasks that a worker holds, or whose outcomes are being recorded.
    pub running: u64,
    /// Tasks whose worker fell silent: their lease is over, so nothing of them runs. They are taken
    /// over when the queue is not paused.
    pub silent: u64,
    /// Tasks that may be started now.
    pub runnable: u64,
    /// Tasks that may be started later.
    pub waiting: u64,
    /// Tasks that were purged and are still there.
    pub purged: u64,
}

impl Left {
    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Left::default()
    }
}

/// Looks at a queue again and again; see [`Queue::draining`].
#[derive(Debug)]
pub struct Draining {
    queue: Queue,
    /// What looks as if it ran, in the version that was read last.
    known: BTreeMap<ObjectId, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    etag: Etag,
    /// Nothing is to be learnt of this version before.
    until: StoreTime,
    stands: Stands,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Held,
    Silent,
    Over,
}

impl Queue {
    /// For somebody who waits until nothing runs any more, usually after [`Queue::pause`].
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// queue.submit(Task::new("resize", "cat.png")?).await?;
    /// queue.pause().await?;
    /// let left = queue.draining().look().await?;
    /// assert_eq!((left.running, left.runnable), (0, 1));
    /// # Ok(()) }
    /// ```
    pub fn draining(&self) -> Draining {
        Draining {
            queue: self.clone(),
            known: BTreeMap::new(),
        }
    }
}

impl Draining {
    /// What is left now: one GET, one LIST for each thousand live objects, and two GET for each that
    /// was not written for 2 s, 4 s, 8 s and so on. What is over is cleared away.
    pub async fn look(&mut self) -> Result<Left> {
        let purged = self.queue.settings().await?.purged_before;
        let mut stats = Stats::default();
        let mut held = Vec::new();
        let live = prefix::live(self.queue.name());
        self.queue
            .each(live, usize::MAX, |now, entry| {
                if let Some((id, _)) = count_live(&mut stats, now, entry, purged) {
                    held.push((id, entry.clone(), now));
                }
            })
            .await?;
        let (queue, known) = (&self.queue, &self.known);
        let looks = held.into_iter().map(|(id, entry, now)| async move {
            let known = match known.get(&id).filter(|known| known.etag == entry.etag) {
                Some(known) if known.stands != Stands::Held || now < known.until => known.clone(),
                _ => examine(queue, id, &entry, now).await?,
            };
            Ok::<_, Error>((id, known))
        });
        let looked: BTreeMap<ObjectId, Known> = stream::iter(looks)
            .buffer_unordered(AT_A_TIME)
            .try_collect()
            .await?;
        self.known = looked;
        let sum = |stands| {
            let those = self
                .known
                .iter()
                .filter(|(_, known)| known.stands == stands);
            those.map(|(id, _)| id.count() as u64).sum()
        };
        Ok(Left {
            running: sum(Stands::Held),
            silent: sum(Stands::Silent),
            runnable: stats.runnable,
            waiting: stats.waiting,
            purged: stats.purged,
        })
    }
}

/// How an object stands that looks as if it ran.
async fn examine(queue: &Queue, id: ObjectId, entry: &Listed, now: StoreTime) -> Result<Known> {
    let age = now.since(entry.last_modified);
    let stands = |stands, until| Known {
        etag: entry.etag.clone(),
        until,
        stands,
    };
    let held = |until: StoreTime| {
        // Its outcome may be there any time; the longer it runs the more rarely that is looked for.
        let again = entry.last_modified.plus((age * 2).max(FRESH));
        stands(Stands::Held, again.min(until))
    };
    if age < FRESH {
        return Ok(held(StoreTime::MAX));
    }
    let (root, name) = (queue.root(), queue.name());
    match lookup(root, name, id).await {
        Ok(Some(Found::Done { done, .. })) => {
            finish::clear_or_leave(root, name, id, &done.record).await;
            Ok(stands(Stands::Over, now))
        }
        Ok(Some(Found::Live { live, .. })) if live.etag != entry.etag => Ok(held(now)),
        Ok(Some(Found::Live { live, seal })) => match live.record.state {
            LiveState::Terminal if age >= LEFT_BEHIND => {
                let seal = seal.map(|seal| *seal);
                if let Err(error) = finish::terminal(root, name, id, &live.record, seal).await {
                    tracing::debug!(queue = %name, %id, %error, "an outcome could not be recorded");
                }
                Ok(held(now))
            }
            LiveState::Running => match take_over_at(&live.record, entry.last_modified) {
                until if now < until => Ok(held(until)),
                _ => Ok(stands(Stands::Silent, now)),
            },
            LiveState::Terminal | LiveState::Pending => Ok(held(now)),
        },
        Ok(None) => Ok(stands(Stands::Over, now)),
        // A newer program may run it for as long as the length says.
        Err(Error::Unreadable { .. }) => match Hint::of_size(entry.size) {
            Hint::Running(lease) if age < lease + TAKE_OVER_MARGIN => Ok(held(StoreTime::MAX)),
            _ => Ok(stands(Stands::Silent, now)),
        },
        // Who may not read objects knows no more than their lengths say.
        Err(Error::Denied(_)) => Ok(held(StoreTime::MAX)),
        Err(e) => Err(e),
    }
}
