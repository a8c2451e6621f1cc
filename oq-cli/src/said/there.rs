//! Whether a queue is there that somebody named.

use oq_core::Error;
use oq_core::queue::{DEFAULT_QUEUE, Queue, names};

use crate::config::nearest;
use crate::exit::Exit;
use crate::failed::Failed;

/// Fails if nothing was ever written for this queue: its name is mistyped, most likely. Nothing is
/// asked where the queue has settings; else 1 LIST, and if it is not there one more.
pub async fn is_there(queue: &Queue) -> Result<(), Failed> {
    if queue.name().as_str() == DEFAULT_QUEUE {
        return Ok(());
    }
    match queue.exists().await {
        Ok(false) => {}
        // Who may not list all of a queue may still do what he came for.
        Ok(true) | Err(Error::Denied(_)) => return Ok(()),
        Err(e) => return Err(e.into()),
    }
    let name = queue.name();
    let others = names(queue.root()).await.unwrap_or_default();
    let next = match nearest(name.as_str(), others.iter().map(|other| other.as_str())) {
        Some(near) => format!("did you mean {near}?"),
        None if others.is_empty() => "check --url and --queue".to_owned(),
        None => "oq queue list --names".to_owned(),
    };
    Err(Failed::new(
        Exit::NotFound,
        "OQ-NOT-FOUND",
        format!("there is no queue {name}: it has neither settings nor tasks"),
        format!("{next}; the first task makes a queue, and oq queue set {name} --shards 16 does"),
    ))
}
