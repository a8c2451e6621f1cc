//! Runs oq's real code, producers, queue and workers, on virtual time against a simulated store and
//! machines that fail, and checks what must hold on the log of every write and on what clients saw.
//!
//! One seed says everything: [`scenario`] draws from it, [`play`] plays it, [`check`] judges it.

#![allow(
    missing_docs,
    reason = "a test harness; what is not plain is said where it stands"
)]

pub mod caught;
pub mod check;
pub mod clone;
pub mod drains;
pub mod foreign;
pub mod linear;
pub mod newer;
pub mod observe;
pub mod pairs;
pub mod panics;
pub mod parcel;
pub mod play;
pub mod points;
pub mod producer;
pub mod recovery;
pub mod report;
pub mod scenario;
pub mod shrink;
pub mod small;
pub mod stage;
pub mod story;
pub mod sweep;
pub mod workers;
