//! The real program against an emulated Lambda, on a file; and on S3 where there is one.

#![allow(clippy::unwrap_used)]

mod run;
mod world;
