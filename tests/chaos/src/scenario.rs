//! One scenario: a server, a network that fails, workers that are killed and stopped, tasks; played
//! until everything is over, and judged.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use oq_core::env::{Env, Mono};
use oq_core::queue::{Queue, Task, TaskState};
use oq_core::record::{Retry, TaskId};
use oq_core::testing::sim_entropy::Dice;
use oq_core::{Error, Result};

use crate::effects::{read, wall};
use crate::judge::{Counts, Over, Told, judge};
use crate::relay::{self, Relay};
use crate::server::{Kind, Server};
use crate::worker::{Place, Program, Worker};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// The lease of every task here: the shortest there is.
pub const LEASE: Duration = Duration::from_secs(15);

/// Once the faults have stopped everything must be over within three leases with their margins, the
/// longest handlers twice, and some polls.
const RECOVERY: Duration = Duration::from_secs(3 * 20 + 2 * 20 + 60);

/// What is done to workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// SIGKILL, and another one starts.
    Kill,
    /// SIGSTOP for longer than a lease and its margin, then SIGCONT.
    Stop,
    /// SIGTERM, and SIGKILL while it ends.
    Shutdown,
    /// All of it.
    Mixed,
}

impl Trouble {
    pub const ALL: [Trouble; 4] = [
        Trouble::Kill,
        Trouble::Stop,
        Trouble::Shutdown,
        Trouble::Mixed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Trouble::Kill => "killed",
            Trouble::Stop => "stopped and continued",
            Trouble::Shutdown => "killed while they end",
            Trouble::Mixed => "all of it",
        }
    }
}

/// What is played.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub number: usize,
    pub seed: u64,
    pub server: Kind,
    pub program: Program,
    pub trouble: Trouble,
    /// How long the trouble lasts.
    pub length: Duration,
    /// How long there is between two troubles.
    pub every: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Ended {
    pub scenario: Scenario,
    pub counts: Counts,
    pub accepted: usize,
    pub doubtful: usize,
    pub starts: usize,
    pub kills: usize,
    pub stops: usize,
    pub requests: u64,
    pub faults: relay::Counts,
    /// How long after the trouble everything was over.
    pub recovered: Option<Duration>,
    /// The memory of the worker that nothing is done to, after a tenth of the time and at the end.
    pub memory: Option<(u64, u64)>,
    /// Workers that ended by themselves.
    pub deaths: usize,
}

impl Ended {
    /// What is wrong with it.
    pub fn wrong(&self) -> Vec<String> {
        let counts = self.counts.wrong().into_iter();
        let mut wrong: Vec<String> = counts.map(|(name, n)| format!("{n} {name}")).collect();
        if self.recovered.is_none() {
            wrong.push(format!(
                "not over {} s after the trouble",
                RECOVERY.as_secs()
            ));
        }
        if self.deaths > 0 {
            wrong.push(format!("{} workers ended by themselves", self.deaths));
        }
        // The harness does what it says, or it fails.
        for (name, n) in [
            ("task", self.accepted),
            ("start", self.starts),
            ("trouble", self.kills + self.stops),
        ] {
            if n == 0 {
                wrong.push(format!("no {name} at all"));
            }
        }
        if self.faults.iter().sum::<u64>() == 0 {
            wrong.push("no fault on the network".into());
        }
        wrong
    }
}

struct Play {
    scenario: Scenario,
    env: Env,
    place: Place,
    dice: Dice,
    workers: Vec<Worker>,
    started: usize,
    kills: usize,
    stops: usize,
    deaths: usize,
    told: Arc<Mutex<Told>>,
}

