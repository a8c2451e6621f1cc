//! Whether the store answers, judged from the requests that were counted. No I/O.

use std::time::Duration;

use oq_core::env::Mono;
use oq_core::store::{Outcome, Requests};

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Requests failed, and none was answered, since this long.
    Began(Duration),
    /// The store answers again, after this long.
    Ended(Duration),
}

/// Silence shorter than this is not told.
const PATIENCE: Duration = Duration::from_secs(3);

/// Watches the counts.
#[derive(Debug)]
pub struct Outage {
    failed: u64,
    answered: u64,
    /// The first look that found failures and no answer.
    since: Option<Mono>,
    told: bool,
}

impl Outage {
    pub fn new(made: &Requests) -> Outage {
        let (failed, answered) = split(made);
        Outage {
            failed,
            answered,
            since: None,
            told: false,
        }
    }

    /// Takes another look.
    pub fn look(&mut self, made: &Requests, now: Mono) -> Option<Change> {
        let (failed, answered) = split(made);
        let (new_failures, new_answers) = (failed > self.failed, answered > self.answered);
        (self.failed, self.answered) = (failed, answered);
        if new_answers {
            let since = self.since.take()?;
            return std::mem::take(&mut self.told).then(|| Change::Ended(now.since(since)));
        }
        if new_failures && self.since.is_none() {
            self.since = Some(now);
        }
        let silent = now.since(self.since?);
        if self.told || silent < PATIENCE {
            return None;
        }
        self.told = true;
        Some(Change::Began(silent))
    }
}

fn split(made: &Requests) -> (u64, u64) {
    let failed = made.outcome(Outcome::Error) + made.outcome(Outcome::Unknown);
    (failed, made.total() - failed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oq_core::env::Env;
    use oq_core::store::{Faults, Faulty, MemoryStore, Metered, Store, StoreKey};

    use super::*;

    #[tokio::test]
    async fn an_outage_is_told_once_when_it_lasts_and_once_when_it_ends() {
        let faulty = Faulty::new(
            Arc::new(MemoryStore::new()),
            Faults::default(),
            Env::system(),
        );
        let faulty = Arc::new(faulty);
        let store = Metered::new(faulty.clone());
        let mut outage = Outage::new(&store.meter().snapshot());
        let mut told = Vec::new();
        let down = |second| (10..20).contains(&second) || second == 30;
        for second in 0..40 {
            let unavailable = if down(second) { 1.0 } else { 0.0 };
            faulty.set(Faults {
                unavailable,
                ..Faults::default()
            });
            let _answer = store.get(&StoreKey::listed("a")).await;
            let now = Mono(Duration::from_secs(second));
            let change = outage.look(&store.meter().snapshot(), now);
            told.extend(change.map(|change| (second, change)));
        }
        let seconds = Duration::from_secs;
        let began = (13, Change::Began(seconds(3)));
        assert_eq!(told, [began, (20, Change::Ended(seconds(10)))]);
    }
}
