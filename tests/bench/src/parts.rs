//! The parts of the document, and the commands that print them.

use clap::{Subcommand, ValueEnum};
use oq_core::Result;

use crate::document::Part;
use crate::plot::Picture;
use crate::table::Table;
#[cfg(feature = "real")]
use crate::{endpoint, real};
use crate::{machine, recorder, simulated};

#[derive(Subcommand)]
pub enum What {
    /// Prints one part
    Print { part: Name },
    /// Puts parts into docs/benchmarks.md and docs/dev.md, all unless some are named
    Write { parts: Vec<Name> },
    #[cfg(feature = "real")]
    /// What `oq dev` answers a second; build it first, in the same profile
    Endpoint {
        /// The binary, if it is not the one beside this
        #[arg(long)]
        oq: Option<std::path::PathBuf>,
        /// Puts the table into docs/dev.md as well
        #[arg(long)]
        write: bool,
    },
    /// One load on a store, in this process: for a profiler, and for the tables
    #[cfg(feature = "real")]
    Run(real::run::Run),
    #[cfg(feature = "real")]
    #[command(hide = true)]
    BacklogWorker { url: String },
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Name {
    /// Requests a task, on virtual time
    Cost,
    /// What idle workers cost, on virtual time
    Idle,
    /// Behind tasks that wait, on virtual time
    Front,
    /// From submission to start and result, on virtual time
    Latency,
    /// 1 to 64 workers and shards, a thousand to ten million tasks, on virtual time
    Scale,
    /// Tasks a second on this machine
    #[cfg(feature = "real")]
    Throughput,
    /// Beside BullMQ, Celery, RQ and Dramatiq, on this machine
    #[cfg(feature = "real")]
    Peers,
    /// Instructions and allocations a task, by valgrind
    #[cfg(feature = "real")]
    Resources,
    /// The memory of a worker in front of a million tasks
    #[cfg(feature = "real")]
    Backlog,
    /// What `oq dev` answers a second
    #[cfg(feature = "real")]
    Endpoint,
}

impl Name {
    fn measure(self) -> Result<Part> {
        let (tables, pictures) = match self {
            Name::Cost => (simulated::cost()?, Vec::new()),
            Name::Idle => (simulated::idle()?, Vec::new()),
            Name::Front => simulated::front()?,
            Name::Latency => (simulated::latency()?, Vec::new()),
            Name::Scale => simulated::scale()?,
            #[cfg(feature = "real")]
            Name::Throughput => (real::throughput::tables(), Vec::new()),
            #[cfg(feature = "real")]
            Name::Peers => (real::peers::tables(), Vec::new()),
            #[cfg(feature = "real")]
            Name::Resources => (real::resources::tables(), Vec::new()),
            #[cfg(feature = "real")]
            Name::Backlog => (real::backlog::tables()?, Vec::new()),
            #[cfg(feature = "real")]
            Name::Endpoint => (vec![endpoint::table(None)], Vec::new()),
        };
        Ok(self.part(tables, pictures))
    }

    fn part(self, tables: Vec<Table>, pictures: Vec<Picture>) -> Part {
        let timed = !matches!(
            self,
            Name::Cost | Name::Idle | Name::Front | Name::Latency | Name::Scale
        );
        Part {
            name: self.name(),
            tables,
            pictures,
            where_: timed.then(machine::described),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Name::Cost => "cost",
            Name::Idle => "idle",
            Name::Front => "front",
            Name::Latency => "latency",
            Name::Scale => "scale",
            #[cfg(feature = "real")]
            Name::Throughput => "throughput",
            #[cfg(feature = "real")]
            Name::Peers => "peers",
            #[cfg(feature = "real")]
            Name::Resources => "resources",
            #[cfg(feature = "real")]
            Name::Backlog => "backlog",
            #[cfg(feature = "real")]
            Name::Endpoint => "endpoint",
        }
    }
}

fn missed(part: &Part) -> Vec<String> {
    part.tables.iter().flat_map(|t| t.missed()).collect()
}

impl What {
    /// Returns what is out of its bound.
    pub fn run(self) -> Result<Vec<String>> {
        match self {
            What::Print { part } => {
                recorder::install();
                let part = part.measure()?;
                part.tables.iter().for_each(|table| print!("{table}"));
                Ok(missed(&part))
            }
            What::Write { parts } => {
                recorder::install();
                let all = Name::value_variants();
                let mut out = Vec::new();
                for name in if parts.is_empty() { all } else { &parts } {
                    eprintln!("{}", name.name());
                    let part = name.measure()?;
                    part.write().expect("the document can be written");
                    out.extend(missed(&part));
                }
                Ok(out)
            }
            #[cfg(feature = "real")]
            What::Endpoint { oq, write } => {
                let part = Name::Endpoint.part(vec![endpoint::table(oq)], Vec::new());
                part.tables.iter().for_each(|table| print!("{table}"));
                if write {
                    part.write().expect("docs/dev.md can be written");
                }
                Ok(missed(&part))
            }
            #[cfg(feature = "real")]
            What::Run(run) => run.run().map(|()| Vec::new()),
            #[cfg(feature = "real")]
            What::BacklogWorker { url } => real::backlog::worker(&url).map(|()| Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    #[test]
    fn every_part_has_its_section() {
        for part in Name::value_variants() {
            let text = std::fs::read_to_string(document::path(part.name())).unwrap();
            let section = oq_printed::section(&text, part.name());
            assert!(section.is_some(), "{}", part.name());
        }
    }
}