/// Plays one scenario in a folder of its own.
pub async fn play(
    scenario: Scenario,
    folder: &std::path::Path,
) -> std::result::Result<Ended, String> {
    let said = |e: std::io::Error| e.to_string();
    let server = Server::start(scenario.server).await?;
    let relay = Relay::start(&server.host, scenario.seed, true)
        .await
        .map_err(said)?;
    let prefix = format!("chaos-{}", scenario.number);
    let place = Place {
        folder: folder.to_owned(),
        url: server.url(&prefix, &relay.endpoint()),
        concurrency: 4,
        again: None,
    };
    place.prepare().map_err(said)?;
    // Who looks sees the store as it is.
    let eyes = Queue::connect(&server.direct(&prefix))
        .await
        .map_err(|e| e.to_string())?;
    let users = loop {
        // The first request may already fail.
        match Queue::connect(&place.url).await {
            Ok(queue) => break queue,
            Err(Error::Unavailable(_)) => {}
            Err(e) => return Err(e.to_string()),
        }
    };
    let told: Arc<Mutex<Told>> = Arc::default();
    let mut play = Play {
        env: Env::system(),
        place,
        dice: Dice::new(scenario.seed, 12),
        workers: Vec::new(),
        started: 0,
        kills: 0,
        stops: 0,
        deaths: 0,
        told: told.clone(),
        scenario,
    };
    let ended = play.run(&eyes, &users, &relay).await.map_err(said);
    for worker in play.workers.drain(..) {
        worker.kill().await;
    }
    server.end().await;
    ended
}

impl Play {
    async fn run(&mut self, eyes: &Queue, users: &Queue, relay: &Relay) -> std::io::Result<Ended> {
        // To the first one nothing is ever done.
        for _ in 0..3 {
            self.start()?;
        }
        let submitting = tokio::spawn(submit(
            users.clone(),
            self.scenario.clone(),
            self.told.clone(),
        ));
        let looking = tokio::spawn(look(eyes.clone(), self.told.clone()));
        let began = self.env.now();
        let end = began + self.scenario.length;
        let mut early = None;
        while self.env.now() < end {
            let pause = self
                .dice
                .between(self.scenario.every / 2, self.scenario.every * 3 / 2);
            self.env.sleep(pause.min(end.since(self.env.now()))).await;
            if self.env.now() < end {
                self.happen().await?;
            }
            if self.env.now().since(began) > self.scenario.length / 10 {
                early = early.or_else(|| self.workers[0].memory());
            }
        }
        // What is stopped stays so for longer than a lease and its margin, then goes on.
        let stopped = self.workers.iter().any(Worker::is_stopped);
        if stopped {
            self.env
                .sleep((LEASE + 8 * S).saturating_sub(self.scenario.length / 2))
                .await;
        }
        self.workers
            .iter_mut()
            .filter(|w| w.is_stopped())
            .for_each(Worker::go_on);
        relay.heal();
        submitting.await?;
        let quiet = self.env.now();
        let recovered = self.over(quiet).await;
        looking.abort();
        let late = self.workers[0].memory();
        // Nothing starts after the end either.
        self.env.sleep(3 * S).await;
        let deaths = self.workers.iter_mut().filter_map(Worker::ended).count();
        let effects = read(&self.place.effects());
        let told = lock(&self.told).clone();
        Ok(Ended {
            counts: judge(&effects, &told),
            accepted: told.accepted.len(),
            doubtful: told.doubtful.len(),
            starts: effects.iter().filter(|e| !e.ends).count(),
            kills: self.kills,
            stops: self.stops,
            requests: relay.requests(),
            faults: relay.counts(),
            recovered,
            memory: early.zip(late),
            deaths: deaths + self.deaths,
            scenario: self.scenario.clone(),
        })
    }

    fn start(&mut self) -> std::io::Result<()> {
        let worker = self.place.start(&self.scenario.program, self.started)?;
        self.started += 1;
        self.workers.push(worker);
        Ok(())
    }

