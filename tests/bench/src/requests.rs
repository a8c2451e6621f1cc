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
use oq_core::testing::sim_entropy::SimEntropy;
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

/// When the workers come.
#[derive(Clone, Copy, PartialEq)]
enum Workers {
    /// They are there and idle when the burst comes.
    Waiting,
    /// They all start at once when the burst is there.
    Starting,
}

impl Workers {
    fn what(self) -> &'static str {
        match self {
            Workers::Waiting => "wait for it",
            Workers::Starting => "start at that moment",
        }
    }
}

#[derive(Clone, Copy)]
struct Burst {
    submit: Requests,
    work: Requests,
    all: Requests,
    seconds: f64,
}

/// Submits a burst, then lets `workers` finish it.
async fn burst(pack: usize, workers: usize, front: Front, come: Workers) -> Result<Burst> {
    let world = World::new(Latency::S3);
    if front == Front::DelayedAndWaiting {
        prepare_front(&world, 100_000).await?;
    }
    let producer = world.client(QUEUE).await?;
    let stop = Arc::new(Notify::new());
    let mut running = JoinSet::new();
    if come == Workers::Waiting {
        for _ in 0..workers {
            world.worker(QUEUE, stop.clone(), &mut running).await?;
        }
        world.pause(Duration::from_secs(30)).await;
    }
    let before = world.requests();
    let mut begin = world.now();
    let tasks = (0..TASKS)
        .map(|n| Task::new("noop", &n))
        .collect::<Result<Vec<_>>>()?;
    let report = producer
        .submit_many(tasks)
        .pack(pack)
        .in_flight(1000)
        .run()
        .await;
    assert_eq!(report.accepted, TASKS as u64, "not all tasks were accepted");
    let submitted = world.requests();
    if come == Workers::Starting {
        begin = world.now();
        for _ in 0..workers {
            world.worker(QUEUE, stop.clone(), &mut running).await?;
        }
    }
    world.done.reaches(TASKS as u64).await;
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
    let end = world.requests();
    if std::env::var_os("OQ_BENCH_TRACE").is_some() {
        eprintln!("{}", end - before);
    }
    Ok(Burst {
        submit: submitted - before,
        work: end - submitted,
        all: end - before,
        seconds,
    })
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
        world
            .bare
            .create(&Key::Live(queue.clone(), id).store_key(), encode(&live))
            .await?;
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
    let mut tables = Vec::new();
    for come in [Workers::Waiting, Workers::Starting] {
        let mut plain = None;
        for front in [Front::Nothing, Front::DelayedAndWaiting] {
            let b = virtually(burst(1, 10, front, come))?;
            tables.push(lone(&b, come, front, plain));
            plain = plain.or(Some(b));
        }
    }
    for come in [Workers::Waiting, Workers::Starting] {
        for workers in [1, 4, 10] {
            let b = virtually(burst(100, workers, Front::Nothing, come))?;
            tables.push(packed(&b, workers, come));
        }
    }
    Ok(tables)
}

fn per_task(n: u64) -> f64 {
    n as f64 / TASKS as f64
}

fn per_million(r: &Requests) -> f64 {
    r.cost(&Prices::S3_STANDARD) * 1e6 / TASKS as f64
}

fn lone(b: &Burst, come: Workers, front: Front, plain: Option<Burst>) -> Table {
    let who = format!("ten workers that {}", come.what());
    let (front, slack) = match front {
        Front::Nothing => ("", 1.0),
        Front::DelayedAndWaiting => (
            ", with 100,000 delayed urgent tasks and 100,000 waiting ones in front",
            1.2,
        ),
    };
    let title = format!("A burst of 10,000 lone tasks, {who}{front}");
    let note = format!(
        "Simulated S3 latencies, virtual time: {:.1} s to the last task. Submission, rings, discovery, presence and shutdown of the workers are all included.",
        b.seconds
    );
    let mut t = Table::new(&title, &note);
    t.add(
        "GET a task",
        per_task(b.all.get()),
        "",
        Bound::AtMost(2.1 * slack),
    );
    t.add(
        "PUT a task, the submission's included",
        per_task(b.all.put()),
        "",
        Bound::AtMost(3.06 * slack),
    );
    t.add(
        "DELETE a task",
        per_task(b.all.delete()),
        "",
        Bound::AtMost(slack),
    );
    t.add(
        "LIST a task",
        per_task(b.all.list()),
        "",
        Bound::AtMost(0.03 * slack),
    );
    t.add(
        "list price a million tasks",
        per_million(&b.all),
        "$",
        Bound::None,
    );
    if let Some(plain) = plain {
        let ratio = per_million(&b.all) / per_million(&plain.all);
        t.add(
            "cost against nothing in front",
            ratio,
            "×",
            Bound::AtMost(1.2),
        );
    } else if come == Workers::Starting {
        t.add(
            "PUT a submission, rings included",
            per_task(b.submit.put()),
            "",
            Bound::AtMost(1.01),
        );
        t.add(
            "PUT from claim to outcome",
            per_task(b.work.put()),
            "",
            Bound::AtMost(2.05),
        );
    }
    t
}

fn packed(b: &Burst, workers: usize, come: Workers) -> Table {
    let mut t = Table::new(
        &format!(
            "10,000 tasks submitted 100 to an object, {workers} worker(s) that {}",
            come.what()
        ),
        "Submission, discovery, start and shutdown included.",
    );
    t.add(
        "PUT a task",
        per_task(b.all.put()),
        "",
        Bound::AtMost(0.035),
    );
    t.add("GET a task", per_task(b.all.get()), "", Bound::None);
    t.add("LIST a task", per_task(b.all.list()), "", Bound::None);
    t.add(
        "list price a million tasks",
        per_million(&b.all),
        "$",
        Bound::None,
    );
    t
}
