//! Completion in the shell: words of the command line, and queues, types and ids from the store.
//!
//! A shell's script runs `oq` with [`VARIABLE`] set and the words typed so far; the last word is the
//! one to be completed. A shell asks with every Tab, so nothing here takes longer than a second,
//! makes more than a few requests, says anything on stderr, or fails.

mod store;

use std::ffi::OsString;
use std::io::Write;

use clap::{Arg, Command, CommandFactory};
use oq_core::queue::Happened;
use oq_core::record::Role;

use crate::args::{Args, GlobalArgs};

/// The variable by which a shell's script asks.
pub const VARIABLE: &str = "OQ_COMPLETE";

/// The script of each shell.
pub const BASH: &str = include_str!("oq.bash");
pub const ZSH: &str = include_str!("oq.zsh");
pub const FISH: &str = include_str!("oq.fish");

/// Answers a shell that asks for completions; `false` if none does.
pub fn answered(args: &[OsString]) -> bool {
    if std::env::var_os(VARIABLE).is_none_or(|set| set.is_empty()) {
        return false;
    }
    let words: Vec<String> = args
        .iter()
        .skip(1)
        .map(|w| w.to_string_lossy().into_owned())
        .collect();
    let mut out = std::io::stdout().lock();
    for word in candidates(&words) {
        // A shell that hung up gets nothing.
        let _closed = writeln!(out, "{word}");
    }
    true
}

/// What may stand in the place of the last word.
fn candidates(words: &[String]) -> Vec<String> {
    let mut root = Args::command();
    root.build();
    let words = &joined(words)[..];
    let (typed, before) = match words.split_last() {
        Some((typed, before)) => (typed.as_str(), before),
        None => ("", words),
    };
    let place = Place::after(&root, before);
    let mut found = match place.waits_for {
        Some(option) => values(option, words),
        None if typed.starts_with("--") && typed.contains('=') => {
            let long = typed.split('=').next().unwrap_or_default();
            let option = place.option(long);
            let values = option.map(|option| values(option, words));
            let values = values.into_iter().flatten();
            values.map(|value| format!("{long}={value}")).collect()
        }
        None if typed.starts_with('-') => options(place.command),
        None => {
            let mut found = commands(place.command);
            if let Some(positional) = place.positional() {
                found.extend(values(positional, words));
            }
            found
        }
    };
    found.retain(|word| word.starts_with(typed));
    found.sort_unstable();
    found.dedup();
    found
}

/// bash takes `--queue=mail` for three words. An option and its value are two.
fn joined(words: &[String]) -> Vec<String> {
    let mut joined: Vec<String> = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        let of_option = joined.last().is_some_and(|before| before.starts_with("--"));
        match word == "=" && of_option {
            true if at + 1 == words.len() => joined.push(String::new()),
            true => {}
            false => joined.push(word.clone()),
        }
    }
    joined
}

/// Where in the line the word stands.
struct Place<'a> {
    command: &'a Command,
    /// The option whose value it is.
    waits_for: Option<&'a Arg>,
    /// How many arguments without a name stand before it.
    positionals: usize,
}

impl<'a> Place<'a> {
    fn after(root: &'a Command, words: &[String]) -> Place<'a> {
        let mut place = Place {
            command: root,
            waits_for: None,
            positionals: 0,
        };
        for word in words {
            if place.waits_for.take().is_some() {
                continue;
            }
            if word.starts_with("--") {
                place.waits_for = place.option(word);
            } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
                let is = |a: &&Arg| a.get_short().is_some_and(|c| short == c.to_string());
                let option = place.command.get_arguments().find(is);
                place.waits_for = option.filter(|a| takes_value(a));
            } else if let Some(command) = place.command.find_subcommand(word) {
                place.command = command;
                place.positionals = 0;
            } else {
                place.positionals += 1;
            }
        }
        place
    }

