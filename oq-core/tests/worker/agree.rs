//! The counters say what happened: on runs with faults they agree with the log of the writes that the
//! store applied, and with what handlers and senders saw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oq_core::protocol::Root;
use oq_core::queue::Cancelled;
use oq_core::record::{Done, Ending, Live, LiveState, ObjectId, QueueName, Retry, Step, TaskId};
use oq_core::store::Object;
use oq_core::testing::sim_clock::SimHost;
use oq_core::testing::sim_entropy::Dice;
use oq_core::testing::sim_store::{Applied, Fault, Modes, Plan, SimStore};
use oq_core::worker::WorkerBuilder;
use oq_core::{Context, Error, Queue, Task, TaskError, Worker};

use crate::recorder::Told;
use crate::witness::{Claim, Claims, Witness};
use crate::world::{pause, start};

const S: Duration = Duration::from_secs(1);

/// What handlers saw.
#[derive(Default)]
struct Saw {
    /// The tokens under which they began.
    started: BTreeSet<String>,
    /// How often an attempt failed that is made again, by token.
    failed: BTreeMap<String, usize>,
    /// How often one answered "later", by token.
    later: BTreeMap<String, usize>,
    /// The tasks that have answered "later".
    came_again: BTreeSet<TaskId>,
}

type Handlers = Arc<Mutex<Saw>>;

/// What the log of writes says.
#[derive(Debug, Default)]
struct Written {
    /// The tasks of each object that was submitted.
    submitted: BTreeMap<String, u64>,
    /// The tasks of each outcome.
    finished: BTreeMap<&'static str, u64>,
    done: BTreeSet<String>,
    /// How often a holder wrote that an attempt failed and is made again.
    retried: BTreeMap<String, usize>,
    rescheduled: BTreeMap<String, usize>,
    /// The tokens that lost their object to another.
    robbed: BTreeSet<String>,
    /// The tokens that wrote again after their claim.
    wrote_again: BTreeSet<String>,
    /// The tokens whose claim was a take-over.
    took_over: BTreeSet<String>,
    /// By which tokens' claims each version was replaced, or by no claim. A create that is delivered
    /// twice brings a version back.
    replaced: BTreeMap<(String, String), BTreeSet<Option<String>>>,
}

fn live(object: &Option<Object>) -> Option<Live> {
    let object = object.as_ref()?;
    Some(serde_json::from_slice(&object.body).unwrap())
}

fn holder(live: &Live) -> Option<String> {
    let lease = live.lease.as_ref();
    let lease = lease.filter(|_| live.state == LiveState::Running);
    lease.map(|lease| lease.token.to_string())
}

impl Written {
    fn of(log: &[Applied]) -> Written {
        let mut all = Written::default();
        for write in log {
            let key = write.key.as_str();
            if key.starts_with("q/live/") {
                all.live(key, write);
            } else if key.starts_with("q/done/") {
                all.done(key, write);
            }
        }
        all
    }

    fn live(&mut self, key: &str, write: &Applied) {
        let (old, new) = (live(&write.old), live(&write.new));
        if let Some(version) = write.old.as_ref().map(|old| old.etag.as_str().to_owned()) {
            let by = new.as_ref().and_then(holder);
            let replaced = self.replaced.entry((key.to_owned(), version));
            replaced.or_default().insert(by);
        }
        match (old, new) {
            (None, Some(new)) => {
                let tasks = new.tasks.len() as u64;
                self.submitted.entry(key.to_owned()).or_insert(tasks);
            }
            (Some(old), Some(new)) => self.update(&old, &new),
            (_, None) => {}
        }
    }

    fn update(&mut self, old: &Live, new: &Live) {
        let (before, after) = (holder(old), holder(new));
        if let Some(token) = &after
            && before != after
            && new.history.last().map(|event| event.what) == Some(Step::TakenOver)
        {
            self.took_over.insert(token.clone());
        }
        let Some(token) = before else { return };
        if after.is_some_and(|after| after != token) {
            self.robbed.insert(token);
            return;
        }
        self.wrote_again.insert(token.clone());
        for (old, new) in old.tasks.iter().zip(&new.tasks) {
            let ended = old.running && (!new.running || new.starts > old.starts);
            if !ended || new.outcome.is_some() {
                continue;
            }
            if new.rescheduled > old.rescheduled {
                *self.rescheduled.entry(token.clone()).or_default() += 1;
            } else if new.excused == old.excused {
                *self.retried.entry(token.clone()).or_default() += 1;
            }
        }
    }

