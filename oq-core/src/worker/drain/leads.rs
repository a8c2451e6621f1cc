//! Leads: objects that are said to have work. They are tried without a listing, and what an id and
//! the length of a body say is believed without a request.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::super::find::News;
use super::super::lane::Tried;
use super::Stopped;
use super::run::{Drainer, Source};
use crate::error::Error;
use crate::record::{Hint, Key, ObjectId, QueueName, TaskType};
use crate::state::claim::LEFT_BEHIND;
use crate::time::StoreTime;

/// A clock may be a little behind another.
const LEAST_WAIT: Duration = Duration::from_millis(20);

/// A lead to what waits longer than this is not followed.
const SOON: Duration = Duration::from_secs(2);

/// An object that is said to have work: by an event of the bucket, or by whoever submitted it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lead {
    /// Its queue; the first of this name, if the worker has several in different stores.
    pub queue: QueueName,
    /// Its id; [`TaskId::object`](crate::record::TaskId::object) of a task.
    pub id: ObjectId,
    /// How long its body was. That tells what a worker's own writes are, at no request.
    pub size: Option<u64>,
}

impl Lead {
    /// An object of a queue.
    pub fn new(queue: QueueName, id: ObjectId) -> Lead {
        Lead {
            queue,
            id,
            size: None,
        }
    }

    /// The object with this key, below the root of the store; `None` if no task can be claimed
    /// there.
    pub fn of_key(key: &str) -> Option<Lead> {
        match Key::parse(key)? {
            Key::Live(queue, id) => Some(Lead::new(queue, id)),
            _ => None,
        }
    }

    /// The length of the body that the event tells of.
    pub fn size(mut self, bytes: u64) -> Lead {
        self.size = Some(bytes);
        self
    }
}

/// What came of a lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeadEnd {
    /// It was claimed and run.
    Ran,
    /// It waits until then.
    Waits(StoreTime),
    /// Somebody holds it; it may be taken over then.
    Held(StoreTime),
    /// It is over, or was never there.
    Over,
    /// Somebody else claimed it at the same moment.
    Lost,
    /// This worker does not take from its queue.
    OtherQueue,
    /// This worker has no handler for its type.
    NoHandler(TaskType),
    /// It was not tried: the drain stopped before.
    Untried,
    /// The object cannot be read; it was left as it is.
    Unreadable(String),
    /// The store did not answer: try it again.
    Failed(String),
}

impl LeadEnd {
    /// What a try came to.
    pub(super) fn of(tried: &Tried) -> LeadEnd {
        match &tried.news {
            _ if tried.claimed => LeadEnd::Ran,
            News::Waiting { until, .. } => LeadEnd::Waits(*until),
            News::Running { until, .. } => LeadEnd::Held(*until),
            News::LostRace => LeadEnd::Lost,
            News::Foreign { task_type, .. } => LeadEnd::NoHandler(task_type.clone()),
            News::Claimed | News::Released | News::Gone => LeadEnd::Over,
            News::Unreadable { .. } | News::Failed => match &tried.error {
                Some(e @ Error::Unreadable { .. }) => LeadEnd::Unreadable(e.to_string()),
                Some(e) => LeadEnd::Failed(e.to_string()),
                None => LeadEnd::Failed("the store did not answer".into()),
            },
        }
    }
}

impl Drainer {
    /// Takes note of the leads, each once. Whether any is worth a request.
    pub(super) fn note(&mut self, leads: &[Lead]) -> bool {
        let mut seen = BTreeSet::new();
        for lead in leads {
            if seen.insert((&lead.queue, lead.id)) {
                self.leads.push((lead.clone(), LeadEnd::Untried));
            }
        }
        for n in 0..self.leads.len() {
            let lead = &self.leads[n].0;
            let told = match self.source_of(lead) {
                Some(source) => self.told_by_itself(source, lead),
                None => Some(LeadEnd::OtherQueue),
            };
            self.leads[n].1 = told.unwrap_or(LeadEnd::Untried);
        }
        self.leads.iter().any(|(_, end)| *end == LeadEnd::Untried)
    }

    /// Tries those that did not tell all by themselves.
    pub(super) async fn follow(&mut self) -> Result<(), Stopped> {
        for n in 0..self.leads.len() {
            let (lead, end) = &self.leads[n];
            let id = lead.id;
            if *end == LeadEnd::Untried
                && let Some(source) = self.source_of(lead)
                && !self.sources[source].paused
            {
                let slot = self.slot().await?;
                self.spawn(source, id, None, Some(n), slot);
            }
        }
        Ok(())
    }

    /// Tries those again that become due within this time, until all are over or run.
    pub(super) async fn linger(&mut self, linger: Duration) -> Stopped {
        loop {
            let wait = self.soonest(linger);
            let left = self.time_left();
            if left.is_zero() || (wait.is_none() && self.runs.is_empty()) {
                return Stopped::Empty;
            }
            // What is tried may turn out to wait, too.
            let (env, pause) = (self.env.clone(), wait.unwrap_or(left).max(LEAST_WAIT));
            let ended = tokio::select! {
                biased;
                ended = self.runs.join_next(), if !self.runs.is_empty() => ended,
                () = env.sleep(pause) => None,
            };
            if let Some(ended) = ended {
                self.ended(ended);
                continue;
            }
            let now = self.sources[0].lane.root.now();
            for n in 0..self.leads.len() {
                if let (lead, LeadEnd::Waits(until)) = &self.leads[n]
                    && *until <= now
                    && let Some(source) = self.source_of(lead)
                {
                    let id = lead.id;
                    match self.slot().await {
                        Ok(slot) => self.spawn(source, id, None, Some(n), slot),
                        Err(stopped) => return stopped,
                    }
                    self.leads[n].1 = LeadEnd::Untried;
                }
            }
        }
    }

    /// In how long the first of those that wait is due, if that is within `linger`.
    pub(super) fn soonest(&self, linger: Duration) -> Option<Duration> {
        let now = self.sources[0].lane.root.now();
        let soon = |(_, end): &(Lead, LeadEnd)| match end {
            LeadEnd::Waits(until) => Some(until.since(now)),
            _ => None,
        };
        let soonest = self.leads.iter().filter_map(soon).min()?;
        (soonest <= linger && soonest < self.time_left()).then_some(soonest)
    }

    fn source_of(&self, lead: &Lead) -> Option<usize> {
        let same = |source: &Source| *source.queue.name() == lead.queue;
        self.sources.iter().position(same)
    }

    /// What the id and the length of the body say without a request.
    fn told_by_itself(&self, source: usize, lead: &Lead) -> Option<LeadEnd> {
        let now = self.sources[source].lane.root.now();
        let hint = lead.size.map(Hint::of_size);
        // Ids carry the submitter's estimate of the store's time, and this is another one.
        if lead.id.due() > now.plus(SOON) && hint != Some(Hint::Runnable) {
            return Some(LeadEnd::Waits(lead.id.due()));
        }
        // Most of these are a worker's own writes. If it dies, what it left is found by looking.
        match hint? {
            Hint::Running(lease) => Some(LeadEnd::Held(now.plus(lease))),
            Hint::Terminal(_) => Some(LeadEnd::Held(now.plus(LEFT_BEHIND))),
            Hint::Waiting(least) if least > SOON => Some(LeadEnd::Waits(now.plus(least))),
            _ => None,
        }
    }
}
