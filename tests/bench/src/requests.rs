//! Requests a task, counted at the store: bursts of lone and packed tasks, and what stands in front
//! of them in the order of keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use oq_core::env::Entropy;
use oq_core::queue::Task;
use oq_core::record::{
    Data, Json, Key, Live, LiveState, ObjectId, Options, Priority, QueueName, Shard, Slot, Stamp,
    Step, TaskType, V1, encode,
};
use oq_core::store::{Latency, Prices, Requests};
use oq_core::testing::SimEntropy;
use oq_core::{Result, StoreTime};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::table::{Bound, Table};
use crate::world::{EPOCH, World, virtually};

const TASKS: usize = 10_000;
const QUEUE: &str = "bench";

/// What stands in front of the tasks.
#[derive(Clone, Copy, PartialEq)]
enum Front {
    Nothing,
    DelayedAndWaiting,
}

struct Burst {
    submit: Requests,
    work: Requests,
    seconds: f64,
}

/// Submits a burst, then lets `workers` finish it.
async fn burst(pack: usize, workers: usize, front: Front) -> Result<Burst> {
    let world = World::new(Latency::S3);
    if front == Front::DelayedAndWaiting {
        prepare_front(&world, 100_000).await?;
    }
    let producer = world.client(QUEUE).await?;
    let before = world.requests();
    let tasks = (0..TASKS).map(|n| Task::new("noop", &n)).collect::<Result<Vec<_>>>()?;
    let report = producer.submit_many(tasks).pack(pack).run().await?;
    assert_eq!(report.accepted, TASKS as u64, "not all tasks were accepted");
    producer.flush().await;
    let submitted = world.requests();
    let begin = world.now();
    let stop = Arc::new(Notify::new());
    let mut running = JoinSet::new();
    for _ in 0..workers {
        world.worker(QUEUE, stop.clone(), &mut running).await?;
    }
    world.done.reaches(TASKS).await;
    let seconds = world.now().since(begin).as_secs_f64();
    // What follows the handlers (outcomes, deletions, leaving the fleet) belongs to the cost.
    world.pause(Duration::from_secs(2)).await;
    stop.notify_waiters();
    while let Some(ended) = running.join_next().await {
        ended.expect("a worker panicked")?;
    }
    let left = world.live(QUEUE).await?;
    let expected = if front == Front::Nothing { 0 } else { 200_000 };
    assert_eq!(left, expected, "live objects left behind");
    Ok(Burst { submit: submitted.clone() - before, work: world.requests() - submitted, seconds })
}

/// 100,000 delayed tasks of an urgent priority, and as many that wait at the head of the order.
async fn prepare_front(world: &World, each: u64) -> Result<()> {
    let queue = QueueName::new(QUEUE)?;
    let entropy = SimEntropy::new(7, 7);
    for n in 0..2 * each {
        let delayed = n < each;
        let shard = Shard::new((n % 16) as u16)?;
        let far = EPOCH.plus(Duration::from_secs(86_400));
        let (due, priority) = if delayed {
            (far, Priority::HIGH)
        } else {
            (EPOCH.minus(Duration::from_secs(3600)), Priority::NORMAL)
        };
        let id = ObjectId::from_parts(due, entropy.next_u64(), priority, 1, shard);
        let mut live = waiting(far, &entropy)?;
        if !delayed {
            live.log(EPOCH, Step::Rescheduled, None);
        }
        world.bare.create(&Key::Live(queue.clone(), id).store_key(), encode(&live)).await?;
    }
    Ok(())
}

fn waiting(until: StoreTime, entropy: &dyn Entropy) -> Result<Live> {
    Ok(Live {
        v: V1,
        write: Stamp::first(EPOCH, entropy),
        task_type: TaskType::new("noop")?,
        state: LiveState::Pending,
        options: Options::default(),
        available_at: Some(until),
        delivery: 0,
        width: None,
        lease: None,
        key: None,
        retry_of: None,
        tasks: vec![Slot::new(Data::Json(Json::null()))],
        history: Vec::new(),
        extra: BTreeMap::new(),
    })
}

/// The tables of `oq-bench requests`.
pub fn tables() -> Result<Vec<Table>> {
    let per = |n: u64| n as f64 / TASKS as f64;
    let mut tables = Vec::new();
    let mut plain = None;
    for front in [Front::Nothing, Front::DelayedAndWaiting] {
        let b = virtually(burst(1, 10, front))?;
        let (title, slack) = match front {
            Front::Nothing => ("A burst of 10,000 lone tasks, ten workers", 1.0),
            Front::DelayedAndWaiting => (
                "The same with 100,000 delayed urgent and 100,000 waiting tasks in front",
                1.2,
            ),
        };
        let note = format!(
            "Simulated S3 latencies, virtual time: {:.1} s from start to the last task. Start, discovery, presence and shutdown of the workers included.",
            b.seconds
        );
        let mut t = Table::new(title, &note);
        t.add("GET a task", per(b.work.get()), "", Bound::AtMost(2.1 * slack));
        t.add("PUT a task", per(b.work.put()), "", Bound::AtMost(2.05 * slack));
        t.add("DELETE a task", per(b.work.delete()), "", Bound::AtMost(1.0 * slack));
        t.add("LIST a task", per(b.work.list()), "", Bound::AtMost(0.03 * slack));
        t.add("PUT a submission (rings included)", per(b.submit.put()), "", Bound::AtMost(1.01));
        let all = b.submit + b.work;
        t.add(
            "list price a million tasks, submission included",
            all.cost(&Prices::S3_STANDARD) * 1e6 / TASKS as f64,
            "$",
            Bound::None,
        );
        let cost = all.cost(&Prices::S3_STANDARD);
        match plain {
            None => plain = Some(cost),
            Some(before) => t.add("cost against nothing in front", cost / before, "×", Bound::AtMost(1.2)),
        }
        tables.push(t);
    }
    for workers in [1, 4] {
        let b = virtually(burst(100, workers, Front::Nothing))?;
        let all = b.submit + b.work;
        let mut t = Table::new(
            &format!("10,000 tasks submitted 100 to an object, {workers} worker(s)"),
            "Submission, discovery, start and shutdown included.",
        );
        t.add("PUT a task", per(all.put()), "", Bound::AtMost(0.035));
        t.add("GET a task", per(all.get()), "", Bound::None);
        t.add("LIST a task", per(all.list()), "", Bound::None);
        let cost = all.cost(&Prices::S3_STANDARD) * 1e6 / TASKS as f64;
        t.add("list price a million tasks", cost, "$", Bound::None);
        tables.push(t);
    }
    Ok(tables)
}
