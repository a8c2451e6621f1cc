//! One try of an object: the slot it is given, and what it came to.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::super::find::News;
use super::super::lane::{Target, Tried};
use super::LeadEnd;
use super::report::lock;
use super::run::Drainer;
use crate::error::Error;
use crate::record::ObjectId;
use crate::store::Etag;
use crate::time::StoreTime;

/// For so long after its end an object of ours may still be listed.
const SETTLED: Duration = Duration::from_secs(5);

/// What is being tried.
pub(super) struct Try {
    source: usize,
    id: ObjectId,
    etag: Option<Etag>,
    lead: Option<usize>,
}

impl Drainer {
    pub fn spawn(
        &mut self,
        source: usize,
        id: ObjectId,
        etag: Option<Etag>,
        lead: Option<usize>,
        slot: OwnedSemaphorePermit,
    ) {
        self.tasks_left = self.tasks_left.saturating_sub(id.count() as u64);
        let (shared, lane) = (self.shared.clone(), self.sources[source].lane.clone());
        let target = Target {
            id,
            etag: etag.clone(),
            last_modified: None,
            purged_before: self.sources[source].purged_before,
        };
        let about = Try {
            source,
            id,
            etag,
            lead,
        };
        self.runs.spawn(async move {
            let tried = lane.attempt(&shared, target, slot, || ()).await;
            (about, tried)
        });
    }

    pub async fn idle(&mut self) {
        while let Some(ended) = self.runs.join_next().await {
            self.ended(ended);
        }
    }

    /// Takes note of what a try came to.
    pub fn ended(&mut self, ended: Result<(Try, Tried), tokio::task::JoinError>) {
        let Ok((about, tried)) = ended else {
            return;
        };
        if !tried.claimed {
            self.tasks_left = self.tasks_left.saturating_add(about.id.count() as u64);
        }
        if let Some(lead) = about.lead {
            self.leads[lead].1 = LeadEnd::of(&tried);
        }
        let taken = matches!(
            tried.news,
            News::Running { .. } | News::LostRace | News::Gone
        );
        if taken && !tried.claimed && !tried.repaired && about.etag.is_some() {
            self.beaten.insert((about.source, about.id.shard()));
        }
        let source = &mut self.sources[about.source];
        let leave = match tried.news {
            // It may run as soon as others of its kind have ended.
            _ if tried.crowded => None,
            News::Waiting { until, etag } | News::Running { until, etag } => {
                Some((etag, until, true))
            }
            News::Foreign { etag, task_type } => {
                let mut report = lock(&self.report);
                *report.no_handler.entry(task_type).or_default() += 1;
                Some((Some(etag), StoreTime::MAX, false))
            }
            News::Unreadable { etag } => Some((etag, StoreTime::MAX, false)),
            News::Failed => Some((about.etag, StoreTime::MAX, false)),
            News::LostRace => None,
            News::Claimed | News::Released | News::Gone => {
                Some((None, source.lane.root.now().plus(SETTLED), false))
            }
        };
        if let Some((etag, until, look_again)) = leave {
            source.left.leave(about.id, etag, until, look_again);
        }
        lock(&self.report).repaired += u64::from(tried.repaired);
        match tried.error {
            Some(Error::Unreadable { .. }) => {}
            Some(error) => {
                self.failures += 1;
                self.error = Some(error);
                lock(&self.report).errors += 1;
            }
            None => self.failures = 0,
        }
    }
}
