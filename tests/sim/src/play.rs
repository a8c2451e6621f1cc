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
use oq_core::testing::sim_store::{Applied, Expected, Fired, Requests, SimStore};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::foreign;
use crate::linear::Calls;
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
    /// What every client asked and was told.
    pub calls: Calls,
    pub objects: BTreeMap<StoreKey, Object>,
    pub fired: Fired,
    /// How many faults of each kind were to be expected.
    pub expected: Expected,
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
    /// How often each process had gone on, just before each event and when the faults stopped.
    pub steps: Vec<BTreeMap<u16, u64>>,
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
        calls: game.book.recorder.take(),
        expected: store.expected(),
        objects: store.objects(),
        fired: store.fired(),
        requests: store.requests(),
        trace: store.trace(),
        story: store.take_story(),
        steps: std::mem::take(&mut game.steps),
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
    /// Processes that were asked to stop, and their machines.
    stopping: Vec<(usize, Process)>,
    producers: Vec<Arc<Producer>>,
    /// What each producer is about.
    calls: Vec<JoinSet<()>>,
    /// The scripts of tasks that somebody asked to try again.
    retried: BTreeSet<usize>,
    hosts: Vec<Arc<SimHost>>,
    /// How often each process had gone on, at each event.
    steps: Vec<BTreeMap<u16, u64>>,
    /// The crash that the scenario has was ordered.
    ordered: bool,
}

const S: Duration = Duration::from_secs(1);

/// Idling for longer than this is more than waiting for late writes.
const LONG: Duration = Duration::from_secs(600);

