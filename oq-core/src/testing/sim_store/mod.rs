//! A simulated object store on virtual time, with everything that can go wrong on the way to it.
//!
//! [`SimStore`] is the world; [`SimStore::client`] is one client's sight of it. Each request is a
//! task of its own (sent, applied, answered), so that a caller that died or gave up does not take
//! back what is already on the wire. Use it inside a `current_thread` runtime with paused time: the
//! same seed then gives the same run.

mod client;
mod fate;
mod fault;
mod log;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

pub use client::SimClient;
pub use fault::{EtagKind, Expected, Fault, Fired, Modes, Plan};
pub use log::{Applied, Requests, Spell, Trace};

use super::sim_clock::SimHost;
use crate::store::{Etag, Object, StoreKey};
use crate::time::StoreTime;
use world::World;

/// The store's clock at the beginning of a run: 2026.
pub const EPOCH: StoreTime = StoreTime(1_767_225_600_000);

/// The simulated store. Cheap to clone.
#[derive(Clone)]
pub struct SimStore {
    world: Arc<Mutex<World>>,
}

impl SimStore {
    /// An empty store; what goes wrong follows from the seed and the plan.
    pub fn new(seed: u64, modes: Modes, plan: Plan) -> SimStore {
        SimStore {
            world: Arc::new(Mutex::new(World::new(seed, modes, plan, EPOCH))),
        }
    }

    /// The store as the client on this machine sees it.
    pub fn client(&self, host: &Arc<SimHost>) -> Arc<SimClient> {
        Arc::new(SimClient::new(self.clone(), host.clone()))
    }

    /// From now on nothing new goes wrong. What is late on the wire still lands.
    pub fn heal(&self) {
        let mut world = self.world();
        world.plan = Plan::calm();
        world.storm_until = None;
        world.denied_until.clear();
        world.hidden_until.clear();
        let now = world.elapsed();
        for spell in &mut world.spells {
            spell.until = spell.until.min(now);
        }
    }

    /// Changes how often things go wrong.
    pub fn set_plan(&self, plan: Plan) {
        self.world().plan = plan;
    }

    /// Time since the beginning of the run.
    pub fn elapsed(&self) -> Duration {
        self.world().elapsed()
    }

    /// The store's clock, in full precision.
    pub fn now(&self) -> StoreTime {
        self.world().now()
    }

    /// Requests that have not been applied or answered yet, zombies included.
    pub fn in_flight(&self) -> usize {
        self.world().in_flight
    }

    /// Zombies and second deliveries that have not been applied yet.
    pub fn late(&self) -> usize {
        self.world().late
    }

    /// How many writes were applied so far.
    pub fn writes(&self) -> usize {
        self.world().log.len()
    }

    /// Takes the log of applied writes.
    pub fn take_log(&self) -> Vec<Applied> {
        std::mem::take(&mut self.world().log)
    }

    /// Everything that is stored now.
    pub fn objects(&self) -> BTreeMap<StoreKey, Object> {
        self.world().objects.clone()
    }

    /// Puts an object there by hand, as nobody's client.
    pub fn put_by_hand(&self, key: StoreKey, body: Bytes) {
        let mut world = self.world();
        let last_modified = world.now();
        let etag = Etag::new(format!("\"by-hand-{}\"", last_modified.0));
        let object = Object {
            body,
            etag,
            last_modified,
        };
        world.objects.insert(key, object);
    }

    /// What stands under these keys is gone, as if somebody had deleted it by hand: client 0 in the
    /// log. Returns how many there were.
    pub fn vanish(&self, gone: impl Fn(&StoreKey) -> bool) -> usize {
        let mut world = self.world();
        let at = world.elapsed();
        let keys: Vec<_> = world.objects.keys().filter(|k| gone(k)).cloned().collect();
        for key in &keys {
            world.remove(0, at, key);
        }
        keys.len()
    }

    /// Somebody removes the markers of these deleted keys, as in a bucket that keeps versions: what
    /// was deleted last is there again. Client 0 in the log. Returns how many there were.
    pub fn undelete(
        &self,
        mut comes_back: impl FnMut(&StoreKey, &BTreeMap<StoreKey, Object>) -> bool,
    ) -> usize {
        let mut world = self.world();
        let mut last: BTreeMap<StoreKey, Object> = BTreeMap::new();
        for change in &world.log {
            if let (Some(old), None) = (&change.old, &change.new) {
                last.insert(change.key.clone(), old.clone());
            }
        }
        last.retain(|key, _| !world.objects.contains_key(key) && comes_back(key, &world.objects));
        for (key, object) in &last {
            world.bring_back(key, object.clone());
        }
        last.len()
    }

    /// Puts a backup in the place of everything that is stored. The log and the clock go on.
    pub fn restore(&self, backup: BTreeMap<StoreKey, Object>) {
        self.world().objects = backup;
    }

    /// Storms, and whiles in which a client was refused or not told what is missing.
    pub fn spells(&self) -> Vec<Spell> {
        self.world().spells.clone()
    }

    /// How often each kind of fault was to be expected so far.
    pub fn expected(&self) -> Expected {
        self.world().expected.clone()
    }

    /// How often each kind of fault happened.
    pub fn fired(&self) -> Fired {
        self.world().fired.clone()
    }

    /// The requests of each client.
    pub fn requests(&self) -> BTreeMap<u16, Requests> {
        self.world().requests.clone()
    }

    /// The hash of everything that happened so far.
    pub fn trace(&self) -> u64 {
        self.world().trace.value()
    }

    /// Mixes something that happened outside of the store into the hash.
    pub fn mix(&self, what: &[u8]) {
        let mut world = self.world();
        let at = world.elapsed().as_nanos() as u64;
        world.trace.number(at);
        world.trace.bytes(what);
    }

    /// From now on keeps a line for every request.
    pub fn tell_story(&self) {
        self.world().story = Some(Vec::new());
    }

    /// Adds a line to the story, if one is told.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        self.world().tell(line);
    }

    /// The story so far.
    pub fn take_story(&self) -> Vec<String> {
        let mut world = self.world();
        world.story.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SimStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimStore")
    }
}

#[cfg(test)]
mod tests;
