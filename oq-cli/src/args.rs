//! What can be said on the command line: the options of every command, and the list of commands.

use clap::{CommandFactory, Parser, Subcommand};
use oq_core::record::QueueName;

use crate::commands::{
    bench, cancel, completion, config, dead, demo, dev, doctor, explain, get, history, iam, init,
    lambda, list, queue, result, retry, submit, tail, task, top, wait, worker,
};
use crate::print::{Colour, Format};

/// A serverless task queue whose only dependency is an object store.
///
/// Exit codes: 0 ok, 1 the awaited task did not complete, 2 usage, 3 not found, 4 access refused, 5
/// conflict, 6 timed out waiting, 7 store unreachable or configuration wrong, 8 partly failed,
/// 9 a check found a fault, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "oq", version, max_term_width = 100, infer_long_args = false)]
pub struct Args {
    #[command(flatten)]
    pub global: GlobalArgs,

    #[command(subcommand)]
    pub said: Said,
}

/// A command as it was said.
#[derive(Debug, Subcommand)]
pub enum Said {
    #[command(flatten)]
    Plain(Command),
    Task(task::Task),
}

impl Said {
    /// The command that is meant.
    pub fn command(self) -> Command {
        match self {
            Said::Plain(command) => command,
            Said::Task(task) => task.into(),
        }
    }
}

/// Options that every command takes. What is not said here comes from the environment and from
/// files: see [`crate::config`], which makes a [`crate::config::Global`] of all of it.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalArgs {
    /// The store: s3://BUCKET/PREFIX or sqlite:PATH [env: OQ_URL]
    #[arg(long, global = true)]
    pub url: Option<String>,

    /// The queue; `default` unless set [env: OQ_QUEUE]
    #[arg(long, short, global = true, value_name = "NAME")]
    pub queue: Option<QueueName>,

    /// How data is written: a table on a terminal and JSON lines in a pipe unless set [env: OQ_OUTPUT]
    #[arg(
        long,
        short,
        global = true,
        value_enum,
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    pub output: Option<Format>,

    /// Colours: auto, always or never; also NO_COLOR [env: OQ_COLOR]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        hide_possible_values = true
    )]
    pub color: Option<Colour>,

    /// Which profile of the configuration files to use [env: OQ_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,

    /// Nothing on stderr but errors [env: OQ_QUIET]
    #[arg(long, global = true)]
    pub quiet: bool,

    /// Say on stderr which requests the command made and what they cost [env: OQ_COST]
    #[arg(long, global = true)]
    pub cost: bool,
}

/// The commands; each is one file.
#[derive(Debug, Subcommand)]
pub enum Command {
    Bench(bench::Bench),
    Cancel(cancel::Cancel),
    Completion(completion::Completion),
    Config(config::Config),
    Dead(dead::Dead),
    Demo(demo::Demo),
    Dev(dev::Dev),
    Doctor(doctor::Doctor),
    Explain(explain::Explain),
    Get(get::Get),
    History(history::History),
    Iam(iam::Iam),
    Init(init::Init),
    Lambda(lambda::Lambda),
    List(list::List),
    Queue(queue::Queue),
    Result(result::Result_),
    Retry(retry::Retry),
    Submit(submit::Submit),
    Tail(tail::Tail),
    Top(top::Top),
    Wait(wait::Wait),
    Worker(worker::Worker),
}

impl Command {
    /// How many threads it wants.
    pub fn threads(&self) -> usize {
        match self {
            Command::Dev(_) => 2,
            Command::Bench(_) | Command::Demo(_) | Command::Worker(_) => 2,
            _ => 1,
        }
    }

    /// Whether it makes a store that is not there. Who only looks gets an error instead: a mistyped
    /// path must not become a file.
    pub fn makes_store(&self) -> bool {
        match self {
            Command::Bench(_) | Command::Demo(_) | Command::Dev(_) | Command::Doctor(_) => true,
            Command::Init(_) | Command::Submit(_) => true,
            Command::Queue(queue) => queue.is_set(),
            Command::Worker(worker) => worker.is_run(),
            _ => false,
        }
    }

    /// Whether it tells of a store that fails itself, or has a screen of its own.
    pub fn tells_outages(&self) -> bool {
        matches!(
            self,
            Command::Bench(_)
                | Command::Demo(_)
                | Command::Dev(_)
                | Command::Doctor(_)
                | Command::Lambda(_)
                | Command::Top(_)
                | Command::Worker(_)
        )
    }

    /// Whether it listens for Ctrl-C itself, to end in an order of its own. The others are dropped
    /// where they are.
    pub fn minds_interrupts(&self) -> bool {
        match self {
            Command::Bench(_) | Command::Demo(_) | Command::Dev(_) | Command::Top(_) => true,
            Command::Queue(queue) => queue.is_purge(),
            Command::Worker(worker) => worker.is_run(),
            Command::Submit(submit) => submit.is_bulk(),
            _ => false,
        }
    }
}

/// The command that a line begins with, as it would be asked for help: `oq queue set`.
pub fn command_of(words: &[std::ffi::OsString]) -> String {
    let root = Args::command();
    let mut command = &root;
    let mut name = "oq".to_owned();
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(found) = command.find_subcommand(word) {
            name = format!("{name} {word}");
            command = found;
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }
}
