//! The game itself: who takes part, and what happens when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use oq_core::record::{Done, Key, decode};
use oq_core::store::{Object, StoreKey};
use oq_core::testing::sim_clock::SimHost;
use oq_core::testing::sim_entropy::Dice;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::foreign;
use crate::observe::{Notebook, What};
use crate::producer::Producer;
use crate::scenario::{Event, Machine, Scenario, Who};
use crate::stage::Stage;

/// One worker process.
pub(super) struct Process {
    pub(super) host: Arc<SimHost>,
    /// No `watch`: tokio wakes its receivers in an order that it draws itself.
    pub(super) stop: CancellationToken,
    pub(super) running: JoinHandle<()>,
}

pub(super) struct Game {
    pub(super) scenario: Arc<Scenario>,
    pub(super) book: Notebook,
    pub(super) stage: Arc<Stage>,
    pub(super) crashes: mpsc::UnboundedReceiver<u16>,
    pub(super) dice: Dice,
    pub(super) agenda: BTreeMap<(Duration, usize), Event>,
    pub(super) workers: Vec<Option<Process>>,
    /// Processes that were asked to stop, and their machines.
    pub(super) stopping: Vec<(usize, Process)>,
    pub(super) producers: Vec<Arc<Producer>>,
    /// What each producer is about.
    pub(super) calls: Vec<JoinSet<()>>,
    /// The scripts of tasks that somebody asked to try again.
    pub(super) retried: BTreeSet<usize>,
    pub(super) hosts: Vec<Arc<SimHost>>,
    /// What each process runs on.
    pub(super) machines: BTreeMap<u16, Machine>,
    /// How often each process had gone on, at each event.
    pub(super) steps: Vec<BTreeMap<u16, u64>>,
    /// The crash that the scenario has was ordered.
    pub(super) ordered: bool,
}

pub(super) const S: Duration = Duration::from_secs(1);

impl Game {
    pub(super) fn new(
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
            machines: BTreeMap::new(),
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
    pub(super) fn found(&mut self, machine: &Machine) -> Arc<Producer> {
        let host = self.boot(machine);
        if machine.newer {
            self.book.trouble(host.id(), What::Newer);
        }
        let (scenario, book) = (self.scenario.clone(), self.book.clone());
        Arc::new(Producer::new(host, machine.newer, scenario, book))
    }

    /// A machine with a new process on it; no two have the same number.
    pub(super) fn boot(&mut self, machine: &Machine) -> Arc<SimHost> {
        let id = self.hosts.len() as u16 + 1;
        let offset = self.dice.between(S, 1_000_000 * S);
        let host = SimHost::new(id, offset, machine.drift_ppm);
        self.hosts.push(host.clone());
        self.machines.insert(id, machine.clone());
        host
    }

    /// Orders the crash that the scenario has for the first process of a machine.
    pub(super) fn order_crash(&mut self, who: Who, host: &Arc<SimHost>) {
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

    pub(super) fn note_steps(&mut self) {
        let steps = self.hosts.iter().map(|h| (h.id(), h.steps())).collect();
        self.steps.push(steps);
    }

    /// Plays the events until the faults stop.
    pub(super) async fn trouble(&mut self) {
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
    pub(super) fn sleep_until(&self, at: Duration) -> tokio::time::Sleep {
        let left = at.saturating_sub(self.book.store.elapsed());
        tokio::time::sleep(left)
    }

    pub(super) async fn happen(&mut self, event: Event) {
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
            Event::Starve(n, length) => {
                if let Some(host) = self.host(Who::Worker(n)) {
                    host.starve(length);
                    self.book.trouble(host.id(), What::Starved(length));
                }
            }
            Event::Undelete => {
                let mut most = 3;
                let back = self
                    .book
                    .store
                    .undelete(|key, there| comes_back(key, there, &mut most));
                if back > 0 {
                    self.book.trouble(0, What::Undeleted(back));
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
            Event::Shrink(q) => self.operator(move |p| async move {
                p.shards(q, 1).await;
                p.book.trouble(p.host.id(), What::Shrunk);
            }),
            Event::Sweep(q, thorough) => {
                self.operator(move |p| async move { p.sweep(q, thorough).await });
            }
        }
        self.forget_calls();
    }

    /// Something that the producer of submission `n` does.
    pub(super) fn user<F>(&mut self, n: usize, act: impl FnOnce(Arc<Producer>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.call(self.scenario.submissions[n].producer, act);
    }

    pub(super) fn operator<F>(&mut self, act: impl FnOnce(Arc<Producer>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.call(0, act);
    }

    pub(super) fn call<F>(&mut self, producer: usize, act: impl FnOnce(Arc<Producer>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let call = act(self.producers[producer].clone());
        self.calls[producer].spawn(call);
    }

    /// Forgets calls that have ended.
    pub(super) fn forget_calls(&mut self) {
        for calls in &mut self.calls {
            while calls.try_join_next().is_some() {}
        }
    }
}

/// Whether this is a live object whose outcome is recorded; so many are brought back.
fn comes_back(key: &StoreKey, there: &BTreeMap<StoreKey, Object>, most: &mut usize) -> bool {
    let Some(Key::Live(queue, id)) = Key::parse(key.as_str()) else {
        return false;
    };
    let done = Key::Done(queue, id).store_key();
    let done = there
        .get(&done)
        .and_then(|o| decode::<Done>(&done, &o.body).ok());
    let over = *most > 0 && done.is_some_and(|done| !done.is_seal());
    *most -= usize::from(over);
    over
}