    /// One trouble.
    async fn happen(&mut self) -> std::io::Result<()> {
        let victim = 1 + self.dice.below(self.workers.len() as u64 - 1) as usize;
        let trouble = match self.scenario.trouble {
            Trouble::Mixed => *self.dice.pick(&Trouble::ALL[..3]).unwrap_or(&Trouble::Kill),
            trouble => trouble,
        };
        match trouble {
            Trouble::Stop if self.workers[victim].is_stopped() => self.workers[victim].go_on(),
            Trouble::Stop => {
                self.workers[victim].stop();
                self.stops += 1;
            }
            Trouble::Kill | Trouble::Shutdown | Trouble::Mixed => {
                let mut victim = self.workers.remove(victim);
                self.deaths += usize::from(victim.ended().is_some());
                if trouble == Trouble::Shutdown {
                    victim.terminate();
                    let moment = self.dice.log_between(MS, 4 * S);
                    self.env.sleep(moment).await;
                }
                victim.kill().await;
                self.kills += 1;
                self.start()?;
            }
        }
        Ok(())
    }

    /// Waits until every accepted task is over.
    async fn over(&self, quiet: Mono) -> Option<Duration> {
        loop {
            let took = self.env.now().since(quiet);
            {
                let told = lock(&self.told);
                if told.accepted.iter().all(|id| told.over.contains_key(id)) {
                    return Some(took);
                }
            }
            if took > RECOVERY {
                return None;
            }
            self.env.sleep(200 * MS).await;
        }
    }
}

fn lock(told: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Submits tasks while the trouble lasts: short and long ones, alone, together, under keys.
async fn submit(queue: Queue, scenario: Scenario, told: Arc<Mutex<Told>>) {
    let env = Env::system();
    let mut dice = Dice::new(scenario.seed, 13);
    let end = env.now() + scenario.length;
    let mut n = 0u64;
    while env.now() < end {
        n += 1;
        let run = match dice.below(10) {
            0 | 1 => dice.between(8 * S, 20 * S),
            2..=5 => dice.between(S, 5 * S),
            _ => dice.between(10 * MS, S),
        };
        let kind = if dice.chance(0.2) { "block" } else { "act" };
        let task = || -> Result<Task> {
            let task = Task::new(kind, &run.as_secs_f64())?;
            Ok(task
                .lease(LEASE)
                .retry(Retry::exponential(50, 200 * MS))
                .timeout(60 * S))
        };
        let Ok(task) = task() else { return };
        let answers = match dice.below(10) {
            0..=1 => {
                let tasks = vec![task.clone(), task.clone(), task];
                let batches = queue.submit_many(tasks).pack(3).into_stream();
                batches.map(|batch| batch.ids).collect::<Vec<_>>().await
            }
            2 => vec![one(&queue, task.key(format!("key {}", n / 2))).await],
            _ => vec![one(&queue, task).await],
        };
        for answer in answers {
            let mut told = lock(&told);
            match answer {
                Ok(ids) => told.accepted.extend(ids.iter().map(ToString::to_string)),
                Err(Error::InDoubt { ids }) => {
                    told.doubtful.extend(ids.iter().map(ToString::to_string));
                }
                Err(_) => told.refused += 1,
            }
        }
        let pause = dice.between(20 * MS, 200 * MS);
        env.sleep(pause.min(end.since(env.now()))).await;
    }
}

async fn one(queue: &Queue, task: Task) -> Result<Vec<TaskId>> {
    queue.submit(task).await.map(|there| vec![there.id])
}

/// Reads outcomes, over and over, and notes when each was seen first.
async fn look(queue: Queue, told: Arc<Mutex<Told>>) {
    let env = Env::system();
    loop {
        let open: Vec<String> = {
            let told = lock(&told);
            let all = told.accepted.iter().chain(&told.doubtful);
            all.filter(|id| !told.over.contains_key(*id))
                .cloned()
                .collect()
        };
        for id in open {
            let Ok(task) = id.parse::<TaskId>() else {
                continue;
            };
            let Ok(view) = queue.get(task).await else {
                continue;
            };
            if !view.state.is_over() {
                continue;
            }
            let at = wall();
            let output = match view.state {
                TaskState::Completed => queue.result::<String>(task).await.ok(),
                _ => None,
            };
            let state = view.state;
            lock(&told).over.insert(id, Over { at, state, output });
        }
        env.sleep(150 * MS).await;
    }
}
