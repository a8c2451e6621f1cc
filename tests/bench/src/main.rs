//! Measures what oq costs: requests, time, memory. `oq-bench all` prints the tables of
//! `docs/benchmarks.md`; it ends with 1 when a bound is missed.

#![allow(missing_docs)]

mod backlog;
mod endpoint;
mod idle;
mod requests;
mod table;
mod throughput;
mod world;

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
    /// Requests a task, on virtual time: the same on every machine
    Requests,
    /// What idle workers cost, on virtual time
    Idle,
    /// Tasks a second on this machine
    Throughput,
    /// The memory of a worker in front of a million tasks
    Backlog,
    /// What `oq dev` answers a second; build it first, in the same profile
    Endpoint {
        /// The binary, if it is not the one beside this
        #[arg(long)]
        oq: Option<std::path::PathBuf>,
    },
    /// Everything but the endpoint
    All,
    /// One run end to end, for a profiler
    One {
        /// The store
        url: String,
        /// How many tasks
        tasks: usize,
        /// How many to an object
        pack: usize,
    },
    #[command(hide = true)]
    BacklogWorker { url: String },
}

/// The head of `docs/benchmarks.md`.
fn heading() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .unwrap_or(": unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "# Benchmarks\n\n\
         Printed by `cargo run --profile sim -p oq-bench -- all`; nothing here is typed in by hand.\n\
         The command ends with 1 when a bound is missed. Requests are counted at the store. What runs\n\
         on virtual time is the same on every machine; tasks a second and memory are of this one:\n\
         {cores} cores,{}, {} {}.\n",
        model.trim_start_matches(|c: char| c == ':' || c.is_whitespace() && c != ' '),
        std::env::consts::OS,
        std::env::consts::ARCH,
    )
}

fn main() -> Result<()> {
    let tables = match Args::parse().what {
        What::Requests => requests::tables()?,
        What::Idle => idle::tables()?,
        What::Throughput => throughput::tables()?,
        What::Backlog => backlog::tables()?,
        What::Endpoint { oq } => endpoint::tables(oq)?,
        What::All => {
            println!("{}", heading());
            let mut all = requests::tables()?;
            all.extend(idle::tables()?);
            all.extend(throughput::tables()?);
            all.extend(backlog::tables()?);
            all
        }
        What::One { url, tasks, pack } => {
            println!("{:.0} tasks/s", throughput::one(&url, tasks, pack)?);
            return Ok(());
        }
        What::BacklogWorker { url } => return backlog::worker(&url),
    };
    for table in &tables {
        print!("{table}");
    }
    if tables.iter().all(table::Table::holds) {
        return Ok(());
    }
    eprintln!("at least one bound is missed");
    std::process::exit(1)
}
