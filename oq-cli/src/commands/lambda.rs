//! `oq lambda`: templates, and functions on this machine.

mod event;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use oq_core::queue::DEFAULT_QUEUE;
use oq_lambda::emulator::{Died, Invoked, Local};
use oq_lambda::templates;
use serde_json::json;
use serde_json::value::RawValue;

use crate::exit::Exit;
use crate::failed::Failed;
use crate::said::{self, Ids};
use crate::session::Session;
use crate::signals::Signals;

/// Workers that are functions on AWS Lambda.
#[derive(Debug, clap::Args)]
pub struct Lambda {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print a template that deploys a bucket, a function, its schedule, roles and alarms.
    Template {
        /// For which tool.
        tool: Tool,
    },
    /// Start a function's program on this machine, pass it events, print its answers.
    ///
    /// The events come one after the other to one process, as to a function that stays warm; each
    /// file is read when it is its turn. Exit code 1: the function reported an error; 6: it did not
    /// answer in time.
    Invoke {
        /// Files with one event each as JSON, or - for stdin.
        #[arg(required = true, value_name = "EVENT")]
        events: Vec<PathBuf>,

        /// On this machine, against an emulated Lambda. Functions on AWS are invoked with
        /// `aws lambda invoke`.
        #[arg(long, required = true)]
        local: bool,

        /// The function's program; a name alone is looked for here first.
        #[arg(long, default_value = "./bootstrap", value_name = "PROGRAM")]
        function: PathBuf,

        /// The function's timeout.
        #[arg(long, default_value = "60s", value_parser = said::duration)]
        timeout: Duration,
    },
    /// Print the event of S3 by which a function is told of tasks, to try one with.
    ///
    /// It is what the bucket would say if their objects had been written just now: `oq lambda event ID | oq
    /// lambda invoke --local -`. Costs 1 GET for each object.
    Event {
        #[command(flatten)]
        ids: Ids,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Tool {
    Sam,
    Terraform,
}

impl Lambda {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        match self.verb {
            Verb::Template { tool } => {
                let said = &oq.global.said;
                if said.url.is_some() || said.queue.is_some() {
                    return Err(Failed::usage(
                        "a template is the same for every store and queue",
                        "leave --url and --queue out; bucket, prefix and queue are its parameters \
                         when it is deployed",
                    ));
                }
                let text = match tool {
                    Tool::Sam => templates::SAM,
                    Tool::Terraform => templates::TERRAFORM,
                };
                oq.print.data(format_args!("{text}"))?;
                Ok(Exit::Ok)
            }
            Verb::Event { ids } => event::print(oq, &ids).await,
            Verb::Invoke {
                events,
                function,
                timeout,
                ..
            } => {
                // Whichever signal ends this ends the function, which is dropped then.
                let mut signals = Signals::new(false)?;
                tokio::select! {
                    biased;
                    ended = invoke(oq, events, &function, timeout) => ended,
                    () = signals.next() => Err(Failed::interrupted()),
                }
            }
        }
    }
}

async fn invoke(
    oq: &Session<'_>,
    events: Vec<PathBuf>,
    function: &Path,
    timeout: Duration,
) -> Result<Exit, Failed> {
    let (url, queue) = (oq.url()?, oq.global.queue.as_str());
    // A function in Python that is told of none serves all that its tasks name.
    let named = oq.global.said.queue.is_some() || queue != DEFAULT_QUEUE;
    let queue = named.then_some(("OQ_QUEUE", queue));
    // What it logs is not this command's, unless nobody says how much that is.
    let levels = ["OQ_LOG", "RUST_LOG"].map(std::env::var_os);
    let quiet = oq.global.quiet && levels.iter().all(Option::is_none);
    let log = quiet.then_some(("OQ_LOG", "error"));
    let environment = [("OQ_URL", url)].into_iter().chain(queue).chain(log);
    let local = Local::start(&here(function), environment, timeout).await;
    let mut local = local.map_err(|e| {
        let next = "name a function's program with --function";
        Failed::usage(format!("{}: {e}", function.display()), next)
    })?;
    let mut exit = Exit::Ok;
    for path in events {
        // Stdin may keep it waiting, and then it is to hear a signal too.
        let event = tokio::task::spawn_blocking(move || read(&path)).await;
        let event = event.map_err(|e| Failed::unusable(format!("a defect of oq: {e}"), ""))??;
        match local.invoke(&event).await.map_err(died)? {
            Invoked::Answer(answer) => oq.print.line(&answer)?,
            Invoked::Error { code, message } => {
                exit = Exit::NotCompleted;
                let error = json!({ "errorType": code, "errorMessage": message });
                oq.print.line(&error.to_string())?;
            }
        }
    }
    Ok(exit)
}

/// A name alone would only be looked for where programs are.
fn here(function: &Path) -> PathBuf {
    match function.components().count() == 1 && function.is_file() {
        true => Path::new(".").join(function),
        false => function.to_owned(),
    }
}

fn read(path: &Path) -> Result<String, Failed> {
    let event = match &*path.to_string_lossy() {
        "-" => said::text("-"),
        path => said::text(&format!("@{path}")),
    }?;
    // Lambda takes nothing else; a function would only say that its runtime broke.
    match serde_json::from_str::<&RawValue>(&event) {
        Ok(_) => Ok(event),
        Err(e) => Err(Failed::usage(
            format!("the event {} is not valid JSON: {e}", path.display()),
            "correct it",
        )),
    }
}

fn died(died: Died) -> Failed {
    let (exit, next) = match died {
        Died::TimedOut(_) => (Exit::TimedOut, "give it more with --timeout"),
        _ => (Exit::Unusable, "see what it said on stderr"),
    };
    Failed::new(exit, "OQ-UNUSABLE", died.to_string(), next)
}
