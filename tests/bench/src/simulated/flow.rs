//! Lone tasks at a steady rate, each at a random moment, from several producers.

use std::sync::Arc;
use std::time::Duration;

use oq_core::env::Entropy;
use oq_core::measure::Quantiles;
use oq_core::queue::{Queue, Task};
use oq_core::store::Latency;
use oq_core::testing::sim_entropy::SimEntropy;
use oq_core::{Error, Result};
use tokio::task::JoinSet;

use super::burst::{Ran, Tries};
use super::crew::{Crew, Hands, TASK};
use super::front::Front;
use super::world::{World, pause};

#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Tasks a second, of all producers together.
    pub rate: f64,
    /// How long it is measured, after [`WARM`].
    pub seconds: u64,
    pub workers: usize,
    pub producers: usize,
    pub shards: u16,
    /// All tasks go to the first ones of these.
    pub used: Option<u16>,
    pub front: Front,
    pub hands: Hands,
    pub latency: Latency,
    /// One task in so many has a client that waits for its result; what that asks is not counted.
    pub watched: Option<u64>,
}

impl Default for Flow {
    fn default() -> Flow {
        Flow {
            rate: 1000.0,
            seconds: 60,
            workers: 10,
            producers: 4,
            shards: 16,
            used: None,
            front: Front::Nothing,
            hands: Hands::default(),
            latency: Latency::S3,
            watched: None,
        }
    }
}

/// What came of it, of the tasks made while it was measured.
#[derive(Clone, Copy, Debug)]
pub struct Flowed {
    pub ran: Ran,
    pub to_start: Quantiles,
    /// Until the outcome was recorded.
    pub to_record: Quantiles,
    /// Until a client that waited had the result.
    pub to_result: Quantiles,
}

/// Before anything is counted.
const WARM: Duration = Duration::from_secs(30);

/// The longest that a result may take.
const PATIENCE: Duration = Duration::from_secs(600);

impl Flow {
    pub async fn run(&self) -> Result<Flowed> {
        let world = Arc::new(World::new(self.latency));
        self.front.prepare(&world).await?;
        let settings = world.onlooker().await?;
        let used = self.used.unwrap_or(self.shards);
        world.set_shards(&settings, self.shards, used).await?;
        let mut crew = Crew::default();
        crew.hire(&world, self.workers, self.hands).await?;
        let measured = Duration::from_secs(self.seconds);
        let end = world.now() + WARM + measured;
        let mut producing = JoinSet::new();
        for n in 0..self.producers {
            let (flow, world) = (*self, world.clone());
            producing.spawn(async move { flow.produce(&world, n as u64, end).await });
        }
        let from = end - measured;
        pause(from.saturating_sub(world.now())).await;
        let (before, tries) = (world.requests(), Tries::now());
        let recorded = world.log.recorded.get();
        pause(end.saturating_sub(world.now())).await;
        let ran = Ran {
            tasks: world.log.recorded.get() - recorded,
            all: world.requests() - before,
            seconds: measured.as_secs_f64(),
            tries: Tries::now() - tries,
        };
        let mut submitted = 0;
        while let Some(produced) = producing.join_next().await {
            submitted += produced.expect("a producer panicked")?;
        }
        world.log.recorded.reaches(submitted).await;
        crew.dismiss().await?;
        assert_eq!(world.live().await?, self.front.objects(), "left behind");
        let within = from..end;
        Ok(Flowed {
            ran,
            to_start: world.log.to_start(&within),
            to_record: world.log.to_record(&within),
            to_result: world.log.to_result(&within),
        })
    }

    /// One producer's part; how many tasks it submitted.
    async fn produce(&self, world: &Arc<World>, n: u64, end: Duration) -> Result<u64> {
        let queue = world.client().await?;
        let onlooker = world.onlooker().await?;
        let entropy = SimEntropy::new(11, n);
        let mean = self.producers as f64 / self.rate;
        let mut submitting = JoinSet::new();
        let mut at = world.now().as_secs_f64();
        let mut submitted = 0;
        loop {
            // So far apart that they come at random moments, as of many clients.
            let unit = (entropy.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            at -= mean * (1.0 - unit).ln();
            let moment = Duration::from_secs_f64(at);
            if moment >= end {
                break;
            }
            pause(moment.saturating_sub(world.now())).await;
            let watcher = self.watched.filter(|each| submitted % each == 0);
            let watcher = watcher.map(|_| onlooker.clone());
            submitting.spawn(submit(world.clone(), queue.clone(), watcher));
            submitted += 1;
            while let Some(ended) = submitting.try_join_next() {
                ended.expect("a submission panicked")?;
            }
        }
        while let Some(ended) = submitting.join_next().await {
            ended.expect("a submission panicked")?;
        }
        // As a process does that ends: what it rang for last would wait for a sweep.
        queue.flush().await;
        Ok(submitted)
    }
}

async fn submit(world: Arc<World>, queue: Queue, watcher: Option<Queue>) -> Result<()> {
    let made = world.now();
    let task = Task::new(TASK, &(made.as_micros() as u64))?;
    let id = queue.submit(task).await?.id;
    if let Some(watcher) = watcher {
        watcher.wait(id, PATIENCE).await?;
        world.log.seen(made, world.now());
    }
    Ok::<_, Error>(())
}