    /// The option of this name that takes a value.
    fn option(&self, word: &str) -> Option<&'a Arg> {
        let long = word.strip_prefix("--")?;
        let mut options = self.command.get_arguments();
        options
            .find(|a| a.get_long() == Some(long))
            .filter(|a| takes_value(a))
    }

    fn positional(&self) -> Option<&'a Arg> {
        let all: Vec<&Arg> = self.command.get_positionals().collect();
        let many = |arg: &&&Arg| arg.get_num_args().is_some_and(|n| n.max_values() > 1);
        let last = all.last().filter(many);
        all.get(self.positionals).or(last).copied()
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn commands(command: &Command) -> Vec<String> {
    let shown = command.get_subcommands().filter(|c| !c.is_hide_set());
    shown.map(|c| c.get_name().to_owned()).collect()
}

fn options(command: &Command) -> Vec<String> {
    let shown = command.get_arguments().filter(|a| !a.is_hide_set());
    shown
        .filter_map(|a| a.get_long())
        .map(|long| format!("--{long}"))
        .collect()
}

/// What may be the value of an argument.
fn values(arg: &Arg, words: &[String]) -> Vec<String> {
    let possible = arg.get_possible_values();
    if !possible.is_empty() {
        return possible.iter().map(|v| v.get_name().to_owned()).collect();
    }
    match arg.get_id().as_str() {
        "queue" | "name" | "only" => store::queues(&said(words)),
        "task_type" | "types" => store::types(&said(words)),
        "id" | "ids" => store::ids(&said(words)),
        "states" => oq_core::queue::TaskState::ALL
            .map(|s| s.to_string())
            .to_vec(),
        "events" => Happened::ALL.map(|e| e.to_string()).to_vec(),
        "role" => Role::ALL.map(|r| r.to_string()).to_vec(),
        "code" => oq_core::explain::CODES
            .iter()
            .map(|e| e.code.to_owned())
            .collect(),
        _ => Vec::new(),
    }
}

/// The options that say which store and queue, in a line that may not be complete.
fn said(words: &[String]) -> GlobalArgs {
    let said = |long: &str, short: &str| {
        let at = words
            .iter()
            .position(|w| *w == format!("--{long}") || w == short);
        let next = at.and_then(|at| words.get(at + 1)).cloned();
        let joined = words
            .iter()
            .find_map(|w| w.strip_prefix(&format!("--{long}=")));
        next.or(joined.map(str::to_owned)).filter(|w| !w.is_empty())
    };
    GlobalArgs {
        url: said("url", ""),
        queue: said("queue", "-q").and_then(|name| name.parse().ok()),
        profile: said("profile", ""),
        ..GlobalArgs::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(line: &[&str]) -> Vec<String> {
        candidates(&line.iter().map(|w| w.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn commands_options_and_values_are_offered() {
        assert_eq!(complete(&["sub"]), ["submit"]);
        assert_eq!(complete(&["queue", "p"]), ["pause", "purge"]);
        assert_eq!(complete(&["submit", "--delay", ""]), [""; 0]);
        assert!(complete(&["submit", "--pri"]).contains(&"--priority".to_owned()));
        assert_eq!(complete(&["list", "--output", "json"]), ["json", "jsonl"]);
        assert_eq!(complete(&["-o", "t"]), ["table"]);
        assert_eq!(complete(&["list", "--state", "run"]), ["running"]);
        assert_eq!(
            complete(&["task", "list", "--state=run"]),
            ["--state=running"]
        );
        // As bash cuts it.
        assert_eq!(complete(&["list", "--state", "=", "run"]), ["running"]);
        assert_eq!(complete(&["-o", "csv", "tail", "--event", "="]).len(), 12);
        assert_eq!(complete(&["iam", "--role", "v"]), ["viewer"]);
        assert_eq!(
            complete(&["explain", &format!("OQ-{}", "NOT-F")]),
            ["OQ-NOT-FOUND"]
        );
        assert_eq!(complete(&["nonsense", "x", "--what"]), [""; 0]);
    }
}
