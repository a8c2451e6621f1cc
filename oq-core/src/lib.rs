//! oq: a serverless task queue whose only dependency is an object store.

pub mod env;
mod error;
pub mod protocol;
pub mod record;
pub mod state;
pub mod store;
pub mod testing;
mod time;
// Nothing but tests calls the worker's discovery until the dispatcher is here.
#[allow(dead_code)]
pub(crate) mod worker;

pub use error::{Error, Result};
pub use time::StoreTime;
