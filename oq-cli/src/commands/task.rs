//! `oq task`: the daily verbs under their noun, as other things have theirs.

use clap::Subcommand;

use super::{
    cancel::Cancel, get::Get, history::History, list::List, result::Result_, retry::Retry,
    submit::Submit, tail::Tail, wait::Wait,
};
use crate::args::Command;

/// The commands about tasks, as `oq NOUN VERB`: `oq task list` is `oq list`.
#[derive(Debug, clap::Args)]
pub struct Task {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Cancel(Cancel),
    Get(Get),
    History(History),
    List(List),
    Result(Result_),
    Retry(Retry),
    Submit(Submit),
    Tail(Tail),
    Wait(Wait),
}

impl From<Task> for Command {
    /// The command that is meant.
    fn from(task: Task) -> Command {
        match task.verb {
            Verb::Cancel(cancel) => Command::Cancel(cancel),
            Verb::Get(get) => Command::Get(get),
            Verb::History(history) => Command::History(history),
            Verb::List(list) => Command::List(list),
            Verb::Result(result) => Command::Result(result),
            Verb::Retry(retry) => Command::Retry(retry),
            Verb::Submit(submit) => Command::Submit(submit),
            Verb::Tail(tail) => Command::Tail(tail),
            Verb::Wait(wait) => Command::Wait(wait),
        }
    }
}
