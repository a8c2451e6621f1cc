//! oq on AWS Lambda: tasks are submitted and run without a server.
//!
//! [`handler`] makes a function of a [`Worker`], [`submitter`] one that only submits. A function
//! answers whatever Lambda passes to it ([`event`]) and drains in the time it is given.
//!
//! ```no_run
//! use oq_core::{Context, TaskError, Worker};
//!
//! # #[cfg(feature = "runtime")]
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), oq_lambda::CannotRun> {
//!     let queue = oq_lambda::connect().await?; // OQ_URL and OQ_QUEUE
//!     let worker = Worker::builder()
//!         .queue(&queue)
//!         .handler("greet", async |_: Context, name: String| Ok::<_, TaskError>(format!("hello {name}")))
//!         .build()?;
//!     Ok(oq_lambda::handler(worker).run().await?)
//! }
//! # #[cfg(not(feature = "runtime"))] fn main() {}
//! ```
//!
//! What is where: [`event`] reads documents, without I/O; `leads` makes of notifications what a
//! drain tries; `function` does it, in the time that `watch` and `thaw` tell; `answer` says what came
//! of it, `repeat` what is to be delivered again; `submit` and `http` take tasks in; `runtime` and `begin` (a feature) are the parts that know `lambda_runtime`; `settings` reads the
//! environment; `failures` logs what fails; `programs` runs tasks by programs, for the binary of this crate; `emulator` (a feature) runs functions on this machine. How all of it fits together is in `docs/lambda.md`.
//!
//! [`Worker`]: oq_core::Worker

/// The examples of the page on functions compile.
#[cfg(all(doctest, feature = "runtime"))]
#[doc = include_str!("../../docs/lambda.md")]
pub struct Page;

mod answer;
#[cfg(feature = "runtime")]
mod begin;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod event;
mod failures;
mod function;
mod http;
mod leads;
mod programs;
mod repeat;
#[cfg(feature = "runtime")]
mod runtime;
pub mod settings;
mod submit;
pub mod templates;
mod thaw;
mod watch;

pub use answer::{Answer, Failed};
#[cfg(feature = "runtime")]
pub use begin::{CannotRun, log};
pub use function::{Function, Time, handler, submitter};
pub use http::{DEFAULT_MAX_BODY, Reply};
pub use programs::programs;
pub use submit::{Accepted, Submit, submit_handler};

use oq_core::record::QueueName;
use oq_core::{Queue, Result, words};

/// The queue that `OQ_QUEUE` names (`default` unless set), in the store that `OQ_URL` names. It is
/// [`quiet`]: on Lambda events of the bucket start workers.
///
/// # Errors
///
/// [`Invalid`](oq_core::Error::Invalid) without `OQ_URL`, those of [`words::queue`], and those of
/// [`Queue::connect`].
pub async fn connect() -> Result<Queue> {
    let Some(url) = words::said("OQ_URL") else {
        return Err(oq_core::Error::Invalid {
            what: "OQ_URL".into(),
            why: "it is not set: name the store in it, as in s3://BUCKET/PREFIX".into(),
        });
    };
    let queue = words::queue()?;
    open(&url, queue.as_ref().map(QueueName::as_str)).await
}

/// A queue (`default` unless named) of the store at a URL, [`quiet`].
///
/// # Errors
///
/// Those of [`Queue::connect`] and [`Queue::named`].
pub async fn open(url: &str, queue: Option<&str>) -> Result<Queue> {
    let first = Queue::connect(url).await?;
    quiet(match queue {
        Some(name) => first.named(name).await?,
        None => first,
    })
    .await
}

/// The queue as a function uses it: [silent](Queue::silent) unless `OQ_BELL` is `on`.
///
/// # Errors
///
/// [`Invalid`](oq_core::Error::Invalid) if it is neither on nor off, and those of [`Queue::silent`].
pub async fn quiet(queue: Queue) -> Result<Queue> {
    match settings::switch(settings::BELL)? {
        Some(true) => Ok(queue),
        _ => queue.silent().await,
    }
}
