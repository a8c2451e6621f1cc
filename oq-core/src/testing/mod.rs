//! For tests of oq and of programs built on it.

pub mod mutant;
#[cfg(feature = "testing")]
pub mod sim_clock;
#[cfg(feature = "testing")]
pub mod sim_entropy;
#[cfg(feature = "testing")]
pub mod sim_store;
