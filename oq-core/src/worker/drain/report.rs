//! What a drain did and why it ended, counted from what its worker tells of.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::super::hooks::Event;
use super::leads::{Lead, LeadEnd};
use crate::error::Error;
use crate::record::{Ending, QueueName, TaskType};
use crate::time::StoreTime;

/// Why a drain came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// Nothing is due any more; after leads alone: all were tried.
    #[default]
    Empty,
    /// As many tasks as were asked for.
    Limit,
    /// There was no more time.
    Deadline,
    /// It was told to.
    Asked,
    /// The store kept failing; see [`Drained::error`].
    Failing,
}

/// What a drain did.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Drained {
    /// Objects claimed; tasks that were submitted together are one.
    pub claimed: u64,
    /// How many of them were left by a worker that fell silent.
    pub taken_over: u64,
    /// Objects that were over, which somebody left before that was written down everywhere.
    pub repaired: u64,
    /// Tasks that completed.
    pub completed: u64,
    /// Tasks that failed for good.
    pub failed: u64,
    /// Tasks that were cancelled.
    pub cancelled: u64,
    /// Tasks whose time was over.
    pub expired: u64,
    /// Failures that are tried again.
    pub retried: u64,
    /// Answers "later".
    pub rescheduled: u64,
    /// Tasks given back at the end.
    pub released: u64,
    /// Objects lost to another worker while they ran.
    pub lost: u64,
    /// Objects that cannot be read. They were left as they are.
    pub unreadable: u64,
    /// Claims that the store did not answer.
    pub errors: u64,
    /// Objects that were passed over, by their type: this worker has no handler for it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub no_handler: BTreeMap<TaskType, u64>,
    /// When another look is worth while: nothing that was seen and left becomes due, or may be taken
    /// over, before. What another worker holds it may hold for longer.
    pub next: Option<StoreTime>,
    /// What came of each lead.
    pub leads: Vec<(Lead, LeadEnd)>,
    /// Queues that are paused, from which nothing was claimed.
    pub paused: Vec<QueueName>,
    /// Why it ended.
    pub stopped: Stopped,
    /// The last error of the store, if it kept failing.
    #[serde(serialize_with = "as_text")]
    pub error: Option<Error>,
}

fn as_text<S: serde::Serializer>(error: &Option<Error>, s: S) -> Result<S::Ok, S::Error> {
    match error {
        Some(error) => s.collect_str(error),
        None => s.serialize_none(),
    }
}

pub(super) fn lock(report: &Mutex<Drained>) -> MutexGuard<'_, Drained> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts what a worker tells of.
pub(super) fn count(counts: &Mutex<Drained>, event: &Event) {
    let mut counts = lock(counts);
    match event {
        Event::Claimed { taken_over, .. } => {
            counts.claimed += 1;
            counts.taken_over += u64::from(*taken_over);
        }
        Event::Finished { ending, .. } => match ending {
            Ending::Completed => counts.completed += 1,
            Ending::Failed => counts.failed += 1,
            Ending::Cancelled => counts.cancelled += 1,
            Ending::Expired => counts.expired += 1,
        },
        Event::Retried { .. } => counts.retried += 1,
        Event::Rescheduled { .. } => counts.rescheduled += 1,
        Event::Released { tasks, .. } => counts.released += *tasks as u64,
        Event::Lost { .. } => counts.lost += 1,
        Event::Unreadable { .. } => counts.unreadable += 1,
        _ => {}
    }
}
