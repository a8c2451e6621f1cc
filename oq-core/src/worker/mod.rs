//! The worker.

pub(crate) mod find;
