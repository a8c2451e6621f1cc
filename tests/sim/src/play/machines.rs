//! Processes that start, stop and die.

use std::collections::BTreeSet;
use std::sync::Arc;

use oq_core::testing::sim_clock::SimHost;
use tokio_util::sync::CancellationToken;

use super::game::{Game, Process, S};
use crate::observe::What;
use crate::scenario::{Event, Machine, Who};
use crate::workers;

impl Game {
    /// A producer dies and another takes its place.
    pub(super) async fn bereave(&mut self, n: usize) {
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
    pub(super) async fn kill(&mut self, n: usize) {
        let running = |(m, p): &(usize, Process)| *m == n && !p.running.is_finished();
        if let Some(at) = self.stopping.iter().position(running) {
            let (_, process) = self.stopping.remove(at);
            self.book.trouble(process.host.id(), What::Killed);
            kill(process).await;
        }
    }

    pub(super) fn host(&self, who: Who) -> Option<Arc<SimHost>> {
        match who {
            Who::Worker(n) => self.workers[n].as_ref().map(|p| p.host.clone()),
            Who::Producer(n) => Some(self.producers[n].host.clone()),
        }
    }

    pub(super) fn start(&mut self, n: usize) {
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

    pub(super) fn launch(&mut self, machine: &Machine, original: Option<u16>) -> Process {
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

    pub(super) async fn crash(&mut self, n: usize) {
        if let Some(process) = self.workers[n].take() {
            self.book.trouble(process.host.id(), What::Crashed);
            kill(process).await;
        }
    }

    /// A handler asked for the death of its worker.
    pub(super) async fn poisoned(&mut self, client: u16) {
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
    pub(super) fn submit_again(&mut self, producer: usize) {
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

    pub(super) fn stop(&mut self, n: usize) {
        if let Some(process) = self.workers[n].take() {
            self.book.trouble(process.host.id(), What::Stopped);
            process.stop.cancel();
            self.stopping.push((n, process));
        }
    }
}

/// Ends a process as SIGKILL does.
pub(super) async fn kill(process: Process) {
    process.running.abort();
    let _ = process.running.await;
    yield_often().await;
    process.host.kill();
}

pub(super) async fn join(process: Process) {
    let _ = process.running.await;
    yield_often().await;
    process.host.kill();
}

/// Lets what was aborted be dropped: tasks of tasks, one level at a time.
pub(super) async fn yield_often() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}
