//! The function on a memory store with virtual time, and with a bucket that tells of every write.

#![allow(clippy::unwrap_used)]

mod answers;
mod freeze;
mod http;
mod large;
mod logs;
mod loops;
mod partial;
mod refused;
mod scheduled;
mod submit;
mod world;
