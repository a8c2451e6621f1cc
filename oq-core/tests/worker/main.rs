//! The worker as its user sees it, on virtual time: every test runs the real producer, the real
//! worker and the memory store.

// A test that cannot go on says where.
#![allow(clippy::unwrap_used)]

mod agree;
mod bad_objects;
mod bad_records;
mod budget;
mod drain;
mod failing_store;
mod lifecycle;
mod meddled;
mod outcomes;
mod oversized;
mod passing;
mod recorder;
mod spans;
mod watching;
mod witness;
mod world;
