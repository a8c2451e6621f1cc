//! `oq lambda`: templates, and functions on this machine.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use oq_lambda::emulator::{Died, Invoked, Local};
use oq_lambda::templates;

use crate::exit::Exit;
use crate::failed::Failed;
use crate::said;
use crate::session::Session;

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
    /// Start a function's program on this machine, pass it one event, print its answer.
    ///
    /// Exit code 1: the function reported an error; 6: it did not answer in time.
    Invoke {
        /// A file with the event as JSON, or - for stdin.
        event: PathBuf,

        /// On this machine, against an emulated Lambda. Functions on AWS are invoked with
        /// `aws lambda invoke`.
        #[arg(long, required = true)]
        local: bool,

        /// The function's program.
        #[arg(long, default_value = "./bootstrap", value_name = "PROGRAM")]
        function: PathBuf,

        /// The function's timeout.
        #[arg(long, default_value = "60s", value_parser = said::duration)]
        timeout: Duration,
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
                let text = match tool {
                    Tool::Sam => templates::SAM,
                    Tool::Terraform => templates::TERRAFORM,
                };
                oq.print.data(format_args!("{text}"))?;
                Ok(Exit::Ok)
            }
            Verb::Invoke {
                event,
                function,
                timeout,
                ..
            } => invoke(oq, &event, &function, timeout).await,
        }
    }
}

async fn invoke(
    oq: &Session<'_>,
    event: &std::path::Path,
    function: &std::path::Path,
    timeout: Duration,
) -> Result<Exit, Failed> {
    let event = event.to_string_lossy();
    let event = match &*event {
        "-" => said::text("-")?,
        path => said::text(&format!("@{path}"))?,
    };
    let environment = [
        ("OQ_URL", oq.url()?),
        ("OQ_QUEUE", oq.global.queue.as_str()),
    ];
    let local = Local::start(function, environment, timeout).await;
    let mut local = local.map_err(|e| {
        let next = "name a function's program with --function";
        Failed::usage(format!("{}: {e}", function.display()), next)
    })?;
    let invoked = local.invoke(&event).await.map_err(|died| {
        let (exit, next) = match died {
            Died::TimedOut(_) => (Exit::TimedOut, "give it more with --timeout"),
            _ => (Exit::Unusable, "see what it said on stderr"),
        };
        Failed::new(exit, "OQ-UNUSABLE", died.to_string(), next)
    })?;
    match invoked {
        Invoked::Answer(answer) => {
            oq.print.line(&answer)?;
            Ok(Exit::Ok)
        }
        Invoked::Error { code, message } => {
            oq.print.line(
                &serde_json::json!({ "errorType": code, "errorMessage": message }).to_string(),
            )?;
            Ok(Exit::NotCompleted)
        }
    }
}
