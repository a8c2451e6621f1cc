//! `oq queue`: the queues of a store, their depth and their settings.

mod drain;
mod set;
mod shown;

use std::time::Duration;

use clap::Subcommand;
use oq_core::StoreTime;
use oq_core::queue::{Purged, Queue as CoreQueue, names};
use oq_core::record::QueueName;

use self::shown::{QueueRow, settings, stats};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{Card, Format, json};
use crate::said;
use crate::session::{Session, interrupted};

/// Who pressed Ctrl-C waits no longer than this to hear what it came to.
const PATIENCE: Duration = Duration::from_secs(5);

/// The queues of a store: depth, settings, pause, drain, purge.
#[derive(Debug, clap::Args)]
pub struct Queue {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All queues with their depth. Costs 1 LIST, and for each queue what `stats` costs
    List {
        /// Only names: 1 LIST for a thousand
        #[arg(long)]
        names: bool,
    },
    /// The settings of a queue. Costs 2 GET
    Show(Which),
    /// How full a queue is, from listings alone. Costs 3 GET and 1 LIST for a thousand objects
    Stats(Which),
    /// Workers claim nothing from now on; what runs goes on. Costs 3 GET and 2 PUT
    Pause(Which),
    /// Workers claim again
    Resume(Which),
    /// Pause, and wait until nothing runs any more; or with --empty wait until nothing is left
    Drain(drain::Drain),
    /// Delete all tasks that were submitted before now, with their outcomes
    Purge(Purge),
    /// Change settings; without options they are shown
    Set(set::Set),
}

/// Which queue.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// The queue's name; --queue unless given
    #[arg(value_name = "NAME")]
    name: Option<QueueName>,
}

#[derive(Debug, clap::Args)]
struct Purge {
    #[command(flatten)]
    which: Which,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Only show how many tasks there are
    #[arg(long, conflicts_with = "again")]
    dry_run: bool,

    /// The second pass of the last purge, an hour after it: deletes what landed late
    #[arg(long)]
    again: bool,
}

impl Which {
    /// The queue that is meant.
    pub async fn open(&self, oq: &Session<'_>) -> Result<CoreQueue, Failed> {
        let name = self.name.clone().unwrap_or_else(|| oq.global.queue.clone());
        oq.queue_named(name).await
    }

    /// The same, which must be there: a mistyped name is none of a new queue.
    pub async fn existing(&self, oq: &Session<'_>) -> Result<CoreQueue, Failed> {
        let queue = self.open(oq).await?;
        said::is_there(&queue).await?;
        Ok(queue)
    }
}

impl Queue {
    /// Whether it changes settings, which a new queue may begin with.
    pub fn is_set(&self) -> bool {
        matches!(&self.verb, Verb::Set(set) if set.asks())
    }

    /// Whether it deletes, which takes effect before it ends.
    pub fn is_purge(&self) -> bool {
        matches!(self.verb, Verb::Purge(_))
    }

    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        match self.verb {
            Verb::List { names } => list(oq, names).await,
            Verb::Show(which) => {
                let queue = which.existing(oq).await?;
                settings(oq, &queue, &queue.settings().await?)
            }
            Verb::Stats(which) => {
                let queue = which.existing(oq).await?;
                stats(oq, &queue, &queue.stats().await?)
            }
            Verb::Pause(which) => {
                let queue = which.existing(oq).await?;
                queue.pause().await?;
                let name = queue.name();
                oq.print
                    .note(&format!("{name} is paused\nnext: oq queue resume {name}"));
                Ok(Exit::Ok)
            }
            Verb::Resume(which) => {
                let queue = which.existing(oq).await?;
                queue.resume().await?;
                oq.print.note(&format!("{} goes on", queue.name()));
                Ok(Exit::Ok)
            }
            Verb::Drain(drain) => drain.run(oq).await,
            Verb::Purge(purge) => purge.run(oq).await,
            Verb::Set(set) => set.run(oq).await,
        }
    }
}

