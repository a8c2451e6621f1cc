//! The real binary on a store in a file: exit codes, stdout, stderr.
//!
//! What it prints is written here as it is; `UPDATE_EXPECT=1` writes it anew. Ids, times and folders
//! are replaced by names.

// Helpers are not in test functions themselves.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod bulk;
mod config;
mod dead;
#[cfg(target_os = "linux")]
mod full;
mod help;
#[cfg(target_os = "linux")]
mod lambda;
mod oq;
mod queues;
mod streams;
mod tasks;
mod told;
