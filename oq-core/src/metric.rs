//! The metrics that oq tells through the `metrics` facade: every name is here and nowhere else, with
//! its labels and what it says. Who counts is elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use metrics::{Counter, Unit, counter};

use crate::record::{Done, Ending, QueueName};

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often which values were seen.
    Histogram,
}

impl Kind {
    /// As it stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub says: &'static str,
}

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal [$($label:literal)*] $says:literal)*) => {
        $(pub(crate) const $id: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            says: $says,
        };)*

        /// All of them, in the order of a task's life.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    SUBMITTED = Counter "oq_submitted_total" ["queue"]
        "tasks accepted from this program"
    SUBMIT_EXISTING = Counter "oq_submit_existing_total" ["queue"]
        "submissions whose idempotency key stood for a task already"
    RESUBMITTED = Counter "oq_resubmitted_total" ["queue"]
        "tasks that were over and were submitted anew by `retry`; they are in `oq_submitted_total` too"
    CLAIMED = Counter "oq_claimed_total" ["queue"]
        "objects claimed by this worker; tasks that were submitted together are one object"
    TAKEN_OVER = Counter "oq_taken_over_total" ["queue"]
        "those of them that were taken over from a worker that fell silent"
    LOST_RACES = Counter "oq_lost_races_total" ["queue"]
        "claims that another worker was faster with"
    FOUND_TAKEN = Counter "oq_found_taken_total" ["queue"]
        "objects that another worker ran already when this one read them, or had ended less than 5 s before"
    QUEUE_WAIT = Histogram "oq_queue_wait_seconds" ["queue"]
        "from the time at which an object was due to its first claim"
    RUNNING = Gauge "oq_running" ["queue"]
        "handlers that run now"
    RUN = Histogram "oq_run_seconds" ["queue"]
        "how long handlers ran, each attempt by itself"
    RETRIED = Counter "oq_retried_total" ["queue"]
        "attempts that failed and are made again"
    RESCHEDULED = Counter "oq_rescheduled_total" ["queue"]
        "attempts that answered \"later\""
    FINISHED = Counter "oq_finished_total" ["queue" "outcome"]
        "tasks whose outcome this program recorded, whoever ran them: `completed`, `failed`, `cancelled` or `expired`"
    LEASES_LOST = Counter "oq_leases_lost_total" ["queue"]
        "objects that this worker held and lost to another"
    UNREADABLE = Counter "oq_unreadable_total" ["queue"]
        "claims of objects that cannot be read"
    STORE_FAILING = Gauge "oq_store_failing" []
        "1 while the store fails, else 0"
    REQUESTS = Counter "oq_requests_total" ["verb" "outcome"]
        "requests to the store"
    BYTES = Counter "oq_bytes_total" ["direction"]
        "bytes of bodies read (`in`) and sent (`out`)"
}

/// Tells the recorder that is installed what each metric says. [`Queue`](crate::Queue) does it when
/// a store is opened; call it for a recorder that was installed later.
pub fn describe() {
    for metric in ALL {
        let unit = match metric.name {
            name if name.ends_with("_seconds") => Unit::Seconds,
            name if name.contains("_bytes_") => Unit::Bytes,
            _ => Unit::Count,
        };
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, unit, metric.says),
            Kind::Gauge => metrics::describe_gauge!(metric.name, unit, metric.says),
            Kind::Histogram => metrics::describe_histogram!(metric.name, unit, metric.says),
        }
    }
}

/// The counters of outcomes of one client, by queue: registered once each, so that without a recorder
/// they cost next to nothing.
#[derive(Debug, Default)]
pub(crate) struct Endings(Mutex<BTreeMap<QueueName, [Counter; Ending::ALL.len()]>>);

impl Endings {
    /// Counts the tasks of an outcome that was recorded just now. Whoever records it calls this, so
    /// that each task is counted once, by whatever way it ended.
    pub fn finished(&self, queue: &QueueName, done: &Done) {
        let mut tasks = [0; Ending::ALL.len()];
        for task in &done.tasks {
            tasks[task.outcome.ending as usize] += 1;
        }
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !queues.contains_key(queue) {
            queues.insert(
                queue.clone(),
                Ending::ALL.map(|ending| register(queue, ending)),
            );
        }
        for (counter, n) in queues[queue].iter().zip(tasks).filter(|(_, n)| *n > 0) {
            counter.increment(n);
        }
    }
}

fn register(queue: &QueueName, ending: Ending) -> Counter {
    let q = queue.as_str().to_owned();
    counter!(FINISHED.name, "queue" => q, "outcome" => ending.as_str())
}

#[cfg(test)]
mod tests {
    use metrics::{Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString};

    use super::*;
    use crate::record::{DoneTask, Outcome, Stamp, TaskType, Token, V1, WriteId};
    use crate::time::StoreTime;

    /// Which counters it was asked for.
    #[derive(Default)]
    struct Asked(Mutex<Vec<Key>>);

    impl Recorder for Asked {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            self.0.lock().unwrap().push(key.clone());
            Counter::noop()
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    fn done(endings: &[Ending]) -> Done {
        let task = |ending: &Ending| DoneTask {
            outcome: Outcome {
                ending: *ending,
                at: StoreTime(1),
                attempts: 1,
                output: None,
                failure: None,
            },
            tags: BTreeMap::new(),
            input: None,
            trace: None,
            starts: 1,
        };
        Done {
            v: V1,
            write: Stamp::first(StoreTime(1), &crate::env::SystemEntropy),
            open: None,
            token: Token::parse("T").unwrap(),
            life: WriteId::parse("W").unwrap(),
            task_type: TaskType::new("t").unwrap(),
            options: Default::default(),
            submitted: StoreTime(1),
            keep: Default::default(),
            key: None,
            retry_of: None,
            tasks: endings.iter().map(task).collect(),
            history: Vec::new(),
            extra: BTreeMap::new(),
        }
    }

    /// Asking for a counter takes a copy of the queue's name, and time of the recorder.
    #[test]
    fn a_recorder_is_asked_once_for_the_counters_of_outcomes() {
        let asked = Asked::default();
        let _guard = metrics::set_default_local_recorder(&asked);
        let endings = Endings::default();
        for queue in ["a", "b"].map(|name| QueueName::new(name).unwrap()) {
            for _ in 0..3 {
                endings.finished(&queue, &done(&Ending::ALL));
            }
        }
        let mut asked = asked.0.lock().unwrap().clone();
        let all = asked.len();
        asked.sort();
        asked.dedup();
        assert_eq!((all, asked.len()), (8, 8), "{asked:?}");
    }

    /// The table of `docs/workers.md`.
    fn table() -> String {
        let mut table = String::from("| metric | kind | labels | |\n|---|---|---|---|\n");
        for m in ALL {
            let labels = m.labels.iter().map(|label| format!("`{label}`"));
            let labels = labels.collect::<Vec<_>>().join(", ");
            let (name, kind) = (m.name, m.kind.as_str());
            table.push_str(&format!("| `{name}` | {kind} | {labels} | {} |\n", m.says));
        }
        table
    }

    #[test]
    fn the_page_on_workers_has_the_table_of_all_metrics() {
        let page = include_str!("../../docs/workers.md");
        let table = table();
        assert!(
            page.contains(&table),
            "put this table into docs/workers.md:\n{table}"
        );
        let named = page.split('`').filter(|word| word.starts_with("oq_"));
        for name in named.filter(|word| !word.contains(':')) {
            assert!(
                ALL.iter().any(|m| m.name == name),
                "{name} is no metric of oq"
            );
        }
    }
}
