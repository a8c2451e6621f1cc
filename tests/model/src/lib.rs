//! Everything that can happen to two tasks and two workers, tried one after the other.
//!
//! The transitions are oq's own pure functions (`oq_core::state`). What stands here is the order in
//! which a worker asks for them, step by step as in `oq_core::protocol`, a store, and what can go
//! wrong between the two: a write is lost; it is applied and its answer is lost; it lands at any later
//! time; a worker stalls, dies, starts anew. Time is counted in leases.
//!
//! | file | owns |
//! |---|---|
//! | `world` | the store, and what is on its way to it |
//! | `ghost` | what happened so far, to be judged; nobody in the model can see it |
//! | `worker` | where a worker stands, and its requests |
//! | `steps` | what it does next with what it finds |
//! | `answers` | what becomes of a request, and what comes of that |
//! | `holder` | what a worker does that holds an object |
//! | `symmetry` | which worlds are one |
//! | `rules` | the actions, and what must always hold |
//! | `explore` | what is tried, and with which rules broken |
//! | `report` | how it is told |

#![allow(
    missing_docs,
    reason = "a test harness; what is not plain is said where it stands"
)]

use mimalloc::MiMalloc;

// What one thread makes the other drops, millions of times.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

pub mod answers;
pub mod explore;
pub mod ghost;
pub mod holder;
pub mod report;
pub mod rules;
pub mod steps;
pub mod symmetry;
pub mod worker;
pub mod world;
