//! Plays a scenario: real producers and workers on virtual time, until the faults stop, everything
//! is finished and nothing is on the wire any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use oq_core::record::{Key, Live, decode};
use oq_core::store::{Object, StoreKey};
use oq_core::testing::mutant::{self, Mutant};
use oq_core::testing::sim_clock::SimHost;
use oq_core::testing::sim_entropy::Dice;
use oq_core::testing::sim_store::{Applied, Fired, Requests, SimStore};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::observe::{Notebook, Observed, What};
use crate::panics;
use crate::producer::Producer;
use crate::scenario::{Event, Machine, Scenario, Who};
use crate::small::script;
use crate::stage::Stage;
use crate::workers;

/// A run that was played.
#[derive(Debug)]
pub struct Played {
    pub scenario: Arc<Scenario>,
    pub log: Vec<Applied>,
    pub observed: Observed,
    pub objects: BTreeMap<StoreKey, Object>,
    pub fired: Fired,
    pub requests: BTreeMap<u16, Requests>,
    pub trace: u64,
    pub story: Vec<String>,
    /// How long after the faults stopped everything was finished; `None`: not within the limit.
    pub recovered: Option<Duration>,
    pub limit: Duration,
    /// How often something went on in a process that had ended.
    pub outlived: u64,
    /// Tasks of the runtime that were left when everything had been stopped.
    pub left_alive: usize,
    pub panics: Vec<String>,
    /// When it was over.
    pub ended: Duration,
    /// The drift of each process' clock.
    pub drifts: BTreeMap<u16, i64>,
}

impl Played {
    /// How much faster than the store's the clock of a process ran.
    pub fn drift_of(&self, client: u16) -> i64 {
        self.drifts.get(&client).copied().unwrap_or(0)
    }
}

/// How to play.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    pub mutant: Option<Mutant>,
    /// Keep a line for every request.
    pub story: bool,
}

/// Plays a scenario on a runtime of its own.
pub fn play(scenario: Scenario, how: How) -> Played {
    mutant::set(how.mutant);
    panics::watch();
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing that could be missing");
    let mut played = runtime.block_on(run(Arc::new(scenario), how));
    drop(runtime);
    played.panics = panics::take();
    mutant::set(None);
    played
}

async fn run(scenario: Arc<Scenario>, how: How) -> Played {
    let store = SimStore::new(scenario.seed, scenario.modes.clone(), scenario.plan.clone());
    if how.story {
        store.tell_story();
    }
    let book = Notebook::new(store.clone());
    let (crash, crashes) = mpsc::unbounded_channel();
    let stage = Arc::new(Stage::new(scenario.clone(), book.clone(), crash));
    let mut game = Game::new(scenario.clone(), book, stage, crashes);
    game.trouble().await;
    let (recovered, limit) = game.recover().await;
    game.drain().await;
    let left_alive = Handle::current().metrics().num_alive_tasks();
    let observed = game.book.notes().clone();
    Played {
        scenario,
        observed,
        objects: store.objects(),
        fired: store.fired(),
        requests: store.requests(),
        trace: store.trace(),
        story: store.take_story(),
        drifts: game.hosts.iter().map(|h| (h.id(), h.drift_ppm())).collect(),
        recovered,
        limit,
        outlived: game.hosts.iter().map(|h| h.outlived()).sum(),
        left_alive,
        panics: Vec::new(),
        ended: store.elapsed(),
        log: store.take_log(),
    }
}

/// One worker process.
struct Process {
    host: Arc<SimHost>,
    /// No `watch`: tokio wakes its receivers in an order that it draws itself.
    stop: CancellationToken,
    running: JoinHandle<()>,
}

struct Game {
    scenario: Arc<Scenario>,
    book: Notebook,
    stage: Arc<Stage>,
    crashes: mpsc::UnboundedReceiver<u16>,
    dice: Dice,
    agenda: BTreeMap<(Duration, usize), Event>,
    workers: Vec<Option<Process>>,
    /// Processes that were asked to stop.
    stopping: Vec<Process>,
    producers: Vec<Arc<Producer>>,
    calls: JoinSet<()>,
    hosts: Vec<Arc<SimHost>>,
}

const S: Duration = Duration::from_secs(1);

/// Idling for longer than this is more than waiting for late writes.
const LONG: Duration = Duration::from_secs(600);

/// How often the state of the world is looked at while waiting for the end.
const LOOK: Duration = Duration::from_millis(500);

