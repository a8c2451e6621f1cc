//! The real `oq` against real servers: what its roles may do, what it never says, and which stores it
//! refuses.

// Its helpers are not in test functions themselves.
#![allow(missing_docs, clippy::unwrap_used)]

mod broken;
mod canary;
mod doctor;
mod roles;
mod world;
