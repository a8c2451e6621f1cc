//! Runs programs as handlers until it is told to stop, or until nothing is due.

use std::sync::Arc;
use std::time::Duration;

use oq_core::env::Env;
use oq_core::queue::Queue;
use oq_core::record::{MAX_LEASE, MIN_LEASE};
use oq_core::span;
use oq_core::worker::{Drain, Drained, Worker};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::queues::Weighted;
use super::tell::{self, LogFormat, Teller, Told};
use crate::exec::{self, Groups, Program, Setting};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::log;
use crate::said;
use crate::session::Session;
use crate::signals::Signals;

/// What waits to be printed; what comes on top is counted and not printed.
const WAITING: usize = 10_000;

/// How much longer than its programs the core waits at each end.
const MARGIN: Duration = Duration::from_secs(2);

/// The options of a worker.
#[derive(Debug, clap::Args)]
pub struct Run {
    /// What runs tasks of a type, as in --task resize='python3 resize.py'; may be repeated.
    #[arg(long = "task", value_name = "NAME=PROGRAM", required = true)]
    tasks: Vec<exec::Said>,

    /// Handlers are programs, each named with --task. This worker runs nothing else, so it need not
    /// be said.
    #[arg(long)]
    exec: bool,

    /// Let /bin/sh read the programs, for pipes and variables.
    #[arg(long)]
    shell: bool,

    /// Queues with their weights, as in mail:3,default:1; instead of --queue.
    #[arg(long, value_name = "QUEUES", value_delimiter = ',')]
    queues: Vec<Weighted>,

    /// How many tasks run at once; as many as there are processors unless said.
    #[arg(long, value_name = "TASKS")]
    concurrency: Option<usize>,

    /// End when nothing is due any more, and print what was done.
    #[arg(long)]
    drain: bool,

    /// With --drain: also wait for what becomes due within this time, such as a second attempt.
    #[arg(long, value_parser = said::duration, requires = "drain", value_name = "TIME")]
    linger: Option<Duration>,

    /// With --drain: end within this time, 20s or more; what still runs is given back.
    #[arg(long, value_parser = said::duration, requires = "drain", value_name = "TIME")]
    within: Option<Duration>,

    /// How long programs may run on once the worker is to end.
    #[arg(long, value_parser = said::duration, default_value = "30s", value_name = "TIME")]
    grace: Duration,

    /// How long a program may take to end after SIGTERM, before SIGKILL.
    #[arg(long, value_parser = said::duration, default_value = "5s", value_name = "TIME")]
    kill_after: Duration,

    /// When a program that exits with 75 runs again, unless it says.
    #[arg(long, value_parser = said::duration, default_value = "30s", value_name = "TIME")]
    later: Duration,

    /// The longest lease to ask for, 15s to 10m: so long tasks wait when this worker is killed.
    #[arg(long, value_parser = said::duration, value_name = "TIME")]
    lease: Option<Duration>,

    /// How what happens is told on stderr.
    #[arg(long, value_enum, default_value_t = LogFormat::Human, value_name = "FORMAT")]
    log: LogFormat,

    /// Show what programs write to stderr.
    #[arg(long)]
    show_stderr: bool,
}

impl Run {
    pub async fn work_on(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        self.check()?;
        let programs = self.programs()?;
        let (told, waiting) = mpsc::channel(WAITING);
        let (entries, logged) = mpsc::channel(WAITING);
        log::to(entries)?;
        let mut signals = Signals::new(false)?;

        let (lines, shown) = mpsc::channel(WAITING);
        let setting = Arc::new(Setting {
            env: Env::system(),
            kill_after: self.kill_after,
            later: self.later,
            url: oq.url()?.to_owned(),
            groups: Groups::default(),
            stopping: CancellationToken::new(),
            lines: self.show_stderr.then_some(lines),
        });
        let worker = self.worker(oq, &setting, programs, told).await?;

        let done = CancellationToken::new();
        let teller = Teller::new(oq, self.log, setting.env.clone());
        let telling = teller.tell(
            Told {
                waiting,
                logged,
                shown,
            },
            &done,
        );
        let stop = CancellationToken::new();
        let working = async {
            let drained = self.work(worker, &stop).await;
            // What the core dropped still ends.
            let last = setting.kill_after + MARGIN;
            if setting
                .env
                .within(last, setting.groups.gone())
                .await
                .is_none()
            {
                setting.groups.kill();
            }
            done.cancel();
            drained
        };
        let both = async { tokio::join!(working, telling).0 };
        tokio::pin!(both);
        tokio::select! {
            drained = &mut both => return self.ended(oq, drained?),
            () = signals.next() => {}
        }
        stop.cancel();
        let grace = span::exact(self.grace);
        oq.print.note(&format!(
            "ending: running programs have {grace}; once more to end at once"
        ));
        let over = setting.env.sleep(self.grace);
        tokio::pin!(over);
        loop {
            tokio::select! {
                drained = &mut both => return self.ended(oq, drained?),
                () = &mut over, if !setting.stopping.is_cancelled() => setting.stopping.cancel(),
                () = signals.next() => {
                    setting.groups.kill();
                    return Ok(Exit::Interrupted);
                }
            }
        }
    }