/// So many slots make up for the rest of a fleet, when the time to recover is reckoned.
const SLOTS: usize = 4;

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
            calls: Vec::new(),
            retried: BTreeSet::new(),
            hosts: Vec::new(),
            steps: Vec::new(),
            ordered: false,
            scenario: scenario.clone(),
            book: book.clone(),
            stage,
            crashes,
        };
        for (n, machine) in scenario.producers.iter().enumerate() {
            let producer = game.found(machine);
            game.order_crash(Who::Producer(n), &producer.host);
            game.producers.push(producer);
            game.calls.push(JoinSet::new());
        }
        if scenario.foreign {
            foreign::put(&book.store);
        }
        game
    }

    /// A new producer.
    fn found(&mut self, machine: &Machine) -> Arc<Producer> {
        let host = self.boot(machine);
        if machine.newer {
            self.book.trouble(host.id(), What::Newer);
        }
        let (scenario, book) = (self.scenario.clone(), self.book.clone());
        Arc::new(Producer::new(host, machine.newer, scenario, book))
    }

    /// A machine with a new process on it; no two have the same number.
    fn boot(&mut self, machine: &Machine) -> Arc<SimHost> {
        let id = self.hosts.len() as u16 + 1;
        let offset = self.dice.between(S, 1_000_000 * S);
        let host = SimHost::new(id, offset, machine.drift_ppm);
        self.hosts.push(host.clone());
        host
    }

    /// Orders the crash that the scenario has for the first process of a machine.
    fn order_crash(&mut self, who: Who, host: &Arc<SimHost>) {
        let crash = self.scenario.crash.filter(|(w, _)| *w == who);
        let Some((_, step)) = crash.filter(|_| !self.ordered) else {
            return;
        };
        self.ordered = true;
        let (tell, id) = (self.stage.crash.clone(), host.id());
        // Nobody listens any more when the run is over.
        host.crash_at(step, move || {
            let _ = tell.send(id);
        });
    }

    fn note_steps(&mut self) {
        let steps = self.hosts.iter().map(|h| (h.id(), h.steps())).collect();
        self.steps.push(steps);
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
        self.note_steps();
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
            Event::Kill(n) => self.kill(n).await,
            Event::Bereave(n) => self.bereave(n).await,
            Event::Vanish => {
                let can_go = |key: &StoreKey| {
                    let key = Key::parse(key.as_str());
                    matches!(key, Some(Key::Bell(_) | Key::Presence(..)))
                };
                let gone = self.book.store.vanish(can_go);
                if gone > 0 {
                    self.book.trouble(0, What::Vanished(gone));
                }
            }
            Event::Submit(n) => self.user(n, move |p| async move { p.submit(n).await }),
            Event::Again(n) => {
                let next = (self.scenario.submissions[n].producer + 1) % self.producers.len();
                self.book
                    .trouble(self.producers[next].host.id(), What::Again);
                self.call(next, move |p| async move { p.submit(n).await });
            }
            Event::Cancel(n, i) => self.user(n, move |p| async move { p.cancel(n, i).await }),
            Event::Look(n, i) => self.user(n, move |p| async move { p.look(n, i).await }),
            Event::Wait(n, i) => self.user(n, move |p| async move { p.wait(n, i).await }),
            Event::Retry(n, i) => {
                let scripts = self.scenario.submissions[n].tasks.clone();
                self.retried.extend(scripts.skip(i).take(1));
                self.user(n, move |p| async move { p.retry(n, i).await });
            }
            Event::CancelMany(q, priority) => {
                self.operator(move |p| async move { p.cancel_many(q, priority).await });
            }
            Event::List(q, filtered) => {
                self.operator(move |p| async move { p.list(q, filtered).await });
            }
            Event::Purge(q) => self.operator(move |p| async move { p.purge(q).await }),
            Event::Pause(q, length) => {
                self.operator(move |p| async move { p.pause(q, length).await });
            }
            Event::Shards(q, n) => self.operator(move |p| async move { p.shards(q, n).await }),
            Event::Sweep(q) => self.operator(move |p| async move { p.sweep(q).await }),
        }
        self.forget_calls();
    }

    /// Something that the producer of submission `n` does.
    fn user<F>(&mut self, n: usize, act: impl FnOnce(Arc<Producer>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.call(self.scenario.submissions[n].producer, act);
    }

    fn operator<F>(&mut self, act: impl FnOnce(Arc<Producer>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.call(0, act);
    }

    fn call<F>(&mut self, producer: usize, act: impl FnOnce(Arc<Producer>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let call = act(self.producers[producer].clone());
        self.calls[producer].spawn(call);
    }

    /// Forgets calls that have ended.
    fn forget_calls(&mut self) {
        for calls in &mut self.calls {
            while calls.try_join_next().is_some() {}
        }
    }

    /// A producer dies and another takes its place.
    async fn bereave(&mut self, n: usize) {
        let host = self.producers[n].host.clone();
        self.book.trouble(host.id(), What::Bereaved);
        let mut calls = std::mem::take(&mut self.calls[n]);
        calls.shutdown().await;
        yield_often().await;
        host.kill();
        let machine = self.scenario.producers[n].clone();
        self.producers[n] = self.found(&machine);
    }

    /// A worker that is stopping dies over it.
    async fn kill(&mut self, n: usize) {
        let running = |(m, p): &(usize, Process)| *m == n && !p.running.is_finished();
        if let Some(at) = self.stopping.iter().position(running) {
            let (_, process) = self.stopping.remove(at);
            self.book.trouble(process.host.id(), What::Killed);
            kill(process).await;
        }
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
        let original = machine.twin.and_then(|twin| self.workers[twin].as_ref());
        let original = original.map(|process| process.host.id());
        let process = self.launch(&machine, original);
        self.order_crash(Who::Worker(n), &process.host);
        self.workers[n] = Some(process);
    }

    fn launch(&mut self, machine: &Machine, original: Option<u16>) -> Process {
        let host = self.boot(machine);
        let stop = CancellationToken::new();
        let work = workers::work(
            host.clone(),
            self.stage.clone(),
            machine.clone(),
            original,
            stop.clone(),
        );
        let running = tokio::spawn(work);
        self.book.trouble(host.id(), What::Started);
        if machine.newer {
            self.book.trouble(host.id(), What::Newer);
        }
        if original.is_some() {
            self.book.trouble(host.id(), What::Cloned);
        }
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
        } else if let Some(i) = self
            .stopping
            .iter()
            .position(|(_, p)| p.host.id() == client)
        {
            let (_, process) = self.stopping.remove(i);
            self.book.trouble(client, What::Crashed);
            kill(process).await;
        } else if let Some(n) = self.producers.iter().position(|p| p.host.id() == client) {
            self.bereave(n).await;
            self.submit_again(n);
        }
    }

    /// Who was told nothing comes again, if it can do so without harm: under a key.
    fn submit_again(&mut self, producer: usize) {
        let answered: BTreeSet<usize> = {
            let notes = self.book.notes();
            notes.submits.iter().map(|s| s.submission).collect()
        };
        let asked = self.book.notes().asked.clone();
        for n in asked.difference(&answered) {
            let submission = &self.scenario.submissions[*n];
            if submission.producer == producer && submission.key.is_some() {
                let n = *n;
                self.call(producer, move |p| async move { p.submit(n).await });
            }
        }
    }

    fn stop(&mut self, n: usize) {
        if let Some(process) = self.workers[n].take() {
            self.book.trouble(process.host.id(), What::Stopped);
            process.stop.cancel();
            self.stopping.push((n, process));
        }
    }

    /// The faults stop; waits until everything is finished. Returns how long that took and what
    /// the limit was.
    async fn recover(&mut self) -> (Option<Duration>, Duration) {
        self.note_steps();
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
        // One that is there must finish it, with what it remembers of the bad times.
        let able = self.able();
        let alone = able.filter(|_| self.scenario.idle <= LONG && self.dice.chance(0.5));
        let slots = alone.map_or(SLOTS, |n| self.scenario.workers[n].concurrency.min(SLOTS));
        if let Some(one) = alone {
            for n in (0..self.workers.len()).filter(|n| *n != one) {
                self.stop(n);
            }
        } else {
            for n in 0..self.workers.len() {
                self.start(n);
            }
            // The others may be stalled for a while yet.
            let rescuer = Machine {
                newer: false,
                twin: None,
                concurrency: 8,
                drift_ppm: 0,
                poll: if self.scenario.idle > LONG { 30 * S } else { S },
                grace: 5 * S,
            };
            let process = self.launch(&rescuer, None);
            self.workers.push(Some(process));
        }
        let stalled = self.producers.iter().map(|p| p.host.stalled_for()).max();
        let quiet = store.elapsed();
        let mut limit = self.scenario.time_to_recover(&self.left(), slots);
        limit += stalled.unwrap_or_default();
        if alone.is_some() {
            // What was read damaged is looked at again after twice as long each time.
            limit += quiet + 60 * S;
        }
        loop {
            let took = store.elapsed() - quiet;
            self.forget_calls();
            if !self.work_left() && self.calls.iter().all(JoinSet::is_empty) {
                return (Some(took), limit);
            }
            if took > limit {
                return (None, limit);
            }
            self.sleep_until(store.elapsed() + LOOK).await;
        }
    }

    /// A worker that is neither down nor stalled.
    fn able(&self) -> Option<usize> {
        self.workers.iter().position(|process| {
            process.as_ref().is_some_and(|process| {
                !process.running.is_finished() && process.host.stalled_for().is_zero()
            })
        })
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
        // Who asked for it may still be at it.
        if self.calls.iter().any(|calls| !calls.is_empty()) {
            left.extend(&self.retried);
        }
        left
    }

    fn work_left(&self) -> bool {
        let live = |key: &StoreKey| {
            let live = matches!(Key::parse(key.as_str()), Some(Key::Live(..)));
            live && !foreign::is_one(key)
        };
        self.book.store.objects().keys().any(live)
    }

    /// Stops all workers but the last, waits until nothing is on the wire and what landed late is
    /// cleared away, looks everything up once more and stops the last worker.
    async fn drain(&mut self) {
        let able = |p: &Option<Process>| {
            p.as_ref()
                .is_some_and(|p| !p.running.is_finished() && p.host.stalled_for().is_zero())
        };
        let last = self.workers.iter().rposition(able);
        let last = last.and_then(|n| self.workers[n].take());
        for n in 0..self.workers.len() {
            self.stop(n);
        }
        for (_, process) in std::mem::take(&mut self.stopping) {
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
                self.user(n, move |p| async move { p.look(n, index).await });
            }
        }
        for calls in &mut self.calls {
            while calls.join_next().await.is_some() {}
        }
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
