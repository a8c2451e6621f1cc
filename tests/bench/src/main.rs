//! Measures what oq costs: requests, time, memory. `oq-bench write` puts the tables into
//! `docs/benchmarks.md`; `oq-bench gate` compares requests and instructions with what they were.
//! Both end with 1 when a bound is missed.

#![allow(missing_docs)]
#![cfg_attr(not(feature = "real"), allow(dead_code))]

mod document;
#[cfg(feature = "real")]
mod endpoint;
mod gate;
mod machine;
mod parts;
mod plot;
#[cfg(feature = "real")]
mod real;
mod recorder;
mod simulated;
mod table;

use clap::{Parser, Subcommand};
use oq_core::Result;

#[derive(Parser)]
#[command(
    name = "oq-bench",
    about = "Measures what oq costs in requests, time and memory"
)]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Compares requests and instructions a task with tests/bench/gate.json
    Gate(gate::Args),
    /// One load on virtual time in one thread, for callgrind to count its instructions
    Load(gate::Load),
    #[command(flatten)]
    Part(parts::What),
}

fn main() -> Result<()> {
    let missed = match Args::parse().what {
        What::Gate(args) => gate::run(&args)?,
        What::Load(load) => {
            load.run()?;
            Vec::new()
        }
        What::Part(what) => what.run()?,
    };
    for row in &missed {
        eprintln!("missed: {row}");
    }
    if missed.is_empty() {
        return Ok(());
    }
    std::process::exit(1)
}
