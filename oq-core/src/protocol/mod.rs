//! The protocol: pure state, a store and a clock put together, one file for each operation.

pub mod bell;
pub mod claim;
pub mod finish;
pub mod health;
pub mod hold;
pub mod keyed;
pub mod lookup;
pub mod pages;
pub mod payload;
pub(crate) mod purged;
pub mod root;
mod seal;
pub mod submit;
pub mod sweep;
pub mod write;

pub use root::Root;
pub use write::Settled;

#[cfg(test)]
mod tests;
