//! The end of a run: the faults stop, everything is finished, and nothing is on the wire any more.

use std::collections::BTreeSet;
use std::time::Duration;

use oq_core::record::{Key, Live, decode};
use oq_core::store::StoreKey;
use tokio::task::JoinSet;

use super::Aftermath;
use super::game::{Game, Process, S};
use super::machines::{join, yield_often};
use crate::foreign;
use crate::parcel::open;
use crate::scenario::Machine;

/// Idling for longer than this is more than waiting for late writes.
const LONG: Duration = Duration::from_secs(600);

/// So many slots make up for the rest of a fleet, when the time to recover is reckoned.
const SLOTS: usize = 4;

/// How often the state of the world is looked at while waiting for the end.
const LOOK: Duration = Duration::from_millis(500);
/// What nothing refers to is swept when it is a day old.
const NEXT_DAY: Duration = Duration::from_secs(26 * 3600);

impl Game {
    /// The faults stop; waits until everything is finished. Returns how long that took and what
    /// the limit was.
    pub(super) async fn recover(&mut self) -> (Option<Duration>, Duration) {
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
                drain: None,
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

    /// A worker that is neither down nor stalled, and stays.
    pub(super) fn able(&self) -> Option<usize> {
        let stays = |n: usize| {
            self.scenario
                .workers
                .get(n)
                .is_some_and(|m| m.drain.is_none())
        };
        let able = |process: &Process| {
            !process.running.is_finished() && process.host.stalled_for().is_zero()
        };
        let all = self.workers.iter().enumerate();
        let mut able = all.filter(|(n, p)| stays(*n) && p.as_ref().is_some_and(able));
        able.next().map(|(n, _)| n)
    }

    /// The scripts of tasks that are not over, or whose submission is not answered.
    pub(super) fn left(&self) -> BTreeSet<usize> {
        let mut left = BTreeSet::new();
        let objects = self.book.store.objects();
        let find = |key: &StoreKey| objects.get(key).map(|object| object.body.clone());
        for (key, object) in &objects {
            if let Some(Key::Live(queue, id)) = Key::parse(key.as_str())
                && let Ok(live) = decode::<Live>(key, &object.body)
            {
                let inputs = live.tasks.iter().map(|slot| &slot.input);
                let parcels = inputs.filter_map(|input| open(&queue, id, input, find));
                left.extend(parcels.map(|parcel| parcel.number()));
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

    pub(super) fn work_left(&self) -> bool {
        let live = |key: &StoreKey| {
            let live = matches!(Key::parse(key.as_str()), Some(Key::Live(..)));
            live && !foreign::is_one(key)
        };
        self.book.store.objects().keys().any(live)
    }

    /// Stops all workers but the last, waits until nothing is on the wire and what landed late is
    /// cleared away, looks everything up once more and stops the last worker.
    pub(super) async fn drain(&mut self) {
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
    }

    /// What is to be gone after a day is swept; the operators' machine is there to the end.
    pub(super) async fn aftermath(&mut self) -> Option<Aftermath> {
        let store = self.book.store.clone();
        let mut after = None;
        if self.scenario.inline.is_some() {
            self.sleep_until(store.elapsed() + NEXT_DAY).await;
            for queue in 0..self.scenario.queues {
                self.producers[0].clear_up(queue).await;
            }
            after = Some(Aftermath {
                log: store.take_log(),
                objects: store.objects(),
                swept_at: store.now(),
            });
        }
        while store.in_flight() > 0 {
            self.sleep_until(store.elapsed() + S).await;
        }
        self.producers.clear();
        yield_often().await;
        after
    }
}
