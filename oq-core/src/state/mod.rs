//! What may become of a record: pure functions without I/O. Nothing else changes one.

pub mod readback;
