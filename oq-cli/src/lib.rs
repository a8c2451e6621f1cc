//! `oq`, the command line, as a library: the program of this crate and the one in the Python package
//! are both one call of [`main`].
//!
//! What a command means is decided in `oq-core`. Here is how it is said ([`args`], [`said`]), where
//! it runs ([`session`]), how its answer is printed ([`print`]) and how it fails ([`failed`],
//! [`exit`]); each command has a file in [`commands`].

mod args;
mod commands;
mod demo_tasks;
mod endpoint;
mod exit;
mod failed;
mod print;
mod said;
mod session;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::Printer;

/// Runs the command that these arguments say, the program's name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(wrong) => {
            // Help and version come here too, and go to stdout with exit code 0.
            let _closed_pipe = wrong.print();
            return if wrong.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            }
            .into();
        }
    };
    let printer = Printer::of_terminal(&args.global);
    let end = started(args, &printer);
    let exit = end.unwrap_or_else(|failed| {
        printer.failed(&failed);
        failed.exit()
    });
    exit.into()
}

fn started(args: Args, printer: &Printer) -> Result<Exit, Failed> {
    // One thread does for a few requests; what serves or works asks for more.
    let mut builder = match args.command.threads() {
        1 => tokio::runtime::Builder::new_current_thread(),
        threads => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|e| Failed::unusable(format!("no threads or no poll to run on: {e}"), ""))?;
    let end = runtime.block_on(commands::run(args, printer));
    // A thread that still reads stdin must not hold the end up.
    runtime.shutdown_background();
    end
}
