//! `oq worker`: runs tasks with programs, and tells who else does.

mod list;
#[cfg(unix)]
mod queues;
#[cfg(unix)]
mod run;
#[cfg(unix)]
mod tell;

use clap::Subcommand;

use crate::exit::Exit;
use crate::failed::Failed;
use crate::session::Session;

/// Run tasks with programs: input on stdin, result from stdout.
///
/// A program that exits with 0 completes its task, with 75 it is run again later (write 5m to stdout
/// to say when), with 65 the task fails for good; with anything else it fails and is tried again as
/// its retry policy says, and the end of stderr is the error. Programs find OQ_TASK_ID, OQ_ATTEMPT,
/// OQ_DELIVERY, OQ_TOKEN, OQ_QUEUE, OQ_TYPE, OQ_URL and TRACEPARENT in their environment, and two
/// files to write to: OQ_SAVE, which the next attempt finds again, and OQ_PROGRESS, such as 3/10.
///
/// Ctrl-C or SIGTERM ends it: running programs have the grace period. A second one ends it at once.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Worker {
    #[command(subcommand)]
    verb: Option<Verb>,

    #[cfg(unix)]
    #[command(flatten)]
    run: run::Run,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Who is present, and who fell silent lately. Costs 1 LIST, and 1 GET for each
    List,
}

impl Worker {
    /// Whether it works, rather than to tell who does.
    pub fn is_run(&self) -> bool {
        self.verb.is_none()
    }

    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        match self.verb {
            Some(Verb::List) => list::run(oq).await,
            #[cfg(unix)]
            None => self.run.work_on(oq).await,
            #[cfg(not(unix))]
            None => Err(Failed::usage(
                "programs are run on Unix only",
                "write the worker with oq-core",
            )),
        }
    }
}
