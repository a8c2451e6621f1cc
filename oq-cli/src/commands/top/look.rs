//! What is asked of the store at each refresh; all of it bounded.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use oq_core::Result;
use oq_core::env::Mono;
use oq_core::protocol::Root;
use oq_core::queue::{
    self, DeadLetter, Filter, Listed, Queue, Stats, TaskState, TaskView, WorkerView,
};
use oq_core::record::{Presence, QueueName, prefix};
use oq_core::span;
use oq_core::store::List;
use serde::Serialize;

use crate::print::Row;

/// No more queues than this are looked at; the rest is counted.
pub const QUEUES: usize = 20;

/// So many thousand objects of each kind are counted.
const THOUSANDS: usize = 1;

/// No more than this of anything is shown of an open queue.
const SHOWN: usize = 10;

/// The bodies of no more workers than this are read.
const WORKERS: usize = 20;

/// What was seen.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Snapshot {
    pub queues: Vec<QueueSeen>,
    /// Queues that were not looked at.
    pub more_queues: usize,
    /// Of the queue that is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenQueue>,
}

/// One queue.
#[derive(Debug, Clone, Serialize)]
pub struct QueueSeen {
    pub name: QueueName,
    #[serde(flatten)]
    pub stats: Stats,
    /// Workers that showed themselves lately.
    pub workers: usize,
}

impl Row for QueueSeen {
    const HEADS: &'static [&'static str] = &[
        "queue", "runnable", "waiting", "running", "done", "dead", "oldest", "workers",
    ];

    fn cells(&self) -> Vec<String> {
        let stats = &self.stats;
        vec![
            self.name.to_string(),
            stats.runnable.to_string(),
            stats.waiting.to_string(),
            stats.running.to_string(),
            stats.done.to_string(),
            stats.dead.to_string(),
            stats.oldest.map(span::rough).unwrap_or_default(),
            self.workers.to_string(),
        ]
    }

    fn id(&self) -> String {
        self.name.to_string()
    }
}

/// More of one queue.
#[derive(Debug, Clone, Serialize)]
pub struct OpenQueue {
    pub name: QueueName,
    /// None if there are too many to read them all.
    pub workers: Option<Vec<WorkerView>>,
    pub running: Vec<TaskView>,
    #[serde(skip)]
    pub dead: Vec<DeadLetter>,
}

/// Looks at a store.
#[derive(Debug)]
pub struct Looker {
    root: Root,
    /// Opening one costs 2 GET, so each is opened once.
    queues: Mutex<BTreeMap<QueueName, Queue>>,
}

impl Looker {
    pub fn new(root: Root) -> Looker {
        Looker {
            root,
            queues: Mutex::default(),
        }
    }

    /// Elapsed time.
    pub fn now(&self) -> Mono {
        self.root.env().now()
    }

    /// One refresh, with more of the queue that is open.
    pub async fn look(&self, open: Option<QueueName>) -> Result<Snapshot> {
        let names = queue::names(&self.root).await?;
        let mut seen = Snapshot {
            more_queues: names.len().saturating_sub(QUEUES),
            ..Snapshot::default()
        };
        let looks = names.into_iter().take(QUEUES).map(|name| self.queue(name));
        for looked in futures::future::join_all(looks).await {
            let (queue, line) = looked?;
            if open.as_ref() == Some(&line.name) {
                seen.open = Some(self.open(&queue, &line).await?);
            }
            seen.queues.push(line);
        }
        Ok(seen)
    }

    async fn queue(&self, name: QueueName) -> Result<(Queue, QueueSeen)> {
        let queue = self.opened(&name).await?;
        let stats = queue.stats_up_to(THOUSANDS).await?;
        let page = self.root.list(&List::prefix(prefix::fleet(&name))).await?;
        let present = page.value.entries.iter();
        let present = present.filter(|e| page.date.since(e.last_modified) < Presence::STALE);
        let workers = present.count();
        Ok((
            queue,
            QueueSeen {
                name,
                stats,
                workers,
            },
        ))
    }

    async fn opened(&self, name: &QueueName) -> Result<Queue> {
        let queues = || self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues().get(name) {
            return Ok(queue.clone());
        }
        let queue = Queue::open(self.root.clone(), name.clone()).await?;
        queues().insert(name.clone(), queue.clone());
        Ok(queue)
    }

    async fn open(&self, queue: &Queue, line: &QueueSeen) -> Result<OpenQueue> {
        let workers = match line.workers <= WORKERS {
            true => Some(queue.workers().await?),
            false => None,
        };
        let mut running = Vec::new();
        // In a deep queue those that run may be behind thousands that wait.
        if line.stats.running > 0 && !line.stats.more {
            let filter = Filter::new().state(TaskState::Running).limit(SHOWN as u64);
            for task in queue.list(filter)?.all().await? {
                if let Listed::Task(task) = task {
                    running.push(*task);
                }
            }
        }
        let mut dead = Vec::new();
        if line.stats.dead > 0 {
            dead = queue.dead(Filter::new().limit(SHOWN as u64)).all().await?;
        }
        Ok(OpenQueue {
            name: line.name.clone(),
            workers,
            running,
            dead,
        })
    }
}