async fn list(oq: &Session<'_>, names_only: bool) -> Result<Exit, Failed> {
    let root = oq.root().await?;
    let mut rows = oq.print.rows();
    for name in names(&root).await? {
        let stats = match names_only {
            true => None,
            false => Some(
                CoreQueue::open(root.clone(), name.clone())
                    .await?
                    .stats()
                    .await?,
            ),
        };
        rows.push(&QueueRow { name, stats })?;
    }
    if rows.end()? == 0 {
        oq.print
            .note("there are no queues yet: one comes into being with its first task");
    }
    Ok(Exit::Ok)
}

impl Purge {
    async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let agreed = tokio::select! {
            biased;
            agreed = self.agreed(oq) => agreed?,
            () = interrupted() => return Err(Failed::interrupted()),
        };
        let Some(queue) = agreed else {
            return Ok(Exit::Ok);
        };
        let began = queue.root().now();
        let purged = tokio::select! {
            biased;
            purged = self.delete(oq, &queue) => purged?,
            () = interrupted() => return Err(broken_off(&queue, began).await),
        };
        match oq.print.format() {
            Format::Json | Format::Jsonl => oq.print.line(&json(&purged)?)?,
            _ => Card::new()
                .field("objects of live tasks", purged.live.to_string())
                .field("objects of outcomes", purged.done.to_string())
                .field("dead letters", purged.dead.to_string())
                .field("keys", purged.keys.to_string())
                .field("payloads", purged.payloads.to_string())
                .field("unreadable, left", purged.unreadable.to_string())
                .field("not deleted, left", purged.left.to_string())
                .print(oq.print)?,
        }
        if !self.again {
            let name = queue.name();
            let when = if purged.left > 0 { "now and in" } else { "in" };
            oq.print.note(&format!(
                "next: {when} an hour, oq queue purge {name} --again"
            ));
        }
        Ok(Exit::Ok)
    }

    /// The queue, if it is to be purged.
    async fn agreed(&self, oq: &Session<'_>) -> Result<Option<CoreQueue>, Failed> {
        let queue = self.which.existing(oq).await?;
        if !self.again {
            let stats = queue.stats().await?;
            let live =
                stats.runnable + stats.waiting + stats.running + stats.finishing + stats.purged;
            let more = if stats.more { " or more" } else { "" };
            let what = format!(
                "{live} live tasks, {} outcomes and {} dead letters{more} of the queue {}",
                stats.done,
                stats.dead,
                queue.name()
            );
            if self.dry_run {
                oq.print.note(&format!("would delete {what}"));
                return Ok(None);
            }
            let question = format!("Delete {what}? It cannot be taken back.");
            if !oq.print.agreed(&question, self.yes).await? {
                oq.print.note("nothing was deleted");
                return Ok(None);
            }
        }
        Ok(Some(queue))
    }

    async fn delete(&self, oq: &Session<'_>, queue: &CoreQueue) -> oq_core::Result<Purged> {
        match self.again {
            true => oq.watched(None, queue.purge_again()).await,
            false => oq.watched(None, queue.purge()).await,
        }
    }
}

/// What is said when somebody stops waiting: the purge itself is one write, and comes first.
async fn broken_off(queue: &CoreQueue, began: StoreTime) -> Failed {
    let name = queue.name();
    let env = queue.root().env();
    let settings = env.within(PATIENCE, queue.settings()).await;
    let marked = settings.map(|settings| settings.map(|s| s.purged_before >= Some(began)));
    let why = match marked {
        Some(Ok(true)) => {
            "interrupted: the tasks are purged all the same. Workers that know of it, after a minute \
             at most, claim none of them any more and delete what is left; what runs goes on until \
             its next write"
        }
        Some(Ok(false)) => "interrupted: nothing new was purged",
        _ => "interrupted: the tasks may be purged or not",
    };
    Failed::interrupted().because(why).next(format!(
        "oq queue stats {name} counts what is left; oq queue purge {name} removes it"
    ))
}

/// A time limit of a command that waits.
#[derive(Debug, clap::Args)]
struct Limit {
    /// Give up after this time
    #[arg(long, value_name = "SPAN", value_parser = said::duration, default_value = "1h", allow_hyphen_values = true)]
    timeout: Duration,
}
