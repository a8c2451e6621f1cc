//! What is measured on virtual time, with the latencies of a store far away: the same figures on
//! every machine, however busy it is. The code is the real one; only clock, randomness and store are
//! injected.

mod backlog;
mod behind;
mod burst;
mod caps;
mod cost;
mod crew;
mod flow;
mod front;
mod idle;
mod latency;
mod log;
mod scale;
mod world;

pub use behind::tables as front;
pub use burst::Burst;
pub use cost::tables as cost;
pub use crew::{Hands, Work};
pub use idle::{Idle, tables as idle};
pub use latency::tables as latency;
pub use scale::tables as scale;
pub use world::virtually;
