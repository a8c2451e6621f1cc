//! Whether the store answers: one outage is told once, however many requests fail in it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::env::Mono;
use crate::store::StoreError;

/// So many requests without an answer in a row, or PUT: a full disk answers what is read; …
const SILENT_REQUESTS: u32 = 3;

/// … over at least this time, are an outage. A refusal is one at once.
const SILENT_FOR: Duration = Duration::from_secs(3);

/// An outage is over when requests are answered this long after the last sign of it, and each kind of
/// request that was refused has been allowed once: some are made a few times in a minute only. So has
/// a PUT been answered, if so many were not that they alone are an outage.
const QUIET: Duration = Duration::from_secs(30);

/// A kind of request that is refused for so long and has never worked will not: new policies take
/// about a minute to be known everywhere.
const NEVER: Duration = Duration::from_secs(120);

/// A kind of request, as policies tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// GET.
    Get,
    /// LIST.
    List,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

impl Kind {
    /// As people call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Get => "GET",
            Kind::List => "LIST",
            Kind::Put => "PUT",
            Kind::Delete => "DELETE",
        }
    }
}

/// How the store stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// Since when it fails, and how.
    pub outage: Option<(Mono, StoreError)>,
    /// How long the last outage was, from its first sign to its last.
    pub lasted: Duration,
    /// What it has always refused and keeps refusing, so that a worker cannot work.
    pub never: Option<StoreError>,
}

/// Watches the answers to all requests of a client. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    condition: Condition,
    silent: Silence,
    /// The same of PUT alone.
    unwritten: Silence,
    /// The last sign of the outage.
    last_sign: Mono,
    kinds: [Access; 4],
}

/// Since when no request was answered, until when, and how many were not.
#[derive(Debug, Default)]
struct Silence {
    since: Option<Mono>,
    lasted: Duration,
    requests: u32,
}

impl Silence {
    /// One more was not answered; whether they are an outage.
    fn goes_on(&mut self, now: Mono) -> bool {
        self.lasted = now.since(*self.since.get_or_insert(now));
        self.requests = self.requests.saturating_add(1);
        self.is_outage()
    }

    fn is_outage(&self) -> bool {
        self.requests >= SILENT_REQUESTS && self.lasted >= SILENT_FOR
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Access {
    worked: bool,
    refused_since: Option<Mono>,
}

impl Health {
    /// A request was answered.
    pub fn answered(&self, kind: Kind, now: Mono) {
        let mut state = self.state();
        state.silent = Silence::default();
        if kind == Kind::Put {
            state.unwritten = Silence::default();
        }
        state.kinds[kind as usize] = Access {
            worked: true,
            refused_since: None,
        };
        let allowed = state.kinds.iter().all(|kind| kind.refused_since.is_none());
        if let Some((since, _)) = state.condition.outage
            && allowed
            && !state.unwritten.is_outage()
            && now.since(state.last_sign) >= QUIET
        {
            state.condition.outage = None;
            state.condition.lasted = state.last_sign.since(since);
            self.0.changed.notify_waiters();
        }
    }

    /// A request was not answered, or not with what was asked.
    pub fn failed(&self, kind: Kind, now: Mono, error: &StoreError) {
        let mut state = self.state();
        let sign = match error {
            StoreError::Unavailable(_) => {
                let unwritten = kind == Kind::Put && state.unwritten.goes_on(now);
                state.silent.goes_on(now) || unwritten
            }
            StoreError::Denied(_) | StoreError::Misconfigured(_) | StoreError::Unsupported(_) => {
                let access = &mut state.kinds[kind as usize];
                let since = *access.refused_since.get_or_insert(now);
                if !access.worked && now.since(since) >= NEVER && state.condition.never.is_none() {
                    state.condition.never = Some(error.clone());
                    self.0.changed.notify_waiters();
                }
                true
            }
            StoreError::TooLarge(_) => false,
        };
        if sign {
            state.last_sign = now;
            if state.condition.outage.is_none() {
                state.condition.outage = Some((now, error.clone()));
                self.0.changed.notify_waiters();
            }
        }
    }

    /// How the store stands now.
    pub fn condition(&self) -> Condition {
        self.state().condition.clone()
    }

    /// Waits until the condition is another one than `seen`, and returns it.
    pub async fn other_than(&self, seen: &Condition) -> Condition {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let condition = self.condition();
            if condition != *seen {
                return condition;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Mono {
        Mono(Duration::from_secs(secs))
    }

    fn silence() -> StoreError {
        StoreError::Unavailable("no answer".into())
    }

    fn denied() -> StoreError {
        StoreError::Denied("no".into())
    }

    fn outage(health: &Health) -> bool {
        health.state().condition.outage.is_some()
    }

    #[test]
    fn silence_is_an_outage_when_it_lasts_and_nothing_is_answered_meanwhile() {
        let health = Health::default();
        for _ in 0..100 {
            health.failed(Kind::Get, at(1), &silence());
        }
        assert!(!outage(&health), "a hundred at once are one hiccup");
        health.answered(Kind::Get, at(3));
        health.failed(Kind::Get, at(5), &silence());
        health.failed(Kind::Put, at(9), &silence());
        assert!(!outage(&health), "two in a row");
        health.failed(Kind::List, at(9), &silence());
        assert!(outage(&health));
    }

    #[test]
    fn a_store_that_answers_reads_and_takes_no_writes_fails() {
        let health = Health::default();
        for t in 1..4 {
            health.failed(Kind::Put, at(t), &silence());
            health.answered(Kind::Get, at(t));
            assert!(!outage(&health), "{t}");
        }
        health.failed(Kind::Put, at(4), &silence());
        assert!(outage(&health));
        health.answered(Kind::Get, at(99));
        assert!(outage(&health), "nothing was written since");
        health.answered(Kind::Put, at(99));
        assert!(!outage(&health));
    }

    #[test]
    fn a_write_without_an_answer_does_not_keep_an_outage_open() {
        let health = Health::default();
        for t in [1, 3, 5] {
            health.failed(Kind::List, at(t), &silence());
        }
        health.failed(Kind::Put, at(6), &silence());
        assert!(outage(&health));
        health.answered(Kind::List, at(36));
        assert!(!outage(&health));
    }

    #[test]
    fn it_is_over_when_it_is_quiet() {
        let health = Health::default();
        health.failed(Kind::Put, at(1), &denied());
        for t in 2..99 {
            health.answered(Kind::Get, at(t));
            assert!(outage(&health), "what was refused has not worked since");
        }
        health.answered(Kind::Put, at(99));
        assert!(!outage(&health));
        for t in [100, 102, 104] {
            health.failed(Kind::Put, at(t), &silence());
        }
        health.answered(Kind::Put, at(133));
        assert!(outage(&health));
        health.answered(Kind::Put, at(134));
        assert!(!outage(&health));
    }

    #[test]
    fn what_never_worked_is_known_after_two_minutes_and_what_worked_may_work_again() {
        let health = Health::default();
        health.answered(Kind::Get, at(0));
        for t in (1..200).step_by(10) {
            health.failed(Kind::Get, at(t), &denied());
        }
        assert_eq!(health.state().condition.never, None);
        health.failed(Kind::Put, at(200), &denied());
        health.failed(Kind::Put, at(319), &denied());
        assert_eq!(health.state().condition.never, None);
        health.failed(Kind::Put, at(320), &denied());
        assert_eq!(health.state().condition.never, Some(denied()));
    }
}
