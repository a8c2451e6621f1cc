//! Plays a scenario: real producers and workers on virtual time, until the faults stop, everything
//! is finished and nothing is on the wire any more.

mod ending;
mod game;
mod machines;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use oq_core::StoreTime;
use oq_core::store::{Object, StoreKey};
use oq_core::testing::mutant::{self, Mutant};
use oq_core::testing::sim_store::{Applied, Expected, Fired, Requests, SimStore, Spell};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;

use self::game::Game;
use crate::linear::Calls;
use crate::observe::{Notebook, Observed};
use crate::panics;
use crate::scenario::{Machine, Scenario};
use crate::stage::Stage;

/// A run that was played.
#[derive(Debug)]
pub struct Played {
    pub scenario: Arc<Scenario>,
    pub log: Vec<Applied>,
    pub observed: Observed,
    /// What every client asked and was told.
    pub calls: Calls,
    pub objects: BTreeMap<StoreKey, Object>,
    /// What came after the end, if anything did.
    pub after: Option<Aftermath>,
    pub fired: Fired,
    /// When requests failed for a while, and whose.
    pub spells: Vec<Spell>,
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
    /// The machine of each process.
    pub machines: BTreeMap<u16, Machine>,
    /// How often each process had gone on, just before each event and when the faults stopped.
    pub steps: Vec<BTreeMap<u16, u64>>,
}

/// More than a day later, when everything was swept.
#[derive(Debug)]
pub struct Aftermath {
    pub log: Vec<Applied>,
    pub objects: BTreeMap<StoreKey, Object>,
    pub swept_at: StoreTime,
}

impl Played {
    /// How long it truly is until the clock of a process has gained so much.
    pub fn truly(&self, client: u16, time: Duration) -> Duration {
        let drift = self.machines.get(&client).map_or(0, |m| m.drift_ppm);
        time.div_f64((1_000_000 + drift) as f64 / 1e6)
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
    let ended = store.elapsed();
    let (log, objects) = (store.take_log(), store.objects());
    let (calls, requests) = (game.book.recorder.take(), store.requests());
    let after = game.aftermath().await;
    let left_alive = Handle::current().metrics().num_alive_tasks();
    let observed = game.book.notes().clone();
    Played {
        scenario,
        observed,
        calls,
        expected: store.expected(),
        objects,
        after,
        fired: store.fired(),
        spells: store.spells(),
        requests,
        trace: store.trace(),
        story: store.take_story(),
        steps: std::mem::take(&mut game.steps),
        machines: std::mem::take(&mut game.machines),
        recovered,
        limit,
        outlived: game.hosts.iter().map(|h| h.outlived()).sum(),
        left_alive,
        panics: Vec::new(),
        ended,
        log,
    }
}
