//! `oq bench`: what a store gives, measured with tasks of its own in a queue of its own.

mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oq_core::env::Env;
use oq_core::measure::{self, Count, Load, Measured};
use oq_core::queue::Queue;

use self::report::Report;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::Printer;
use crate::said;
use crate::session::Session;
use crate::signals::Signals;

/// How often the live line is drawn.
const DRAW: Duration = Duration::from_millis(100);

/// How long writes that were given up may still land, in a store that answers soon.
const SETTLE: Duration = Duration::from_millis(500);

/// No more tasks than this are submitted one after the other.
const PACED: u64 = 50;

/// Measure a store: tasks a second, how soon they start, requests and dollars a task.
///
/// Submits tasks that do nothing into a queue of its own, runs them in this process, and deletes the
/// queue: first lone tasks, then tasks that share objects, then some one after the other. Asks
/// before it spends money on a bucket.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// How many tasks of each kind
    #[arg(long, short = 'n', default_value_t = 1000, value_name = "TASKS",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    tasks: u64,

    /// How many tasks may share an object
    #[arg(long, default_value_t = 100, value_name = "TASKS",
          value_parser = clap::value_parser!(u16).range(2..=1024))]
    pack: u16,

    /// How many tasks run at once
    #[arg(long, default_value_t = 64, value_name = "TASKS")]
    concurrency: usize,

    /// How far apart the tasks are that come one after the other
    #[arg(long, value_parser = said::duration, default_value = "100ms", value_name = "TIME")]
    pace: Duration,

    /// Show ratios to an earlier run that was kept with -o json
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Bench {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let earlier = self.compare.as_deref().map(report::read).transpose()?;
        let mut signals = Signals::new(false)?;
        let agreed = tokio::select! {
            agreed = self.agreed(oq) => agreed?,
            () = signals.next() => return Ok(Exit::Interrupted),
        };
        if !agreed {
            oq.print.note("nothing was done");
            return Ok(Exit::Ok);
        }
        let queue = Queue::open(oq.root().await?, own_name()?).await?;
        let measured = tokio::select! {
            measured = self.measure(&queue, oq) => Some(measured),
            () = signals.next() => None,
        };
        // Also after a failure, and after Ctrl-C: nobody else knows of this queue.
        oq.print.note(&match measured {
            Some(_) => "deleting what is left of the queue".to_owned(),
            None => format!(
                "deleting what is left of the queue {}; once more to leave it there",
                queue.name()
            ),
        });
        let removed = tokio::select! {
            removed = remove(&queue) => removed,
            () = signals.next() => return Err(left_there(&queue)),
        };
        let Some(measured) = measured else {
            removed?;
            return Ok(Exit::Interrupted);
        };
        Report::new(measured?).print(earlier.as_ref(), oq.print)?;
        removed?;
        Ok(Exit::Ok)
    }

    fn loads(&self) -> [(&'static str, Load); 3] {
        let with = |load| Load {
            concurrency: self.concurrency,
            ..load
        };
        [
            ("lone", with(Load::lone(self.tasks))),
            ("packed", with(Load::packed(self.tasks, self.pack.into()))),
            ("paced", with(Load::paced(self.tasks.min(PACED), self.pace))),
        ]
    }

    async fn measure(
        &self,
        queue: &Queue,
        oq: &Session<'_>,
    ) -> Result<Vec<(&'static str, Measured)>, Failed> {
        let mut all = Vec::new();
        for (name, load) in self.loads() {
            let done = Arc::new(Count::default());
            let run = measure::run(queue, &load, || oq.requests(), done.clone());
            let shown = watch(oq.print, name, &done, load.tasks);
            let measured = tokio::select! {
                measured = run => measured?,
                never = shown => match never {},
            };
            all.push((name, measured));
        }
        Ok(all)
    }

    /// Money is asked for. How much is found out by a rehearsal in memory.
    async fn agreed(&self, oq: &Session<'_>) -> Result<bool, Failed> {
        if !oq.url()?.starts_with("s3:") || self.yes {
            return Ok(true);
        }
        let mut dollars = 0.0;
        for (_, load) in self.loads() {
            let stage = Queue::connect("memory:").await?;
            let few = Load {
                tasks: load.tasks.min(500),
                pace: None,
                ..load
            };
            let done = Arc::default();
            let measured = measure::run(&stage, &few, || stage.requests(), done).await?;
            dollars += measured.dollars_per_million() * load.tasks as f64 / 1e6;
        }
        let question = format!(
            "This makes requests for about ${dollars:.4} at the prices of S3 Standard (found by a \
             rehearsal in memory; a slow store takes more listings). Go on?"
        );
        let agreed = oq.print.agreed(&question, self.yes).await;
        agreed.map_err(|nobody| nobody.next("add --yes to do it"))
    }
}

/// Removes the queue, and what lands meanwhile of writes that were on their way.
async fn remove(queue: &Queue) -> oq_core::Result<()> {
    queue.flush().await;
    while measure::remove(queue).await? > 0 {
        queue.root().env().sleep(SETTLE).await;
    }
    Ok(())
}

/// What is said when somebody does not wait for the end of the tidying up.
fn left_there(queue: &Queue) -> Failed {
    let name = queue.name();
    Failed::interrupted()
        .because(format!("interrupted: the queue {name} is left there"))
        .next(format!("to remove its tasks: oq queue purge {name} --yes"))
}

/// A name that nobody else has.
fn own_name() -> Result<oq_core::record::QueueName, Failed> {
    let random = Env::system().entropy.next_u64();
    let name = format!("oq-bench-{random:016x}");
    Ok(oq_core::record::QueueName::new(name)?)
}

async fn watch(
    print: &Printer,
    name: &'static str,
    done: &Count,
    tasks: u64,
) -> std::convert::Infallible {
    let mut progress = print.progress(name, Some(tasks));
    let env = Env::system();
    loop {
        env.sleep(DRAW).await;
        progress.set(done.get());
    }
}
