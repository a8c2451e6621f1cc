//! Watches what a worker stands on: its store, and the parts of it that run in the background.

use std::sync::{Mutex, PoisonError};

use futures::future::select_all;
use tokio::task::JoinSet;

use super::hooks::{Event, Hooks};
use crate::error::Error;
use crate::metric;
use crate::protocol::Root;
use crate::protocol::health::Condition;

/// What a worker has told of outages of its stores. It outlives the drains: one outage may last for
/// many.
#[derive(Debug, Default)]
pub(super) struct Outages(Mutex<Vec<Root>>);

impl Outages {
    /// Tells of outages of the stores. Completes when one of them refuses what a worker cannot do
    /// without, and always has.
    pub async fn watch(&self, roots: &[Root], hooks: &Hooks) -> Error {
        let each = roots.iter().map(|root| Box::pin(self.store(root, hooks)));
        let (error, ..) = select_all(each).await;
        error
    }

    async fn store(&self, root: &Root, hooks: &Hooks) -> Error {
        loop {
            let now = root.health().condition();
            self.tell(root, &now, hooks);
            if let Some(error) = now.never {
                return error.into();
            }
            root.health().other_than(&now).await;
        }
    }

    /// Tells what is known by now.
    pub fn look(&self, roots: &[Root], hooks: &Hooks) {
        for root in roots {
            self.tell(root, &root.health().condition(), hooks);
        }
    }

    fn tell(&self, root: &Root, now: &Condition, hooks: &Hooks) {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = failing.iter().position(|other| other.is(root));
        match (told, &now.outage) {
            (None, Some(_)) => failing.push(root.clone()),
            (Some(at), None) => drop(failing.swap_remove(at)),
            _ => {}
        }
        metrics::gauge!(metric::STORE_FAILING.name).set(u8::from(!failing.is_empty()));
        // A hook may take its time.
        drop(failing);
        if told.is_some() == now.outage.is_some() {
            return;
        }
        match &now.outage {
            Some((_, error)) => {
                tracing::error!(%error, "the store fails; what it does not answer is tried again");
                hooks.tell(|| Event::StoreFailing {
                    error: error.clone().into(),
                });
            }
            None => {
                let after = now.lasted;
                tracing::warn!(?after, "the store answers again");
                hooks.tell(|| Event::StoreRecovered { after });
            }
        }
    }
}

/// Completes when one of these ends, which they do not unless they panic.
pub(super) async fn parts(finding: &mut JoinSet<()>, deleting: &mut JoinSet<()>) -> Error {
    let ended = tokio::select! {
        biased;
        Some(ended) = finding.join_next() => ended,
        Some(ended) = deleting.join_next() => ended,
        else => return std::future::pending().await,
    };
    let why = match ended {
        Err(e) if e.is_panic() => panic_message(&*e.into_panic()),
        _ => "it ended".to_owned(),
    };
    Error::Unusable(format!(
        "a part of the worker broke, so that it finds no tasks any more: {why}. It gave back what \
         it held. Start it again, and report this as a bug of oq"
    ))
}

/// What a panic said.
pub(super) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
