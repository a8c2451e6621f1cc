//! How long a task waits whose worker was killed: from SIGKILL to its next start, with the lease that
//! tasks have unless they say otherwise, on a network that does not fail.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oq_core::env::Env;
use oq_core::queue::{Queue, Task};
use oq_core::testing::sim_entropy::Dice;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::effects::{Did, Effect, by_task, read, wall};
use crate::server::{Kind, Server};
use crate::worker::{Place, Program, Worker};

const S: Duration = Duration::from_secs(1);

/// What was measured.
#[derive(Debug)]
pub struct Recovery {
    pub lease: Duration,
    /// From each kill to the next start of a task that ran, the shortest first.
    pub waits: Vec<Duration>,
}

impl Recovery {
    /// So many of a hundred waited no longer.
    pub fn percentile(&self, part: usize) -> Option<Duration> {
        let at = (self.waits.len() * part).div_ceil(100).max(1) - 1;
        self.waits.get(at).copied()
    }
}

/// Two workers of one prefix, each with tasks that last longer than what is measured.
struct Pair {
    place: Place,
    workers: Vec<Worker>,
}

/// How many tasks each pair has: a worker can run all of them.
const TASKS: usize = 8;

/// Kills one of two workers in each of so many prefixes, at moments spread over a lease.
pub async fn measure(pairs: usize, seed: u64, folder: &Path) -> Result<Recovery, String> {
    let server = Server::start(Kind::Dev).await?;
    let mut all = Vec::new();
    let measured = measure_at(&server, pairs, seed, folder, &mut all).await;
    for pair in all {
        for worker in pair.workers {
            worker.kill().await;
        }
        end_handlers(&read(&pair.place.effects()));
    }
    server.end().await;
    measured
}

/// What was started is left in `all`, to be ended whatever becomes of this.
async fn measure_at(
    server: &Server,
    pairs: usize,
    seed: u64,
    folder: &Path,
    all: &mut Vec<Pair>,
) -> Result<Recovery, String> {
    let env = Env::system();
    let mut dice = Dice::new(seed, 14);
    let lease = oq_core::record::Options::default().lease;
    for n in 0..pairs {
        let prefix = format!("pair-{n}");
        all.push(Pair::start(server, &prefix, folder.join(&prefix))?);
        all[n].submit().await?;
    }
    until_all_started(&env, all).await?;
    // Renewals come every third of a lease: the moment of a death must not go with them.
    let mut moments: Vec<(Duration, usize)> = (0..pairs)
        .map(|n| (dice.between(S, S + lease), n))
        .collect();
    moments.sort_unstable();
    let (began, mut killed) = (env.now(), vec![0.0; pairs]);
    for (moment, n) in moments {
        env.sleep((began + moment).since(env.now())).await;
        let victim = all[n].workers.remove(0);
        killed[n] = wall();
        victim.kill().await;
    }
    // Whoever waits longer than this is counted as waiting for so long.
    env.sleep(lease + 45 * S).await;
    let mut waits = Vec::new();
    for (pair, killed) in all.iter().zip(killed) {
        let effects = read(&pair.place.effects());
        let by_task = by_task(&effects);
        waits.extend(by_task.values().filter_map(|of| wait(of, killed)));
    }
    waits.sort_unstable();
    Ok(Recovery { lease, waits })
}

impl Pair {
    fn start(server: &Server, prefix: &str, folder: PathBuf) -> Result<Pair, String> {
        let said = |e: std::io::Error| e.to_string();
        std::fs::create_dir_all(&folder).map_err(said)?;
        let place = Place {
            folder,
            url: server.direct(prefix),
            python: None,
            slots: TASKS,
            // Suspects of the crash run a few at a time: the next ones wait for these.
            again: Some("0.1"),
        };
        place.prepare().map_err(said)?;
        let first = place.start(Program::Shell, 0).map_err(said)?;
        let second = place.start(Program::Shell, 1).map_err(said)?;
        Ok(Pair {
            place,
            workers: vec![first, second],
        })
    }

    async fn submit(&self) -> Result<(), String> {
        let said = |e: oq_core::Error| e.to_string();
        let queue = Queue::connect(&self.place.url).await.map_err(said)?;
        for _ in 0..TASKS {
            let task = Task::new("act", &600).map_err(said)?;
            queue.submit(task).await.map_err(said)?;
        }
        Ok(())
    }

    fn started(&self) -> usize {
        by_task(&read(&self.place.effects())).len()
    }
}

async fn until_all_started(env: &Env, all: &[Pair]) -> Result<(), String> {
    let mut missing = 0;
    for _ in 0..600 {
        missing = all
            .iter()
            .map(|pair| TASKS.saturating_sub(pair.started()))
            .sum();
        if missing == 0 {
            return Ok(());
        }
        env.sleep(S / 10).await;
    }
    Err(format!(
        "{missing} tasks did not start within a minute: what would be measured is not what is told"
    ))
}

/// How long a task waited that ran on the worker that was killed.
fn wait(effects: &[&Effect], killed: f64) -> Option<Duration> {
    effects.iter().find(|e| e.worker == 0 && e.at < killed)?;
    let again = effects.iter().find(|e| e.at > killed);
    let until = again.map_or_else(wall, |e| e.at);
    Some(Duration::from_secs_f64((until - killed).max(0.0)))
}

/// Ends the handlers of workers that were killed, which nobody else does: each leads a process group.
fn end_handlers(effects: &[Effect]) {
    let runs = |e: &Effect| (e.process, e.token.clone());
    let ends = |e: &&Effect| e.did != Did::Start;
    let ended: BTreeSet<_> = effects.iter().filter(ends).map(runs).collect();
    for effect in effects.iter().filter(|e| !ended.contains(&runs(e))) {
        if let Some(group) = Pid::from_raw(effect.process as i32) {
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }
}
