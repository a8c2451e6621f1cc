//! `oq worker` with real programs on a real store: what becomes of their tasks, and of them.
#![cfg(unix)]

mod endings;
mod groups;
mod misbehaviour;
mod takeover;
mod world;
