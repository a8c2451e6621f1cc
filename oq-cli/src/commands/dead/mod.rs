//! `oq dead`: failed tasks that nobody dealt with.

mod group;

use clap::Subcommand;
use oq_core::queue::{DeadLetter, Queue, group_dead};
use oq_core::record::Fingerprint;

use super::bulk::{self, BulkArgs, Did, Why};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::{Card, Format};
use crate::said::{self, AnyStateArgs};
use crate::session::Session;

/// Failed tasks that nobody dealt with, grouped by the fault they show.
///
/// A fingerprint stands for a fault: the type, the failure's kind and the first line of its message
/// without numbers and quoted texts. Costs 1 LIST for a thousand dead letters and 1 GET for each.
#[derive(Debug, clap::Args)]
pub struct Dead {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// One line for each fault, the most frequent first
    List {
        #[command(flatten)]
        filter: AnyStateArgs,
    },
    /// The tasks that show a fault
    Show {
        #[command(flatten)]
        which: One,
    },
    /// Try them again: all, or those that show certain faults
    Retry {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        why: Why,
        #[command(flatten)]
        bulk: BulkArgs,
    },
    /// Remove their dead letters; their outcomes stay until their retention is over
    Purge {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        bulk: BulkArgs,
    },
}

/// One fault.
#[derive(Debug, clap::Args)]
struct One {
    /// The fault's fingerprint, as `oq dead list` shows it
    #[arg(value_parser = said::fingerprint)]
    fingerprint: Fingerprint,
}

/// Which dead letters.
#[derive(Debug, clap::Args)]
struct Which {
    /// Faults, by their fingerprints
    #[arg(value_name = "FINGERPRINT", value_parser = said::fingerprint)]
    fingerprints: Vec<Fingerprint>,

    /// Whatever the fault
    #[arg(long, conflicts_with = "fingerprints")]
    all: bool,

    #[command(flatten)]
    filter: AnyStateArgs,
}

impl Dead {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let queue = oq.queue().await?;
        match self.verb {
            Verb::List { filter } => list(oq, &queue, &filter).await,
            Verb::Show { which } => show(oq, &queue, which.fingerprint).await,
            Verb::Retry { which, why, bulk } => {
                let found = which.find(oq, &queue, bulk.dry_run).await?;
                super::retry::again(oq, &queue, found, &bulk, &why, true).await
            }
            Verb::Purge { which, bulk } => purge(oq, &queue, which, &bulk).await,
        }
    }
}

async fn letters(
    oq: &Session<'_>,
    queue: &Queue,
    filter: &AnyStateArgs,
    fingerprints: &[Fingerprint],
) -> Result<Vec<DeadLetter>, Failed> {
    let mut dead = queue.dead(filter.filter(queue.root().now())?);
    for fingerprint in fingerprints {
        dead = dead.fingerprint(*fingerprint);
    }
    let mut progress = oq.print.progress("read", None);
    let mut letters = Vec::new();
    while let Some(letter) = dead.next().await? {
        letters.push(letter);
        progress.add(1);
    }
    drop(progress);
    if dead.unreadable() > 0 {
        let n = dead.unreadable();
        oq.print
            .note(&format!("{n} dead letters cannot be read; see oq doctor"));
    }
    Ok(letters)
}

async fn list(oq: &Session<'_>, queue: &Queue, filter: &AnyStateArgs) -> Result<Exit, Failed> {
    let letters = letters(oq, queue, filter, &[]).await?;
    let now = queue.root().now();
    let mut rows = oq.print.rows();
    for group in group_dead(&letters) {
        rows.push(&group::GroupRow { group, now })?;
    }
    if rows.end()? == 0 {
        said::is_there(queue).await?;
        oq.print
            .note(&format!("no dead letters in the queue {}", queue.name()));
    }
    Ok(Exit::Ok)
}

async fn show(oq: &Session<'_>, queue: &Queue, which: Fingerprint) -> Result<Exit, Failed> {
    let letters = letters(oq, queue, &AnyStateArgs::default(), &[which]).await?;
    let Some(group) = group_dead(&letters).pop() else {
        return Err(unknown_fault(queue, which, false));
    };
    let now = queue.root().now();
    if oq.print.format() == Format::Table {
        Card::new()
            .field("fault", which.to_string())
            .field("tasks", group.count.to_string())
            .field("type", group.task_type.to_string())
            .field("kind", group.kind.clone())
            .field("first", group.first.to_string())
            .field("last", group.last.to_string())
            .text("newest message", group.message.clone())
            .print(oq.print)?;
        oq.print.line("")?;
    }
    let mut rows = oq.print.rows();
    for letter in letters {
        rows.push(&group::LetterRow { letter, now })?;
    }
    rows.end()?;
    Ok(Exit::Ok)
}

fn unknown_fault(queue: &Queue, fault: Fingerprint, filtered: bool) -> Failed {
    let which = match filtered {
        true => "dead letter that the filter lets through",
        false => "dead letter",
    };
    Failed::new(
        Exit::NotFound,
        "OQ-NOT-FOUND",
        format!(
            "no {which} of the queue {} shows the fault {fault}",
            queue.name()
        ),
        "oq dead list",
    )
}

impl Which {
    async fn find(
        &self,
        oq: &Session<'_>,
        queue: &Queue,
        dry_run: bool,
    ) -> Result<Vec<oq_core::record::TaskId>, Failed> {
        if self.fingerprints.is_empty() && !self.all && self.filter.is_empty() {
            return Err(Failed::usage(
                "it is not said which",
                "name faults (oq dead list), choose with a filter, or say --all",
            ));
        }
        let letters = letters(oq, queue, &self.filter, &self.fingerprints).await?;
        // A fault that is mistyped must not look like one that was dealt with.
        let shown = |fault: &&Fingerprint| letters.iter().any(|l| l.fingerprint == **fault);
        if let Some(unknown) = self.fingerprints.iter().find(|fault| !shown(fault)) {
            return Err(unknown_fault(queue, *unknown, !self.filter.is_empty()));
        }
        if dry_run {
            let now = queue.root().now();
            let mut rows = oq.print.rows();
            for letter in &letters {
                let letter = letter.clone();
                rows.push(&group::LetterRow { letter, now })?;
            }
            rows.end()?;
        }
        Ok(letters.into_iter().map(|letter| letter.id).collect())
    }
}

async fn purge(
    oq: &Session<'_>,
    queue: &Queue,
    which: Which,
    args: &BulkArgs,
) -> Result<Exit, Failed> {
    let found = which.find(oq, queue, args.dry_run).await?;
    let many = format!("{} dead letters", found.len());
    let what = ("dead letter", format!("remove {many}"));
    if !bulk::is_meant(oq, queue, args, &found, what) {
        return Ok(Exit::Ok);
    }
    let question = format!("Remove {many} of the queue {}?", queue.name());
    if !oq.print.agreed(&question, args.yes).await? {
        oq.print.note("nothing was removed");
        return Ok(Exit::Ok);
    }
    bulk::each(oq, "removed", found, |id| async move {
        queue.dismiss(id).await?;
        Ok(Did {
            id,
            what: "removed".to_owned(),
            new: None,
        })
    })
    .await
}
