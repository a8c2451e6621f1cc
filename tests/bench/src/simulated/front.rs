//! What stands in front of the runnable tasks in the order of keys, and what that costs.

use std::collections::BTreeMap;
use std::time::Duration;

use oq_core::env::Entropy;
use oq_core::record::{
    Data, Json, Key, Live, LiveState, ObjectId, Options, Priority, QueueName, Shard, Slot, Stamp,
    Step, TaskType, V1, encode,
};
use oq_core::testing::sim_entropy::SimEntropy;
use oq_core::{Result, StoreTime};

use super::burst::{Burst, Come};
use super::crew::TASK;
use super::flow::Flow;
use super::world::{EPOCH, QUEUE, World, virtually};
use crate::table::{Table, at_most, plain};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Front {
    Nothing,
    /// So many tasks of an urgent priority that are due tomorrow.
    Delayed(u64),
    /// So many tasks that were put off until tomorrow by their handlers: older than all others.
    PutOff(u64),
    /// So many of each.
    Both(u64),
}

const SHARDS: u64 = 16;

impl Front {
    /// How many objects it has.
    pub fn objects(self) -> usize {
        (match self {
            Front::Nothing => 0,
            Front::Delayed(n) | Front::PutOff(n) => n,
            Front::Both(n) => 2 * n,
        }) as usize
    }

    fn what(self) -> &'static str {
        match self {
            Front::Nothing => "nothing",
            Front::Delayed(_) => "100,000 delayed urgent tasks",
            Front::PutOff(_) => "100,000 rate-limited tasks",
            Front::Both(_) => "both",
        }
    }

    /// Puts it there, uncounted.
    pub async fn prepare(self, world: &World) -> Result<()> {
        let (delayed, put_off) = match self {
            Front::Nothing => (0, 0),
            Front::Delayed(n) => (n, 0),
            Front::PutOff(n) => (0, n),
            Front::Both(n) => (n, n),
        };
        let entropy = SimEntropy::new(7, 7);
        let tomorrow = EPOCH.plus(Duration::from_secs(86_400));
        for n in 0..delayed + put_off {
            let shard = Shard::new((n % SHARDS) as u16)?;
            let mut live = pending(1, &entropy)?;
            live.available_at = Some(tomorrow);
            let (due, priority) = if n < delayed {
                (tomorrow, Priority::HIGH)
            } else {
                live.log(EPOCH, Step::Rescheduled, None);
                (EPOCH.minus(Duration::from_secs(3600)), Priority::NORMAL)
            };
            let id = ObjectId::from_parts(due, entropy.next_u64(), priority, 1, shard);
            put(world, id, &live).await?;
        }
        Ok(())
    }
}

/// A record of a pending object with so many tasks, which were made when the world began.
pub fn pending(tasks: usize, entropy: &dyn Entropy) -> Result<Live> {
    Ok(Live {
        v: V1,
        write: Stamp::first(EPOCH, entropy),
        task_type: TaskType::new(TASK)?,
        state: LiveState::Pending,
        options: Options::default(),
        available_at: None,
        delivery: 0,
        width: None,
        lease: None,
        key: None,
        retry_of: None,
        tasks: vec![Slot::new(Data::Json(Json::of(&0)?)); tasks],
        history: Vec::new(),
        extra: BTreeMap::new(),
    })
}

/// An id that is due when the world begins.
pub fn due_at_once(n: u64, tasks: usize, entropy: &dyn Entropy) -> Result<ObjectId> {
    let shard = Shard::new((n % SHARDS) as u16)?;
    let due: StoreTime = EPOCH;
    let bits = entropy.next_u64();
    Ok(ObjectId::from_parts(
        due,
        bits,
        Priority::NORMAL,
        tasks,
        shard,
    ))
}

pub async fn put(world: &World, id: ObjectId, live: &Live) -> Result<()> {
    let key = Key::Live(QueueName::new(QUEUE)?, id).store_key();
    world.bare.create(&key, encode(live)).await?;
    Ok(())
}

const EACH: u64 = 100_000;

/// The tables of `oq-bench print front`.
pub fn tables() -> Result<Vec<Table>> {
    let fronts = [
        Front::Nothing,
        Front::Delayed(EACH),
        Front::PutOff(EACH),
        Front::Both(EACH),
    ];
    Ok(vec![bursts(&fronts)?, one_by_one(&fronts)?])
}

fn bursts(fronts: &[Front]) -> Result<Table> {
    let mut table = Table::grid(
        "A burst of 10,000 lone tasks behind tasks that wait",
        "Ten workers, S3's latencies. The ratio is to the same burst with nothing in front.",
        &[
            "in front",
            "workers",
            "PUT a task",
            "GET a task",
            "LIST a task",
            "$ a million",
            "cost",
            "time",
        ],
    );
    for come in [Come::Before, Come::After] {
        let mut free = None;
        for &front in fronts {
            let burst = Burst {
                front,
                come,
                ..Burst::default()
            };
            let ran = virtually(burst.run())?;
            let (cost, seconds) = *free.get_or_insert((ran.per_million(), ran.seconds));
            table.row(
                front.what(),
                vec![
                    crate::table::text(match come {
                        Come::Before => "idle",
                        Come::After => "start",
                    }),
                    plain(ran.a_task(ran.all.put()), ""),
                    plain(ran.a_task(ran.all.get()), ""),
                    plain(ran.a_task(ran.all.list()), ""),
                    plain(ran.per_million(), "$"),
                    at_most(ran.per_million() / cost, "×", 1.2),
                    at_most(ran.seconds / seconds, "×", 1.2),
                ],
            );
        }
    }
    Ok(table)
}

fn one_by_one(fronts: &[Front]) -> Result<Table> {
    let mut table = Table::grid(
        "Ten tasks a second behind tasks that wait",
        "Four workers, S3's latencies, for five minutes: how long from a submission to the handler, and what it costs.",
        &[
            "in front",
            "p50",
            "p95",
            "p99",
            "requests a task",
            "time (p50)",
            "requests",
        ],
    );
    let mut free = None;
    for &front in fronts {
        let flow = Flow {
            front,
            rate: 10.0,
            seconds: 300,
            workers: 4,
            producers: 1,
            ..Flow::default()
        };
        let flowed = virtually(flow.run())?;
        let start = flowed.to_start;
        let requests = flowed.ran.a_task(flowed.ran.all.total());
        let (p50, each) = *free.get_or_insert((start.p50, requests));
        table.row(
            front.what(),
            vec![
                plain(start.p50, "s"),
                plain(start.p95, "s"),
                plain(start.p99, "s"),
                plain(requests, ""),
                at_most(start.p50 / p50, "×", 1.2),
                at_most(requests / each, "×", 1.2),
            ],
        );
    }
    Ok(table)
}
