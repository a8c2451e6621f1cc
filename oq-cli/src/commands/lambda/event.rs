//! `oq lambda event`.

use std::collections::BTreeSet;

use oq_core::queue::Queue;
use oq_core::record::{Key, TaskId};
use oq_core::store::Place;
use oq_lambda::emulator::{event, record};
use serde_json::Value;

use crate::exit::Exit;
use crate::failed::Failed;
use crate::said::Ids;
use crate::session::Session;

/// The event of these tasks' objects, as if they had been written just now.
pub async fn print(oq: &Session<'_>, ids: &Ids) -> Result<Exit, Failed> {
    let queue = oq.queue().await?;
    let mut seen = BTreeSet::new();
    let mut records = Vec::new();
    for id in ids.find(&queue).await? {
        // Packed tasks have one object.
        if seen.insert(id.object()) {
            records.push(written(&queue, id).await?);
        }
    }
    oq.print.line(&event(records))?;
    Ok(Exit::Ok)
}

async fn written(queue: &Queue, id: TaskId) -> Result<Value, Failed> {
    let root = queue.root();
    let key = Key::Live(queue.name().clone(), id.object());
    let Some(object) = root.get(&key.store_key()).await?.value else {
        let state = queue.get(id).await?.state;
        let why = format!("task {id} is {state}: it has no object that a function could run");
        return Err(Failed::usage(why, "name a task that waits"));
    };
    // A store in a file has no bucket, and a function takes any for it.
    let place = root.store().place().unwrap_or(Place {
        bucket: "local".into(),
        prefix: String::new(),
    });
    let (key, bytes) = (key.to_string(), object.body.len() as u64);
    Ok(record(&place, &key, bytes, 1, root.now()))
}
