//! The real program against an emulated Lambda: on a file, and over HTTP on S3 servers.

#![allow(clippy::unwrap_used)]

mod bad;
mod begin;
mod canary;
mod proxy;
mod run;
mod s3;
mod servers;
mod world;
