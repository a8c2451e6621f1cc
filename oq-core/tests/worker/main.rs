//! The worker as its user sees it, on virtual time: every test runs the real producer, the real
//! worker and the memory store.

mod bad_objects;
mod lifecycle;
mod outcomes;
mod world;
