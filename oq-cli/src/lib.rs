//! `oq`, the command line, as a library: the program of this crate and the one in the Python package
//! are both one call of [`main`].
//!
//! What a command means is decided in `oq-core`. Here is how it is said ([`args`], [`said`]), what is
//! configured ([`config`]), where it runs ([`session`]), how its answer is printed ([`print`]) and
//! how it fails ([`failed`], [`exit`]); each command has a file in [`commands`].

mod args;
mod commands;
mod complete;
mod config;
mod demo_tasks;
mod endpoint;
#[cfg(unix)]
mod exec;
mod exit;
mod failed;
mod log;
#[cfg(test)]
mod manual;
mod print;
mod said;
mod session;
mod signals;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::config::Global;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::Printer;

/// Runs the command that these arguments say, the program's name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if complete::answered(&args) {
        return Exit::Ok.into();
    }
    let command = args::command_of(&args);
    let words: Vec<String> = args
        .iter()
        .filter_map(|word| word.to_str().map(str::to_owned))
        .collect();
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(wrong) if wrong.use_stderr() && !failed::is_help(&wrong) => {
            let failed = match python_app(&words) {
                Some(app) => Failed::usage(
                    format!("{app} names an app of a Python program, and this oq runs programs"),
                    "the oq of the Python package runs it (built by maturin in oq-py); here: \
                     oq worker --task NAME='program args'",
                ),
                None => Failed::said_wrongly(&wrong, command),
            };
            Printer::plain().failed(&failed);
            return failed.exit().into();
        }
        Err(help) => {
            // Help and version go to stdout with exit code 0, or 2 where a command is missing.
            let _closed_pipe = help.print();
            return match help.use_stderr() {
                true => Exit::Usage.into(),
                false => Exit::Ok.into(),
            };
        }
    };
    let command = args.said.command();
    let (printer, end) = match Global::of(&args.global, &command) {
        Ok(global) => {
            let printer = Printer::of_terminal(&global);
            let end = started(command, global, &printer);
            (printer, end)
        }
        Err(wrong) => (Printer::plain(), Err(wrong)),
    };
    let exit = end.unwrap_or_else(|failed| {
        printer.failed(&failed);
        failed.exit()
    });
    exit.into()
}

/// The `module:app` of somebody who means the worker of the Python package: `oq worker module:app`.
fn python_app(words: &[String]) -> Option<&str> {
    let is_name = |name: &str| {
        let may = |c: char| c.is_alphanumeric() || "_.".contains(c);
        !name.is_empty() && name.chars().all(may)
    };
    match words {
        [_, worker, app, ..] if worker == "worker" => {
            let (module, name) = app.split_once(':')?;
            (is_name(module) && is_name(name)).then_some(app)
        }
        _ => None,
    }
}

/// The exit code of a command that meets an error of the core with this code.
pub fn exit_code(code: &str) -> u8 {
    Exit::of(code) as u8
}

fn started(command: Command, global: Global, printer: &Printer) -> Result<Exit, Failed> {
    // One thread does for a few requests; what serves or works asks for more.
    let mut builder = match command.threads() {
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
    let minds_interrupts = command.minds_interrupts();
    let end = runtime.block_on(async {
        let command = commands::run(command, global, printer);
        if minds_interrupts {
            return command.await;
        }
        tokio::select! {
            biased;
            end = command => end,
            () = session::interrupted() => Err(Failed::interrupted()),
        }
    });
    printer.clear();
    // A thread that still reads stdin must not hold the end up.
    runtime.shutdown_background();
    end
}
