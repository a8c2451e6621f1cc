//! The printer: the only owner of stdout and stderr.
//!
//! Data goes to stdout ([`Printer::line`], [`rows`]), everything else to stderr ([`Printer::note`],
//! progress, errors). Nothing else in this crate writes to either. What comes from a bucket may hold
//! anything, so no control character of it reaches a terminal ([`safe`]).

mod ask;
mod card;
mod event;
mod json;
mod progress;
mod rows;
mod safe;
mod table;

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use crate::config::Global;
use crate::failed::Failed;

pub use card::Card;
pub use event::EventLine;
pub use json::{json, one_line};
pub use progress::count;
pub use rows::{Row, Rows};
pub use safe::{safe, safe_lines, shortened};
pub use table::Tone;

/// How wide the id of a task is at most, its place in a pack included.
pub const ID: usize = 31;

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

/// When colours are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Writes what a command says.
#[derive(Debug)]
pub struct Printer {
    format: Option<Format>,
    quiet: bool,
    out: Stream,
    err: Stream,
    /// The live line that stands on the terminal just now, if any.
    live: Mutex<String>,
}

/// Where a stream goes.
#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    terminal: bool,
    colour: bool,
}

impl Stream {
    fn of(terminal: bool, colour: Colour) -> Stream {
        let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && !dumb && !set("NO_COLOR"),
        };
        Stream { terminal, colour }
    }
}

impl Printer {
    /// The printer of this process.
    pub fn of_terminal(global: &Global) -> Printer {
        Printer {
            format: global.output,
            quiet: global.quiet,
            out: Stream::of(std::io::stdout().is_terminal(), global.color),
            err: Stream::of(std::io::stderr().is_terminal(), global.color),
            live: Mutex::default(),
        }
    }

    /// One that knows nothing of what is configured, for errors of the configuration.
    pub fn plain() -> Printer {
        Printer {
            format: None,
            quiet: false,
            out: Stream::default(),
            err: Stream::default(),
            live: Mutex::default(),
        }
    }

    /// How rows are to be written: as asked for, else a table for people and JSON lines for programs.
    pub fn format(&self) -> Format {
        self.format.unwrap_or(if self.out.terminal {
            Format::Table
        } else {
            Format::Jsonl
        })
    }

    /// The format that was asked for, if one was.
    pub fn asked(&self) -> Option<Format> {
        self.format
    }

    /// Whether a live line (progress) can be shown.
    pub fn is_live(&self) -> bool {
        self.err.terminal && !self.quiet
    }

    /// Whether somebody is there to answer a question.
    pub fn can_ask(&self) -> bool {
        self.err.terminal && std::io::stdin().is_terminal()
    }

    /// Whether a whole screen can be drawn, and keys are read.
    pub fn can_draw(&self) -> bool {
        self.out.terminal && std::io::stdin().is_terminal()
    }

    /// How many columns the terminal has; `None` where stdout is none.
    fn width(&self) -> Option<usize> {
        if !self.out.terminal {
            return None;
        }
        terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
    }

    /// A line of data. On a terminal, control characters in it are shown as escapes.
    pub fn line(&self, line: &str) -> Result<(), Failed> {
        match self.out.terminal {
            true => self.data(format_args!("{}\n", safe_lines(line))),
            false => self.data(format_args!("{line}\n")),
        }
    }

    /// Data as it is, line ends and all. What comes from others must be made [`safe`] before.
    pub fn data(&self, text: std::fmt::Arguments<'_>) -> Result<(), Failed> {
        let live = self.hide();
        let mut out = std::io::stdout().lock();
        let written = out.write_fmt(text).and_then(|()| out.flush());
        self.show(live);
        written.map_err(|e| match e.kind() {
            std::io::ErrorKind::BrokenPipe => Failed::closed(),
            _ => Failed::unusable(format!("stdout: {e}"), "see where the output goes"),
        })
    }

    /// Something for people, beside the data; not with `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.err(&safe_lines(text));
        }
    }

    /// The same with `--quiet` too, for what would be lost.
    pub fn loss(&self, text: &str) {
        self.err(&safe_lines(text));
    }

    /// A line on stderr as it is, for what comes in a form of its own; not with `--quiet`.
    pub fn aside(&self, line: &str) {
        if !self.quiet {
            let line = match self.err.terminal {
                true => safe_lines(line),
                false => line.to_owned(),
            };
            let live = self.hide();
            let _closed = writeln!(std::io::stderr().lock(), "{line}");
            self.show(live);
        }
    }

    /// Why the command failed.
    pub fn failed(&self, failed: &Failed) {
        if !failed.is_silent() {
            let text = safe_lines(&failed.to_string());
            match text.split_once(':').filter(|_| self.err.colour) {
                Some((code, rest)) => self.err(&format!("{}:{rest}", Tone::Bad.paint(code))),
                None => self.err(&text),
            }
        }
    }

    fn err(&self, text: &str) {
        let live = self.hide();
        // Nobody is left to be told of a stderr that is closed.
        let _closed = writeln!(std::io::stderr().lock(), "oq: {text}");
        self.show(live);
    }

    /// Takes the live line away, for good.
    pub fn clear(&self) {
        drop(self.hide());
    }

    /// Puts another live line in the place of the last one. It must be one line and safe. What does not
    /// fit is cut: of a line that breaks only the last part could be taken away again.
    fn set_live(&self, line: String) {
        if self.is_live() {
            let width = terminal_size::terminal_size_of(std::io::stderr());
            let line = match width {
                Some((width, _)) => {
                    table::cut(&line, usize::from(width.0).saturating_sub(1).max(1))
                }
                None => line,
            };
            drop(self.hide());
            self.show(line);
        }
    }

    fn hide(&self) -> String {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if !live.is_empty() {
            let _closed = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
        std::mem::take(&mut *live)
    }

    fn show(&self, line: String) {
        if !line.is_empty() {
            let _closed = write!(std::io::stderr().lock(), "{line}");
            *self.live.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    }
}
