//! What is measured on the machine's own time, on stores that are really there.

pub mod backlog;
pub mod peers;
pub mod place;
mod process;
pub mod resources;
pub mod run;
pub mod throughput;
