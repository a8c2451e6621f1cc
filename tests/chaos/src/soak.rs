//! The soak: scenarios drawn from a seed, one batch after the other for as long as it is told, and
//! beside them one worker that stays from the beginning to the end, while others of its prefix are
//! killed every ten seconds: its memory must not grow.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use oq_core::env::{Env, Mono};
use oq_core::testing::sim_entropy::Dice;

use crate::play::{Ended, play};
use crate::report;
use crate::scenario::{Combination, Load, Network, Scenario, Trouble};
use crate::server::{Kind, Servers};
use crate::worker::Program;

const S: Duration = Duration::from_secs(1);

/// The trouble of each scenario.
pub const ROUND: Duration = Duration::from_secs(30);

/// A worker's memory settles in the first minutes: over less than this, growth says nothing.
const SETTLED: Duration = Duration::from_secs(30 * 60);

/// By how much of a hundred the memory of the worker that stays may grow.
const GROWTH: f64 = 5.0;

/// What it came to.
#[derive(Debug)]
pub struct Soaked {
    pub took: Duration,
    /// Number 0 is the one that lasts throughout; it is missing where a fault ended the soak.
    pub ended: Vec<Ended>,
}

impl Soaked {
    /// By how much of a hundred the memory of the worker that stayed grew.
    pub fn growth(&self) -> Option<f64> {
        let stayed = self.ended.iter().find(|e| e.scenario.number == 0)?;
        let (early, late) = stayed.memory?;
        Some(100.0 * (late as f64 - early as f64) / early as f64)
    }

    pub fn combinations(&self) -> usize {
        let all: BTreeSet<Combination> = self.ended.iter().map(|e| e.scenario.what).collect();
        all.len()
    }

    /// Whether memory grew by more than it may, if it lasted long enough to tell.
    pub fn grew(&self) -> Option<bool> {
        let growth = self.growth().filter(|_| self.took >= SETTLED)?;
        Some(growth >= GROWTH)
    }
}

/// What it needs.
pub struct Soak<'a> {
    pub length: Duration,
    pub seed: u64,
    pub servers: &'a Servers,
    pub python: Option<PathBuf>,
    pub folder: &'a Path,
}

impl Soak<'_> {
    /// Plays until the time is over, or until something is wrong.
    pub async fn run(&self) -> Result<Soaked, String> {
        let env = Env::system();
        let began = env.now();
        let stays = Scenario {
            number: 0,
            what: Combination {
                server: Kind::Dev,
                program: Program::Shell,
                trouble: Trouble::Mixed,
                network: Network::Mixed,
                load: Load::Mixed,
            },
            seed: self.seed,
            length: self.length,
            every: 10 * S,
        };
        let rounds = self.rounds(&env, began);
        let stays = self.play(&stays);
        futures::pin_mut!(rounds, stays);
        let ended = match futures::future::select(rounds, stays).await {
            futures::future::Either::Left((ended, stays)) => {
                let mut ended = ended?;
                if ended.iter().all(|e| e.wrong().is_empty()) {
                    ended.push(stays.await?);
                }
                ended
            }
            futures::future::Either::Right((stayed, rounds)) => {
                let stayed = stayed?;
                let mut ended = rounds.await?;
                ended.push(stayed);
                ended
            }
        };
        let took = env.now().since(began);
        Ok(Soaked { took, ended })
    }

    async fn rounds(&self, env: &Env, began: Mono) -> Result<Vec<Ended>, String> {
        let mut ended: Vec<Ended> = Vec::new();
        for round in 0.. {
            let batch = self.draw(round);
            let plays = batch.iter().map(|scenario| self.play(scenario));
            let mut plays: FuturesUnordered<_> = plays.collect();
            while let Some(play) = plays.next().await {
                let play = play?;
                let took = env.now().since(began);
                println!("{}", progress(took, &play));
                ended.push(play);
            }
            let wrong = ended.iter().any(|e| !e.wrong().is_empty());
            if wrong || env.now().since(began) >= self.length {
                break;
            }
        }
        Ok(ended)
    }

    /// One for each server, side by side.
    fn draw(&self, round: usize) -> Vec<Scenario> {
        fn any<T: ValueEnum + Copy>(dice: &mut Dice) -> T {
            T::value_variants()[dice.below(T::value_variants().len() as u64) as usize]
        }
        let servers = Kind::value_variants().iter().enumerate();
        let drawn = servers.map(|(n, server)| {
            let number = 1 + round * Kind::value_variants().len() + n;
            let seed = self.seed + number as u64;
            let dice = &mut Dice::new(seed, 16);
            let mut program = any(dice);
            if program == Program::Python && self.python.is_none() {
                program = Program::Rust;
            }
            Scenario {
                number,
                what: Combination {
                    server: *server,
                    program,
                    trouble: any(dice),
                    network: any(dice),
                    load: any(dice),
                },
                seed,
                length: ROUND,
                every: 3 * S,
            }
        });
        drawn.collect()
    }

    async fn play(&self, scenario: &Scenario) -> Result<Ended, String> {
        let folder = self.folder.join(format!("scenario-{}", scenario.number));
        let server = self.servers.get(scenario.what.server)?;
        play(scenario, server, self.python.clone(), &folder).await
    }
}

fn progress(took: Duration, ended: &Ended) -> String {
    let (minutes, seconds) = (took.as_secs() / 60, took.as_secs() % 60);
    let wrong = ended.wrong();
    let verdict = match wrong.is_empty() {
        true => "good".to_owned(),
        false => wrong.join(", "),
    };
    format!(
        "{minutes:3}:{seconds:02}  {:3} {:45} {:4} tasks {:4} starts {:4} faults, over after {:5}  {verdict}",
        ended.scenario.number,
        ended.scenario.what.to_string(),
        ended.accepted,
        ended.starts,
        ended.faults.iter().sum::<u64>(),
        report::over(ended),
    )
}
