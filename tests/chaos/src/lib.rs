//! Real workers, Rust and Python, against real S3 servers, with everything that can be done to them:
//! a network that fails, SIGKILL, SIGSTOP for longer than a lease, death during a shutdown.
//!
//! Handlers append to a log of effects outside of everything that oq knows of. From it and from what
//! clients were told [`judge`] counts what must not have happened.

#![allow(
    missing_docs,
    reason = "a test harness; what is not plain is said where it stands"
)]

pub mod effects;
pub mod judge;
pub mod play;
pub mod policy;
pub mod program;
pub mod recovery;
pub mod relay;
pub mod report;
pub mod scenario;
pub mod server;
pub mod soak;
pub mod users;
pub mod worker;