impl Game {
    fn new(
        scenario: Arc<Scenario>,
        book: Notebook,
        stage: Arc<Stage>,
        crashes: mpsc::UnboundedReceiver<u16>,
    ) -> Game {
        let events = scenario
            .events
            .iter()
            .filter(|(at, _)| *at < scenario.quiet_at);
        let agenda = events
            .enumerate()
            .map(|(n, (at, e))| ((*at, n), *e))
            .collect();
        let mut game = Game {
            dice: Dice::new(scenario.seed, 3),
            agenda,
            workers: scenario.workers.iter().map(|_| None).collect(),
            stopping: Vec::new(),
            producers: Vec::new(),
            calls: JoinSet::new(),
            hosts: Vec::new(),
            scenario: scenario.clone(),
            book: book.clone(),
            stage,
            crashes,
        };
        for machine in &scenario.producers {
            let host = game.boot(machine);
            let producer = Producer::new(host, scenario.clone(), book.clone());
            game.producers.push(Arc::new(producer));
        }
        game
    }

    /// A machine with a new process on it; no two have the same number.
    fn boot(&mut self, machine: &Machine) -> Arc<SimHost> {
        let id = self.hosts.len() as u16 + 1;
        let offset = self.dice.between(S, 1_000_000 * S);
        let host = SimHost::new(id, offset, machine.drift_ppm);
        self.hosts.push(host.clone());
        host
    }

    /// Plays the events until the faults stop.
    async fn trouble(&mut self) {
        loop {
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let sleep = self.sleep_until(next.unwrap_or(self.scenario.quiet_at));
            tokio::select! {
                biased;
                Some(client) = self.crashes.recv() => self.poisoned(client).await,
                () = sleep => match self.agenda.pop_first() {
                    Some((_, event)) => self.happen(event).await,
                    None => return,
                },
            }
        }
    }

