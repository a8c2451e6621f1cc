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

use super::crew::TASK;
use super::world::{EPOCH, QUEUE, World};
use crate::table::number;

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

    pub fn what(self) -> String {
        let of = |n: u64| number(n as f64);
        match self {
            Front::Nothing => "nothing".into(),
            Front::Delayed(n) => format!("{} delayed urgent tasks", of(n)),
            Front::PutOff(n) => format!("{} rate-limited tasks", of(n)),
            Front::Both(n) => format!("{} of each", of(n)),
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
