//! How long a task waits whose worker was killed: from SIGKILL to its next start, with the lease that
//! tasks have unless they say otherwise, on a network that does not fail.

use std::path::Path;
use std::time::Duration;

use oq_core::env::Env;
use oq_core::queue::{Queue, Task};
use oq_core::testing::sim_entropy::Dice;
use rustix::process::{Pid, Signal, kill_process};

use crate::effects::{Effect, by_task, read, wall};
use crate::server::{Kind, Server};
use crate::worker::{Place, Program};

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

/// Kills one of two workers in each of so many prefixes, at moments spread over a lease.
pub async fn measure(pairs: usize, seed: u64, folder: &Path) -> Result<Recovery, String> {
    let said = |e: std::io::Error| e.to_string();
    let env = Env::system();
    let mut dice = Dice::new(seed, 14);
    let server = Server::start(Kind::Dev).await?;
    let lease = oq_core::record::Options::default().lease;
    let mut all = Vec::new();
    for n in 0..pairs {
        let folder = folder.join(format!("pair-{n}"));
        std::fs::create_dir(&folder).map_err(said)?;
        let prefix = format!("pair-{n}");
        let place = Place {
            folder,
            url: server.direct(&prefix),
            concurrency: 8,
            // Suspects of the crash run a few at a time: the next ones wait for these.
            again: Some("0.1"),
        };
        place.prepare().map_err(said)?;
        let queue = Queue::connect(&place.url)
            .await
            .map_err(|e| e.to_string())?;
        let workers = [
            place.start(&Program::Rust, 0),
            place.start(&Program::Rust, 1),
        ];
        let [first, second] = workers.map(|w| w.map_err(said));
        for _ in 0..8 {
            let task = Task::new("act", &600).map_err(|e| e.to_string())?;
            queue.submit(task).await.map_err(|e| e.to_string())?;
        }
        all.push((place, vec![first?, second?]));
    }
    let started = |place: &Place| read(&place.effects()).len() >= 8;
    for _ in 0..600 {
        if all.iter().all(|(place, _)| started(place)) {
            break;
        }
        env.sleep(S / 10).await;
    }
    // Renewals come every third of a lease: the moment of a death must not go with them.
    let mut moments: Vec<(Duration, usize)> = (0..pairs)
        .map(|n| (dice.between(S, S + lease), n))
        .collect();
    moments.sort_unstable();
    let (began, mut killed) = (env.now(), vec![0.0; pairs]);
    for (moment, n) in moments {
        env.sleep((began + moment).since(env.now())).await;
        let victim = all[n].1.remove(0);
        killed[n] = wall();
        victim.kill().await;
    }
    // Whoever waits longer than this is counted as waiting for so long.
    env.sleep(lease + 45 * S).await;
    let mut waits = Vec::new();
    for (n, (place, _)) in all.iter().enumerate() {
        let effects = read(&place.effects());
        waits.extend(
            by_task(&effects)
                .values()
                .filter_map(|of| wait(of, killed[n])),
        );
        effects.iter().for_each(end);
    }
    waits.sort_unstable();
    for (_, workers) in all {
        for worker in workers {
            worker.kill().await;
        }
    }
    server.end().await;
    Ok(Recovery { lease, waits })
}

/// How long a task waited that ran on the worker that was killed.
fn wait(effects: &[&Effect], killed: f64) -> Option<Duration> {
    effects.iter().find(|e| e.worker == 0 && e.at < killed)?;
    let again = effects.iter().find(|e| e.at > killed);
    let until = again.map_or_else(wall, |e| e.at);
    Some(Duration::from_secs_f64((until - killed).max(0.0)))
}

/// Ends a handler: nobody ended the programs of a worker that was killed.
fn end(effect: &Effect) {
    if let Some(id) = Pid::from_raw(effect.process as i32) {
        let _gone = kill_process(id, Signal::TERM);
    }
}
