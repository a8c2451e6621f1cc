//! What can be said on the command line: the options of every command, and the list of commands.

use clap::{Parser, Subcommand};
use oq_core::record::QueueName;

use crate::commands::{dev, get, lambda, submit, wait};
use crate::print::Format;

/// A serverless task queue whose only dependency is an object store.
///
/// Exit codes: 0 ok, 1 the awaited task did not complete, 2 usage, 3 not found, 4 access refused,
/// 5 conflict, 6 timed out waiting, 7 store unreachable or not usable.
#[derive(Debug, Parser)]
#[command(name = "oq", version, max_term_width = 100)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,

    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// The store: s3://BUCKET/PREFIX or sqlite:PATH.
    #[arg(long, global = true, env = "OQ_URL", hide_env_values = true)]
    pub url: Option<String>,

    /// The queue.
    #[arg(
        long,
        short,
        global = true,
        env = "OQ_QUEUE",
        default_value = "default"
    )]
    pub queue: QueueName,

    /// How data is written: a table on a terminal and JSON lines in a pipe unless said.
    #[arg(long, short, global = true, value_enum, value_name = "FORMAT")]
    pub output: Option<Format>,

    /// Nothing on stderr but errors.
    #[arg(long, global = true)]
    pub quiet: bool,

    /// Say on stderr which requests the command made and what they cost.
    #[arg(long, global = true)]
    pub cost: bool,
}

/// The commands; each is one file.
#[derive(Debug, Subcommand)]
pub enum Command {
    Dev(dev::Dev),
    Submit(submit::Submit),
    Get(get::Get),
    Wait(wait::Wait),
    Lambda(lambda::Lambda),
}

impl Command {
    /// How many threads it wants.
    pub fn threads(&self) -> usize {
        match self {
            Command::Dev(_) => 2,
            Command::Submit(_) | Command::Get(_) | Command::Wait(_) | Command::Lambda(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }
}
