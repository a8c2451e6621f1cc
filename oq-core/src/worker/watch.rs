//! Watches what a worker stands on: its store, and the parts of it that run in the background.

use futures::future::select_all;
use tokio::task::JoinSet;

use super::hooks::{Event, Hooks};
use crate::error::Error;
use crate::metric;
use crate::protocol::Root;
use crate::protocol::health::Condition;

/// Tells of outages of the stores. Completes when one of them refuses what a worker cannot do
/// without, and always has.
pub(super) async fn stores(roots: Vec<Root>, hooks: Hooks) -> Error {
    let (error, ..) = select_all(roots.into_iter().map(|root| Box::pin(store(root, &hooks)))).await;
    error
}

async fn store(root: Root, hooks: &Hooks) -> Error {
    let mut seen = Condition::default();
    let gauge = metrics::gauge!(metric::STORE_FAILING.name);
    loop {
        let now = root.health().other_than(&seen).await;
        match (&seen.outage, &now.outage) {
            (None, Some((_, error))) => {
                tracing::error!(%error, "the store fails; what it does not answer is tried again");
                gauge.set(1);
                hooks.tell(|| Event::StoreFailing {
                    error: error.clone().into(),
                });
            }
            (Some(_), None) => {
                let after = now.lasted;
                tracing::warn!(?after, "the store answers again");
                gauge.set(0);
                hooks.tell(|| Event::StoreRecovered { after });
            }
            _ => {}
        }
        if let Some(error) = now.never {
            return error.into();
        }
        seen = now;
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