    fn done(&mut self, key: &str, write: &Applied) {
        let Some(object) = &write.new else { return };
        let record: Done = serde_json::from_slice(&object.body).unwrap();
        if record.is_seal() || !self.done.insert(key.to_owned()) {
            return;
        }
        self.wrote_again.insert(record.token.to_string());
        for task in &record.tasks {
            let ending = task.outcome.ending.as_str();
            *self.finished.entry(ending).or_default() += 1;
        }
    }

    /// Whether this claim landed; nothing where its version is still there.
    fn landed(&self, token: &str, claim: &Claim) -> Option<bool> {
        let version = (claim.key.to_string(), claim.seen.as_str().to_owned());
        let by = self.replaced.get(&version)?;
        Some(by.contains(&Some(token.to_owned())))
    }
}

fn worker(queue: &Queue, handlers: &Handlers) -> WorkerBuilder {
    let run = |what: &'static str| {
        let handlers = handlers.clone();
        move |ctx: Context, seconds: f64| {
            let handlers = handlers.clone();
            async move {
                let token = ctx.token().to_string();
                handlers.lock().unwrap().started.insert(token.clone());
                pause(seconds).await;
                let mut saw = handlers.lock().unwrap();
                match what {
                    "flaky" if ctx.attempt() == 1 => {
                        *saw.failed.entry(token).or_default() += 1;
                        Err(TaskError::new("not yet"))
                    }
                    "later" if saw.came_again.insert(ctx.id()) => {
                        *saw.later.entry(token).or_default() += 1;
                        Err(TaskError::later(20 * S))
                    }
                    "bad" => Err(TaskError::fatal("never")),
                    _ => Ok(()),
                }
            }
        }
    };
    Worker::builder()
        .queue(queue)
        .concurrency(4)
        .fleet(false)
        .handler("ok", run("ok"))
        .handler("flaky", run("flaky"))
        .handler("later", run("later"))
        .handler("bad", run("bad"))
}

fn plan() -> Plan {
    let mut plan = Plan::calm();
    for (fault, rate) in [
        (Fault::Refused, 0.03),
        (Fault::AppliedThen500, 0.03),
        (Fault::AppliedThenReset, 0.03),
        (Fault::AppliedThenSilence, 0.02),
        (Fault::LostRequest, 0.02),
        (Fault::Zombie, 0.02),
        (Fault::Duplicate, 0.03),
        (Fault::SlowAnswer, 0.03),
        (Fault::ReadError, 0.03),
    ] {
        plan.set(fault, rate);
    }
    plan
}

/// A producer, three workers that look at everything and stall now and then, and a network that fails.
struct Run {
    store: SimStore,
    claims: Claims,
    handlers: Handlers,
    hosts: Vec<Arc<SimHost>>,
    queues: Vec<Queue>,
}

impl Run {
    async fn new(seed: u64) -> Run {
        let mut run = Run {
            store: SimStore::new(seed, Modes::default(), Plan::calm()),
            claims: Claims::default(),
            handlers: Handlers::default(),
            hosts: Vec::new(),
            queues: Vec::new(),
        };
        for n in 1..=4 {
            let host = SimHost::new(n, u32::from(n) * S, 0);
            let store = Witness::new(run.store.client(&host), run.claims.clone());
            let root = Root::new(store, host.env(seed));
            let queue = Queue::open(root, QueueName::new("q").unwrap()).await;
            run.queues.push(queue.unwrap());
            run.hosts.push(host);
        }
        run
    }

    /// Submits tasks of every fate, and waits until all is over; the objects of which the producer was
    /// not told whether they were accepted.
    async fn play(&self, seed: u64) -> BTreeSet<ObjectId> {
        self.store.set_plan(plan());
        let workers = self.queues[1..].iter();
        let workers: Vec<_> = workers
            .map(|queue| start(worker(queue, &self.handlers)))
            .collect();
        let mut dice = Dice::new(seed, 40);
        let mut doubtful = BTreeSet::new();
        let mut cancelled = 0;
        let producer = &self.queues[0];
        for n in 0..60 {
            let kind = dice.pick(&["ok", "ok", "flaky", "later", "bad"]).unwrap();
            let task = Task::new(kind, &dice.between(S / 10, 20 * S).as_secs_f64()).unwrap();
            let task = task.lease(15 * S).retry(Retry::fixed(20, 20 * S));
            let submitted = match n % 4 {
                0 => {
                    let pack = producer.submit_many(vec![task; 5]).pack(5).ids().await;
                    pack.map(|ids| ids[0])
                }
                1 => producer
                    .submit(task.delay(30 * S))
                    .await
                    .map(|there| there.id),
                _ => producer.submit(task).await.map(|there| there.id),
            };
            match submitted {
                Ok(id) if n % 8 == 1 => {
                    let answer = producer.cancel(id).await;
                    cancelled += u32::from(matches!(answer, Ok(Cancelled::Cancelled)));
                }
                Err(Error::InDoubt { ids }) => doubtful.extend(ids.iter().map(|id| id.object())),
                _ => {}
            }
            if n % 10 == 9 {
                self.hosts[1 + n / 10 % 3].stall(30 * S);
            }
            pause(dice.between(S / 10, 5 * S).as_secs_f64()).await;
        }
        assert!(cancelled > 0, "tasks are cancelled");
        pause(60.0).await;
        self.store.heal();
        for _ in 0..100 {
            pause(30.0).await;
            if self.store.late() == 0 && self.open() == 0 {
                break;
            }
        }
        assert_eq!(self.open(), 0, "everything is over");
        for worker in workers {
            worker.stop().await;
        }
        doubtful
    }