    #[allow(clippy::disallowed_methods)] // the game itself goes by true time
    fn sleep_until(&self, at: Duration) -> tokio::time::Sleep {
        let left = at.saturating_sub(self.book.store.elapsed());
        tokio::time::sleep(left)
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Start(n) => self.start(n),
            Event::Crash(n) => self.crash(n).await,
            Event::Stop(n) => self.stop(n),
            Event::Stall(who, length) => {
                if let Some(host) = self.host(who) {
                    host.stall(length);
                    self.book.trouble(host.id(), What::Stalled(length));
                }
            }
            Event::CutOut(who, length) => {
                if let Some(host) = self.host(who) {
                    host.cut_out(length);
                    self.book.trouble(host.id(), What::CutOut(length));
                }
            }
            Event::CutBack(who, length) => {
                if let Some(host) = self.host(who) {
                    host.cut_back(length);
                    self.book.trouble(host.id(), What::CutBack(length));
                }
            }
            Event::Submit(n) => {
                let producer = self.producers[self.scenario.submissions[n].producer].clone();
                self.calls.spawn(async move { producer.submit(n).await });
            }
            Event::Cancel(n, index) => {
                let producer = self.producers[self.scenario.submissions[n].producer].clone();
                self.calls
                    .spawn(async move { producer.cancel(n, index).await });
            }
            Event::Look(n, index) => self.look(n, index),
            Event::Wait(n, index) => {
                let producer = self.producers[self.scenario.submissions[n].producer].clone();
                self.calls
                    .spawn(async move { producer.wait(n, index).await });
            }
            Event::Pause(queue, length) => {
                let producer = self.producers[0].clone();
                self.calls
                    .spawn(async move { producer.pause(queue, length).await });
            }
            Event::Shards(queue, shards) => {
                let producer = self.producers[0].clone();
                self.calls
                    .spawn(async move { producer.shards(queue, shards).await });
            }
            Event::Sweep(queue) => {
                let producer = self.producers[0].clone();
                self.calls.spawn(async move { producer.sweep(queue).await });
            }
        }
        while self.calls.try_join_next().is_some() {}
    }

    fn look(&mut self, n: usize, index: usize) {
        let producer = self.producers[self.scenario.submissions[n].producer].clone();
        self.calls
            .spawn(async move { producer.look(n, index).await });
    }

    fn host(&self, who: Who) -> Option<Arc<SimHost>> {
        match who {
            Who::Worker(n) => self.workers[n].as_ref().map(|p| p.host.clone()),
            Who::Producer(n) => Some(self.producers[n].host.clone()),
        }
    }

    fn start(&mut self, n: usize) {
        if self.workers[n].is_some() {
            return;
        }
        let machine = self.scenario.workers[n].clone();
        let process = self.launch(&machine);
        self.workers[n] = Some(process);
    }

    fn launch(&mut self, machine: &Machine) -> Process {
        let host = self.boot(machine);
        let stop = CancellationToken::new();
        let work = workers::work(
            host.clone(),
            self.stage.clone(),
            machine.clone(),
            stop.clone(),
        );
        let running = tokio::spawn(work);
        self.book.trouble(host.id(), What::Started);
        Process {
            host,
            stop,
            running,
        }
    }

    async fn crash(&mut self, n: usize) {
        if let Some(process) = self.workers[n].take() {
            self.book.trouble(process.host.id(), What::Crashed);
            kill(process).await;
        }
    }

    /// A handler asked for the death of its worker.
    async fn poisoned(&mut self, client: u16) {
        let found = self
            .workers
            .iter()
            .position(|w| w.as_ref().is_some_and(|p| p.host.id() == client));
        if let Some(n) = found {
            self.crash(n).await;
            let back = self.book.store.elapsed() + self.dice.between(S, 10 * S);
            self.agenda
                .insert((back, self.agenda.len() + 100_000), Event::Start(n));
        } else if let Some(i) = self.stopping.iter().position(|p| p.host.id() == client) {
            let process = self.stopping.remove(i);
            self.book.trouble(client, What::Crashed);
            kill(process).await;
        }
    }

    fn stop(&mut self, n: usize) {
        if let Some(process) = self.workers[n].take() {
            self.book.trouble(process.host.id(), What::Stopped);
            process.stop.cancel();
            self.stopping.push(process);
        }
    }

    /// The faults stop; waits until everything is finished. Returns how long that took and what
    /// the limit was.
    async fn recover(&mut self) -> (Option<Duration>, Duration) {
        let store = self.book.store.clone();
        store.tell(|| "the faults stop".into());
        store.heal();
        self.stage.quiet();
        for host in &self.hosts {
            host.reconnect();
        }
        while let Ok(client) = self.crashes.try_recv() {
            self.poisoned(client).await;
        }
        for n in 0..self.workers.len() {
            self.start(n);
        }
        // The others may be stalled for a while yet.
        let rescuer = Machine {
            concurrency: 8,
            drift_ppm: 0,
            poll: if self.scenario.idle > LONG { 30 * S } else { S },
            grace: 5 * S,
        };
        let process = self.launch(&rescuer);
        self.workers.push(Some(process));
        let stalled = self.producers.iter().map(|p| p.host.stalled_for()).max();
        let limit = self.scenario.time_to_recover(&self.left()) + stalled.unwrap_or_default();
        let quiet = store.elapsed();
        loop {
            let took = store.elapsed() - quiet;
            while self.calls.try_join_next().is_some() {}
            if !self.work_left() && self.calls.is_empty() {
                return (Some(took), limit);
            }
            if took > limit {
                return (None, limit);
            }
            self.sleep_until(store.elapsed() + LOOK).await;
        }
    }

    /// The scripts of tasks that are not over, or whose submission is not answered.
    fn left(&self) -> BTreeSet<usize> {
        let mut left = BTreeSet::new();
        for (key, object) in self.book.store.objects() {
            if let Some(Key::Live(..)) = Key::parse(key.as_str())
                && let Ok(live) = decode::<Live>(&key, &object.body)
            {
                left.extend(live.tasks.iter().map(|s| script(&s.input)));
            }
        }
        let notes = self.book.notes();
        let answered: BTreeSet<usize> = notes.submits.iter().map(|s| s.submission).collect();
        for (n, submission) in self.scenario.submissions.iter().enumerate() {
            if !answered.contains(&n) {
                left.extend(submission.tasks.clone());
            }
        }
        left
    }

    fn work_left(&self) -> bool {
        let live = |key: &StoreKey| matches!(Key::parse(key.as_str()), Some(Key::Live(..)));
        self.book.store.objects().keys().any(live)
    }

    /// Stops all workers but the last, waits until nothing is on the wire and what landed late is
    /// cleared away, looks everything up once more and stops the last worker.
    async fn drain(&mut self) {
        let last = self.workers.pop().flatten();
        for n in 0..self.workers.len() {
            self.stop(n);
        }
        for process in std::mem::take(&mut self.stopping) {
            join(process).await;
        }
        let store = self.book.store.clone();
        if self.scenario.idle > LONG {
            self.sleep_until(store.elapsed() + self.scenario.idle).await;
        }
        let mut quiet = 0;
        let give_up = store.elapsed() + 3000 * S;
        while quiet < 40 && store.elapsed() < give_up {
            self.sleep_until(store.elapsed() + S).await;
            let wire = store.late() > 0;
            quiet = if self.work_left() || wire {
                0
            } else {
                quiet + 1
            };
        }
        for n in 0..self.scenario.submissions.len() {
            for index in 0..self.scenario.submissions[n].tasks.len() {
                self.look(n, index);
            }
        }
        while self.calls.join_next().await.is_some() {}
        if let Some(last) = last {
            last.stop.cancel();
            join(last).await;
        }
        while store.in_flight() > 0 {
            self.sleep_until(store.elapsed() + S).await;
        }
        self.producers.clear();
        yield_often().await;
    }
}

/// Ends a process as SIGKILL does.
async fn kill(process: Process) {
    process.running.abort();
    let _ = process.running.await;
    yield_often().await;
    process.host.kill();
}

async fn join(process: Process) {
    let _ = process.running.await;
    yield_often().await;
    process.host.kill();
}

/// Lets what was aborted be dropped: tasks of tasks, one level at a time.
async fn yield_often() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}
