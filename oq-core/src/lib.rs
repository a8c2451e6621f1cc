//! oq: a serverless task queue whose only dependency is an object store.

pub mod env;
mod error;
pub mod protocol;
pub mod queue;
pub mod record;
pub mod state;
pub mod store;
pub mod testing;
mod time;
pub mod worker;

pub use error::{Error, Result};
pub use queue::{Queue, Task};
pub use time::StoreTime;
pub use worker::{Context, TaskError, Worker};
