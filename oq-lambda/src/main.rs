//! A function whose handlers are programs: the files in `handlers/` beside it (or in `OQ_HANDLERS`).
//! Without any it only submits. `OQ_URL` names the store, `OQ_QUEUE` the queue; with `OQ_HTTP=on` a
//! function with handlers takes tasks by HTTP, too.

use oq_core::Worker;
use oq_lambda::settings::{HTTP, handlers, programs_at_once, switch};
use oq_lambda::{CannotRun, DEFAULT_MAX_BODY, connect, handler, log, programs, submitter};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), CannotRun> {
    log()?;
    let (folder, http) = (handlers()?, switch(HTTP)?);
    let queue = connect().await?;
    let own = [queue.name().clone()];
    let function = match folder {
        Some(folder) => {
            let builder = Worker::builder().queue(&queue);
            let builder = builder.concurrency(programs_at_once()?);
            handler(programs(builder, &folder)?.build()?)
        }
        None => submitter(queue),
    };
    match http {
        Some(true) => function.open_to(own, DEFAULT_MAX_BODY),
        Some(false) => function.closed(),
        None => function,
    }
    .run()
    .await?;
    Ok(())
}