    fn open(&self) -> usize {
        let keys = self.store.objects().into_keys();
        keys.filter(|key| key.as_str().starts_with("q/live/"))
            .count()
    }
}

/// What the runs had in them.
#[derive(Debug, Default)]
struct Seen {
    taken_over: usize,
    lost_races: usize,
    /// Of how many claims a log does not tell what their senders knew.
    unsure: usize,
}

/// A counter says no less than is certain, and no more than is certain or possible.
#[track_caller]
fn between(told: &Told, counter: &str, certain: usize, possible: usize) {
    let counted = told.sum(counter, &[]) as usize;
    let bounds = certain..=certain + possible;
    assert!(
        bounds.contains(&counted),
        "{counter}: {counted}, not {bounds:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn counters_say_what_was_written() {
    let mut seen = Seen::default();
    for seed in 0..8 {
        let told = Told::default();
        let _guard = metrics::set_default_local_recorder(&told);
        let run = Run::new(seed).await;
        let doubtful = run.play(seed).await;
        let wrote = Written::of(&run.store.take_log());
        let (claims, saw) = (run.claims.lock().unwrap(), run.handlers.lock().unwrap());
        let sum = |name: &str| told.sum(name, &[]) as u64;

        // A producer that was told nothing counts nothing.
        let unknown = |key: &str| doubtful.iter().any(|id| key.ends_with(&id.to_string()));
        let submitted = wrote.submitted.iter().filter(|(key, _)| !unknown(key));
        let submitted: u64 = submitted.map(|(_, tasks)| tasks).sum();
        assert_eq!(sum("oq_submitted_total"), submitted, "seed {seed}");

        for ending in Ending::ALL {
            let of = [("outcome", ending.as_str())];
            let counted = told.sum("oq_finished_total", &of) as u64;
            let written = wrote.finished.get(ending.as_str()).copied();
            assert_eq!(counted, written.unwrap_or(0), "seed {seed}: {ending:?}");
        }

        // Who holds an object starts handlers or writes again, unless the answer to its claim came when
        // the lease was over, or never.
        let landed = claims
            .iter()
            .filter(|(token, claim)| wrote.landed(token, claim) == Some(true));
        let (held, silent): (Vec<_>, Vec<_>) = landed.partition(|(token, _)| {
            saw.started.contains(*token) || wrote.wrote_again.contains(*token)
        });
        between(&told, "oq_claimed_total", held.len(), silent.len());
        let over = |of: &[(&String, &Claim)]| {
            let tokens = of
                .iter()
                .filter(|(token, _)| wrote.took_over.contains(*token));
            tokens.count()
        };
        between(&told, "oq_taken_over_total", over(&held), over(&silent));

        // Where an answer was lost, the sender may not know who was faster.
        let lost = claims
            .iter()
            .filter(|(token, claim)| wrote.landed(token, claim) == Some(false));
        let (unsure, sure): (Vec<_>, Vec<_>) = lost.partition(|(_, claim)| claim.is_unsure());
        between(&told, "oq_lost_races_total", sure.len(), unsure.len());

        // What handlers answered is written, unless their worker lost the object meanwhile.
        for (counter, written, answered) in [
            ("oq_retried_total", &wrote.retried, &saw.failed),
            ("oq_rescheduled_total", &wrote.rescheduled, &saw.later),
        ] {
            let mut unwritten = 0;
            for (token, times) in answered {
                let missing = times - written.get(token).unwrap_or(&0);
                assert!(
                    missing == 0 || wrote.robbed.contains(token),
                    "{seed}: {token}"
                );
                unwritten += missing;
            }
            between(&told, counter, written.values().sum(), unwritten);
        }
        seen.taken_over += over(&held);
        seen.lost_races += sure.len();
        seen.unsure += silent.len() + unsure.len();
    }
    // There was enough to be wrong about, and most of it is certain.
    assert!(seen.taken_over > 20 && seen.lost_races > 20, "{seen:?}");
    assert!(seen.unsure < seen.taken_over, "{seen:?}");
}