    /// What would keep it from running anything.
    fn check(&self) -> Result<(), Failed> {
        if let Some(within) = self.within.filter(|within| *within < Drain::LEAST) {
            return Err(Failed::usage(
                format!("--within {}: nothing could be run", span::exact(within)),
                format!(
                    "give {} or more: nothing is claimed in the last {}",
                    span::exact(Drain::LEAST),
                    span::exact(MIN_LEASE)
                ),
            ));
        }
        exec::check_folder().map_err(|why| {
            Failed::unusable(
                why,
                "set TMPDIR to a folder that can be written: programs find OQ_SAVE and \
                 OQ_PROGRESS there",
            )
        })
    }

    fn programs(&self) -> Result<Vec<Arc<Program>>, Failed> {
        let found = self.tasks.iter().map(|said| {
            let program = Program::of(said, self.shell);
            program.map(Arc::new).map_err(|why| {
                let next = "name a program of this machine, or add --shell for a line of shell";
                Failed::usage(why, next)
            })
        });
        found.collect()
    }

    async fn worker(
        &self,
        oq: &Session<'_>,
        setting: &Arc<Setting>,
        programs: Vec<Arc<Program>>,
        told: mpsc::Sender<oq_core::worker::Event>,
    ) -> Result<Worker, Failed> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let mut builder = Worker::builder()
            .concurrency(self.concurrency.unwrap_or(processors))
            // Programs get their time here, so the core must not end them before.
            .grace(self.grace + self.kill_after + MARGIN)
            .cancel_grace(self.kill_after + MARGIN)
            .longest_lease(self.lease.unwrap_or(MAX_LEASE))
            .on_event(move |event| {
                // Who reads stderr too slowly misses lines; tasks do not wait for him.
                let _full = told.try_send(event.clone());
            });
        for (queue, weight) in self.open(oq).await? {
            builder = builder.weighted_queue(&queue, weight);
        }
        for program in programs {
            let (setting, task_type) = (setting.clone(), program.task_type.clone());
            builder = builder.json_handler(task_type.as_str(), move |task, input| {
                exec::run(setting.clone(), program.clone(), task, input)
            });
        }
        Ok(builder.build()?)
    }

    async fn open(&self, oq: &Session<'_>) -> Result<Vec<(Queue, u32)>, Failed> {
        let first = oq.queue().await?;
        if self.queues.is_empty() {
            return Ok(vec![(first, 1)]);
        }
        let mut open = Vec::new();
        for Weighted { queue, weight } in &self.queues {
            open.push((first.named(queue.as_str()).await?, *weight));
        }
        Ok(open)
    }

    async fn work(
        &self,
        worker: Worker,
        stop: &CancellationToken,
    ) -> oq_core::Result<Option<Drained>> {
        if !self.drain {
            worker.run(stop.cancelled()).await?;
            return Ok(None);
        }
        let mut drain = Drain::all().linger(self.linger.unwrap_or_default());
        if let Some(within) = self.within {
            drain = drain.within(within);
        }
        worker.drain_until(drain, stop.cancelled()).await.map(Some)
    }

    fn ended(&self, oq: &Session<'_>, drained: Option<Drained>) -> Result<Exit, Failed> {
        let Some(drained) = drained else {
            return Ok(Exit::Ok);
        };
        oq.print.line(&tell::summary(&drained, oq.print.format()))?;
        match drained.error {
            Some(error) => Err(error.into()),
            None => Ok(Exit::Ok),
        }
    }
}
