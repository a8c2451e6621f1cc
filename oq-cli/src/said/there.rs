//! Whether a queue is there that somebody named.

use oq_core::queue::{DEFAULT_QUEUE, Queue, names};

use crate::config::nearest;
use crate::exit::Exit;
use crate::failed::Failed;

/// Fails if nothing was ever written for this queue: its name is mistyped, most likely. Nothing is
/// asked where the queue has settings; else 1 LIST, and if it is not there one more.
pub async fn is_there(queue: &Queue) -> Result<(), Failed> {
    if queue.name().as_str() == DEFAULT_QUEUE || queue.exists().await? {
        return Ok(());
    }
    let name = queue.name();
    let others = names(queue.root()).await?;
    let next = match nearest(name.as_str(), others.iter().map(|other| other.as_str())) {
        Some(near) => format!("did you mean {near}?"),
        None if others.is_empty() => "check --url: no queue is there at all".to_owned(),
        None => "oq queue list --names".to_owned(),
    };
    Err(Failed::new(
        Exit::NotFound,
        "OQ-NOT-FOUND",
        format!("there is no queue {name}: it has neither settings nor tasks"),
        format!("{next}; the first task makes a queue, and oq queue set {name} --shards 16 does"),
    ))
}
