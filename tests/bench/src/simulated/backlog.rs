//! A claim in front of ever more waiting tasks.

use std::time::Duration;

use oq_core::Result;
use oq_core::measure::Quantiles;
use oq_core::queue::Task;
use oq_core::record::Priority;
use oq_core::store::Latency;
use oq_core::testing::sim_entropy::SimEntropy;

use super::burst::{Ran, Tries};
use super::crew::{Crew, Hands, TASK};
use super::front::{due_at_once, pending, put};
use super::world::World;

/// How many tasks share an object.
pub const PACK: u64 = 100;

/// So many tasks are worked off, from the start of the workers.
const WORKED: u64 = 500_000;

/// An urgent task comes this often while the others are worked off.
const URGENT: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    pub tasks: u64,
    pub workers: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Worked {
    pub ran: Ran,
    /// From the submission of an urgent task to its handler.
    pub urgent: Quantiles,
}

impl Backlog {
    /// Works off the first of them, or all if there are fewer.
    pub async fn run(&self) -> Result<Worked> {
        let world = World::new(Latency::S3);
        let entropy = SimEntropy::new(7, 7);
        let live = pending(PACK as usize, &entropy)?;
        for n in 0..self.tasks / PACK {
            put(&world, due_at_once(n, PACK as usize, &entropy)?, &live).await?;
        }
        let producer = world.client().await?;
        let mut crew = Crew::default();
        let (before, tries, begin) = (world.requests(), Tries::now(), world.now());
        crew.hire(&world, self.workers, Hands::default()).await?;
        let target = WORKED.min(self.tasks);
        let urgent = async {
            loop {
                let made = world.now().as_micros() as u64;
                let task = Task::new(TASK, &made)?.priority(Priority::HIGH);
                producer.submit(task).await?;
                world.pause(URGENT).await;
            }
        };
        tokio::select! {
            biased;
            () = world.log.ran.reaches(target) => {}
            failed = urgent => return failed,
        }
        let ran = Ran {
            tasks: world.log.ran.get(),
            all: world.requests() - before,
            seconds: (world.now() - begin).as_secs_f64(),
            tries: Tries::now() - tries,
        };
        // Those of the backlog were made when the world began.
        let after = begin + Duration::from_micros(1)..Duration::MAX;
        let urgent = world.log.to_start(&after);
        // What is left runs on in nobody's figures.
        drop(crew);
        Ok(Worked { ran, urgent })
    }
}
