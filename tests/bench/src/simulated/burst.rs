//! Many tasks at once, and workers that finish them.

use std::ops::Sub;
use std::time::Duration;

use oq_core::Result;
use oq_core::queue::Task;
use oq_core::record::Retry;
use oq_core::store::{Latency, Prices, Requests};

use super::crew::{Crew, Hands, TASK, Work};
use super::front::Front;
use super::world::World;
use crate::recorder;

/// When the workers come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Come {
    /// They are there and idle when the burst comes.
    Before,
    /// They all start at once when the burst is there.
    After,
}

#[derive(Clone, Copy, Debug)]
pub struct Burst {
    pub tasks: u64,
    pub pack: usize,
    pub workers: usize,
    pub come: Come,
    pub shards: u16,
    pub front: Front,
    pub hands: Hands,
    pub latency: Latency,
}

impl Default for Burst {
    fn default() -> Burst {
        Burst {
            tasks: 10_000,
            pack: 1,
            workers: 10,
            come: Come::Before,
            shards: 16,
            front: Front::Nothing,
            hands: Hands::default(),
            latency: Latency::S3,
        }
    }
}

/// Tries at objects that came to nothing, and those that were claimed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tries {
    pub claimed: u64,
    /// Somebody else's write came first.
    pub lost: u64,
    /// It was held already when it was read.
    pub taken: u64,
}

impl Tries {
    pub fn now() -> Tries {
        Tries {
            claimed: recorder::count("oq_claimed_total"),
            lost: recorder::count("oq_lost_races_total"),
            taken: recorder::count("oq_found_taken_total"),
        }
    }

    /// Tries in vain for each that was not.
    pub fn in_vain(&self) -> f64 {
        (self.lost + self.taken) as f64 / self.claimed.max(1) as f64
    }
}

impl Sub for Tries {
    type Output = Tries;
    fn sub(self, earlier: Tries) -> Tries {
        Tries {
            claimed: self.claimed - earlier.claimed,
            lost: self.lost - earlier.lost,
            taken: self.taken - earlier.taken,
        }
    }
}

/// What was asked of the store for so many tasks.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    pub tasks: u64,
    pub all: Requests,
    /// From the submission, or from the workers' start if that is later, to the last handler's end.
    pub seconds: f64,
    pub tries: Tries,
}

impl Ran {
    pub fn a_task(&self, requests: u64) -> f64 {
        requests as f64 / self.tasks.max(1) as f64
    }

    /// Dollars at the prices of S3 Standard.
    pub fn per_million(&self) -> f64 {
        self.all.cost(&Prices::S3_STANDARD) * 1e6 / self.tasks.max(1) as f64
    }

    pub fn rate(&self) -> f64 {
        self.tasks as f64 / self.seconds
    }
}

/// How long workers settle before anything is counted.
const SETTLE: Duration = Duration::from_secs(30);

impl Burst {
    /// Submits the burst and lets the workers finish it. Rings, presence, and the workers' end are
    /// counted, and their start as well if they come after.
    pub async fn run(&self) -> Result<Ran> {
        let world = World::new(self.latency);
        self.front.prepare(&world).await?;
        let producer = world.client().await?;
        world
            .set_shards(&producer, self.shards, self.shards)
            .await?;
        let mut crew = Crew::default();
        if self.come == Come::Before {
            crew.hire(&world, self.workers, self.hands).await?;
            world.pause(SETTLE).await;
        }
        let (before, tries) = (world.requests(), Tries::now());
        let mut begin = world.now();
        let made = begin.as_micros() as u64;
        let first = Task::new(TASK, &made)?;
        let task = match self.hands.work {
            Work::FailsFirst => first.retry(Retry::fixed(3, Duration::from_secs(1))),
            _ => first,
        };
        let tasks = (0..self.tasks).map(|_| task.clone());
        let many = producer.submit_many(tasks).pack(self.pack);
        let summary = many.in_flight(1000).run().await;
        assert_eq!(summary.accepted, self.tasks, "not all were accepted");
        if self.come == Come::After {
            begin = world.now();
            crew.hire(&world, self.workers, self.hands).await?;
        }
        world.log.ran.reaches(self.tasks).await;
        let seconds = (world.now() - begin).as_secs_f64();
        // What follows the handlers (outcomes, deletions, leaving the fleet) belongs to the cost.
        world.pause(Duration::from_secs(2)).await;
        crew.dismiss().await?;
        let left = world.live().await?;
        assert_eq!(left, self.front.objects(), "live objects left behind");
        Ok(Ran {
            tasks: self.tasks,
            all: world.requests() - before,
            seconds,
            tries: Tries::now() - tries,
        })
    }
}
