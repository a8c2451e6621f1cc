//! Plays one scenario until everything is over, and judges it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oq_core::env::{Env, Mono};
use oq_core::queue::Queue;
use oq_core::testing::sim_entropy::Dice;

use crate::effects::{Did, Effect, by_task, read, wall};
use crate::judge::{Counts, Pause, Pauses, judge};
use crate::program::connect;
use crate::relay::{self, Fault, Relay};
use crate::scenario::{Load, Scenario, Trouble};
use crate::server::Server;
use crate::users::Users;
use crate::worker::{Place, Worker};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// The lease of every task here: the shortest there is.
pub const LEASE: Duration = Duration::from_secs(15);

/// How many tasks a worker runs at once.
pub const SLOTS: usize = 4;

/// What is stopped stays so for longer than a lease and its margin.
const STOP: Duration = Duration::from_secs(15 + 8);

/// Once the faults have stopped everything must be over within three leases with their margins, the
/// longest handlers twice, and some polls.
const RECOVERY: Duration = Duration::from_secs(3 * 20 + 2 * 20 + 60);

/// The trouble goes on until all that is planned has happened, but no longer than so many times its
/// length.
const PATIENCE: u32 = 12;

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
    /// Requests to cancel that were answered.
    pub cancels: usize,
    /// Tasks that ended so whose holders were asked to stop.
    pub stopped: usize,
    pub faults: relay::Counts,
    /// What was planned and did not happen.
    pub missing: Vec<String>,
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
            let limit = RECOVERY.as_secs();
            wrong.push(format!("not over {limit} s after the trouble"));
        }
        if self.deaths > 0 {
            wrong.push(format!("{} workers ended by themselves", self.deaths));
        }
        // The harness does what it says, or it fails.
        let missing = self.missing.iter();
        wrong.extend(missing.map(|what| format!("planned, and never happened: {what}")));
        wrong
    }
}

struct Play<'a> {
    scenario: &'a Scenario,
    env: Env,
    place: Place,
    dice: Dice,
    users: Users,
    workers: Vec<Worker>,
    started: usize,
    kills: usize,
    pauses: Pauses,
    /// When workers were stopped that are.
    asleep: BTreeMap<usize, f64>,
    stops: usize,
    /// How many of these were done to a worker that was running something.
    struck: usize,
    deaths: usize,
}

/// Plays one scenario on a server, in a folder of its own.
pub async fn play(
    scenario: &Scenario,
    server: &Server,
    python: Option<PathBuf>,
    folder: &Path,
) -> Result<Ended, String> {
    let said = |e: std::io::Error| e.to_string();
    std::fs::create_dir_all(folder).map_err(said)?;
    let rates = scenario.what.network.rates();
    let relay = Relay::start(&server.host, scenario.seed, rates);
    let relay = relay.await.map_err(said)?;
    let prefix = format!("chaos-{}", scenario.number);
    let place = Place {
        folder: folder.to_owned(),
        url: server.url(&prefix, &relay.endpoint()),
        python,
        slots: SLOTS,
        again: None,
    };
    place.prepare().map_err(said)?;
    // Who looks sees the store as it is.
    let direct = server.direct(&prefix);
    let eyes = connect(&direct).await.map_err(|e| e.to_string())?;
    let queue = connect(&place.url).await.map_err(|e| e.to_string())?;
    let users = Users {
        queue,
        env: Env::system(),
        seed: scenario.seed,
        load: scenario.what.load,
        effects: place.effects(),
        told: Arc::default(),
        quit: Arc::new(AtomicBool::new(false)),
    };
    let mut play = Play {
        scenario,
        env: Env::system(),
        place,
        dice: Dice::new(scenario.seed, 12),
        users,
        workers: Vec::new(),
        started: 0,
        kills: 0,
        pauses: Pauses::new(),
        asleep: BTreeMap::new(),
        stops: 0,
        struck: 0,
        deaths: 0,
    };
    let ended = play.run(eyes, &relay).await.map_err(said);
    for worker in play.workers.drain(..) {
        worker.kill().await;
    }
    ended
}

