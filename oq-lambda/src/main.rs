//! A function whose handlers are programs: the files in `handlers/` beside it (or in `OQ_HANDLERS`).
//! Without any it only submits. `OQ_URL` names the store, `OQ_QUEUE` the queue; with `OQ_HTTP=on` a
//! function with handlers takes tasks by HTTP, too.

use std::path::PathBuf;

use lambda_runtime::{Error, tracing};
use oq_core::Worker;
use oq_lambda::{DEFAULT_MAX_BODY, connect, handler, programs, submitter};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let queue = connect().await?;
    let said = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    let beside = || PathBuf::from(said("LAMBDA_TASK_ROOT").unwrap_or_default()).join("handlers");
    let folder = said("OQ_HANDLERS").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() {
        return submitter(queue).run().await;
    }
    let open = said("OQ_HTTP").is_some_and(|v| v == "on");
    let worker = programs(Worker::builder().queue(&queue), &folder)?.build()?;
    let function = handler(worker);
    match open {
        true => function.open_to([queue.name().clone()], DEFAULT_MAX_BODY),
        false => function,
    }
    .run()
    .await
}
