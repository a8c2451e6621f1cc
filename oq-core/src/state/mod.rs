//! What may become of a record: pure functions without I/O. Nothing else changes one.
//!
//! ```text
//!            submit                 claim                      finish
//! (none) ───────────▶ pending ───────────────▶ running ─────────────────▶ done/…, live deleted
//!                        ▲                       │  ▲ │
//!                        │ give back             │  │ └ renew, progress, declare
//!                        ├───────────────────────┤  │
//!                        └── retry, reschedule ──┘  └── take over
//! cancel, expire: pending → terminal; running: a flag that the holder learns at its next write
//! ```

pub mod cancel;
pub mod claim;
pub mod readback;
pub mod record_outcome;
pub mod run;
pub mod submit;

#[cfg(test)]
mod tests;