impl Play<'_> {
    async fn run(&mut self, eyes: Queue, relay: &Relay) -> std::io::Result<Ended> {
        // To the first one nothing is ever done.
        for _ in 0..3 {
            self.start()?;
        }
        let submitting = tokio::spawn(self.users.clone().submit());
        let cancelling = tokio::spawn(self.users.clone().cancel());
        let looking = tokio::spawn(self.users.clone().look(eyes));
        let (early, missing) = self.trouble(relay).await?;
        // The latest of them was stopped a moment ago.
        while let Some(since) = self.workers.iter().filter_map(Worker::stopped).max() {
            self.env.sleep((since + STOP).since(self.env.now())).await;
            for n in 0..self.workers.len() {
                if self.workers[n].stopped().is_some() {
                    self.wake(n);
                }
            }
        }
        self.users.quit.store(true, Ordering::Relaxed);
        relay.heal();
        let healed = self.env.now();
        submitting.await?;
        cancelling.await?;
        let recovered = self.over(healed).await;
        looking.abort();
        let late = self.workers[0].memory();
        // Nothing starts after the end either.
        self.env.sleep(3 * S).await;
        let deaths = self.workers.iter_mut().filter_map(Worker::ended).count();
        let effects = read(&self.place.effects());
        let told = self.users.told().clone();
        Ok(Ended {
            counts: judge(&effects, &told, &self.pauses),
            accepted: told.accepted.len(),
            doubtful: told.doubtful.len(),
            starts: effects.iter().filter(|e| e.did == Did::Start).count(),
            kills: self.kills,
            stops: self.stops,
            cancels: told.cancelled.len(),
            stopped: told.stopped(),
            faults: relay.counts(),
            missing,
            recovered,
            memory: early.zip(late),
            deaths: deaths + self.deaths,
            scenario: self.scenario.clone(),
        })
    }

    fn start(&mut self) -> std::io::Result<()> {
        let worker = self.place.start(self.scenario.what.program, self.started)?;
        self.started += 1;
        self.workers.push(worker);
        Ok(())
    }

    fn wake(&mut self, n: usize) {
        let number = self.workers[n].number;
        if let Some(stopped) = self.asleep.remove(&number) {
            let woken = wall();
            let pauses = self.pauses.entry(number).or_default();
            pauses.push(Pause { stopped, woken });
        }
        self.workers[n].go_on();
    }

    /// The trouble from its beginning to its end; the memory of the first worker early in it, and
    /// what was planned and did not happen.
    async fn trouble(&mut self, relay: &Relay) -> std::io::Result<(Option<u64>, Vec<String>)> {
        let began = self.env.now();
        let (end, last) = (
            began + self.scenario.length,
            began + self.scenario.length * PATIENCE,
        );
        let mut early = None;
        loop {
            let every = self.scenario.every;
            let pause = self.dice.between(every / 2, every * 3 / 2);
            let left = end.since(self.env.now());
            let pause = if left > Duration::ZERO {
                pause.min(left)
            } else {
                pause
            };
            self.env.sleep(pause).await;
            let now = self.env.now();
            if now.since(began) > self.scenario.length / 10 {
                early = early.or_else(|| self.workers[0].memory());
            }
            if now >= end {
                let missing = self.missing(relay);
                if missing.is_empty() || now >= last {
                    return Ok((early, missing));
                }
            }
            self.happen(now).await?;
        }
    }

    fn missing(&self, relay: &Relay) -> Vec<String> {
        let counts = relay.counts();
        let planned = self.scenario.what.network.planned().iter();
        let never = planned.filter(|fault| counts[**fault as usize] == 0);
        let mut missing: Vec<String> = never.map(|fault: &Fault| fault.name().into()).collect();
        if counts.iter().sum::<u64>() == 0 {
            missing.push("any fault of the network".into());
        }
        if self.scenario.what.trouble != Trouble::Nothing && self.struck == 0 {
            missing.push("the trouble of workers that run something".into());
        }
        let effects = read(&self.place.effects());
        let has = |did| effects.iter().any(|effect: &Effect| effect.did == did);
        let turns = matches!(self.scenario.what.load, Load::Retries | Load::Later);
        if !has(Did::Start) || (turns && !has(Did::Turn)) || !self.users.did_their_part() {
            missing.push("what the load is about".into());
        }
        missing
    }

    /// Whether a worker runs something, as far as the log and the users can tell.
    fn is_at_work(&self, worker: usize) -> bool {
        let effects = read(&self.place.effects());
        let told = self.users.told();
        let runs = |e: &&Effect| e.did == Did::Start && e.worker == worker;
        by_task(&effects)
            .into_iter()
            .filter(|(task, _)| !told.over.contains_key(*task))
            .any(|(_, of)| of.last().is_some_and(runs))
    }

    /// One trouble.
    async fn happen(&mut self, now: Mono) -> std::io::Result<()> {
        let victim = 1 + self.dice.below(self.workers.len() as u64 - 1) as usize;
        let trouble = match self.scenario.what.trouble {
            Trouble::Mixed => *self.dice.pick(&Trouble::EACH).unwrap_or(&Trouble::Kill),
            trouble => trouble,
        };
        match (trouble, self.workers[victim].stopped()) {
            (Trouble::Nothing, _) => {}
            (Trouble::Stop, Some(since)) => {
                if now.since(since) >= STOP {
                    self.wake(victim);
                }
            }
            (Trouble::Stop, None) => {
                self.struck += usize::from(self.is_at_work(self.workers[victim].number));
                let number = self.workers[victim].number;
                self.asleep.insert(number, wall());
                self.workers[victim].stop(now);
                self.stops += 1;
            }
            (Trouble::Kill | Trouble::Shutdown | Trouble::Mixed, _) => {
                let mut victim = self.workers.remove(victim);
                self.struck += usize::from(self.is_at_work(victim.number));
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
            if self.users.told().all_over() {
                return Some(took);
            }
            if took > RECOVERY {
                return None;
            }
            self.env.sleep(200 * MS).await;
        }
    }
}
