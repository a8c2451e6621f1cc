//! The protocol: pure state, a store and a clock put together, one file for each operation.

pub mod bell;
pub mod root;
pub mod write;

pub use root::Root;
pub use write::Settled;
