//! oq: a serverless task queue whose only dependency is an object store.

pub mod env;
mod error;
pub mod record;
pub mod store;
mod time;

pub use error::{Error, Result};
pub use time::StoreTime;
