//! oq: a serverless task queue whose only dependency is an object store.
//!
//! [`Queue`] submits tasks and looks them up, [`Worker`] runs them. What follows is how it works.
#![doc = ""]
// A link to `docs/protocol.md`, so that the packaged crate has it too.
#![doc = include_str!("../protocol.md")]

pub mod bucket;
pub mod env;
mod error;
pub mod explain;
pub mod health;
pub mod measure;
pub mod metric;
#[cfg(unix)]
pub mod program;
pub mod protocol;
pub mod queue;
pub mod record;
pub mod span;
pub mod state;
pub mod store;
pub mod testing;
mod time;
pub mod words;
pub mod worker;

pub use error::{Error, Result};
pub use queue::{Queue, Task};
pub use time::StoreTime;
pub use worker::{Context, TaskError, Worker};

/// The examples of the page on workers compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/workers.md")]
pub struct Workers;

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
