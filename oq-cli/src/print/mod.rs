//! The printer: the only owner of stdout and stderr.
//!
//! Data goes to stdout ([`Printer::line`], [`rows`]), everything else to stderr ([`Printer::note`],
//! progress, errors). Nothing else in this crate writes to either.

// The commands that list and show progress come next.
#![allow(dead_code)]

mod event;
mod rows;

pub use rows::Row;

use std::io::{IsTerminal, Write};

use crate::args::Global;
use crate::failed::Failed;

pub use event::EventLine;
use rows::shown;

/// How rows of data are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people; the default on a terminal.
    Table,
    /// One JSON array, or one object where there is one thing.
    Json,
    /// One JSON object a line; the default in a pipe.
    Jsonl,
    /// Comma separated, with a header.
    Csv,
    /// Ids alone, one a line.
    Id,
}

/// Writes what a command says.
#[derive(Debug)]
pub struct Printer {
    format: Option<Format>,
    quiet: bool,
    /// Whether people read stdout, and stderr, on a terminal.
    out_is_terminal: bool,
    err_is_terminal: bool,
    colour: bool,
}

impl Printer {
    /// The printer of this process.
    pub fn of_terminal(global: &Global) -> Printer {
        let err_is_terminal = std::io::stderr().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Printer {
            format: global.output,
            quiet: global.quiet,
            out_is_terminal: std::io::stdout().is_terminal(),
            err_is_terminal,
            colour: err_is_terminal && !no_colour,
        }
    }

    /// How rows are to be written: as asked for, else a table for people and JSON lines for programs.
    pub fn format(&self) -> Format {
        self.format.unwrap_or(if self.out_is_terminal {
            Format::Table
        } else {
            Format::Jsonl
        })
    }

    /// Whether a live line (progress) can be shown.
    pub fn is_live(&self) -> bool {
        self.err_is_terminal && !self.quiet
    }

    /// Whether colours are wanted.
    pub fn colour(&self) -> bool {
        self.colour
    }

    /// A line of data.
    pub fn line(&self, line: &str) -> Result<(), Failed> {
        self.data(format_args!("{line}\n"))
    }

    /// Data as it is, line ends included.
    pub fn data(&self, text: std::fmt::Arguments<'_>) -> Result<(), Failed> {
        let mut out = std::io::stdout().lock();
        out.write_fmt(text)
            .and_then(|()| out.flush())
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::BrokenPipe => Failed::closed(),
                _ => Failed::unusable(format!("stdout: {e}"), ""),
            })
    }

    /// Something for people, beside the data; not with `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.err(text);
        }
    }

    /// A line on stderr as it is, for what comes in a form of its own; not with `--quiet`.
    pub fn aside(&self, line: &str) {
        if !self.quiet {
            let _closed = writeln!(std::io::stderr().lock(), "{line}");
        }
    }

    /// Why the command failed.
    pub fn failed(&self, failed: &Failed) {
        if !failed.is_silent() {
            self.err(&failed.to_string());
        }
    }

    fn err(&self, text: &str) {
        // Nobody is left to be told of a stderr that is closed.
        let _closed = writeln!(std::io::stderr().lock(), "oq: {text}");
    }
}
