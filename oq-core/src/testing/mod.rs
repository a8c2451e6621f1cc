//! For tests of oq and of programs built on it.

pub mod mutant;
