//! `oq worker` with real programs on a real store: what becomes of their tasks, and of them.

// Its helpers are not in test functions themselves.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod endings;
mod groups;
mod misbehaviour;
mod takeover;
mod world;
