//! Tasks a second on the machine's own time: submitted, worked off, and end to end.

use super::place::{Kind, Place};
use super::run::{POLL, Role, SLOTS, Took};
use crate::table::{Bound, Cell, Table, bounded, plain};

const RUNS: usize = 5;

/// The medians of several runs.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    pub submit: f64,
    pub drain: f64,
    pub both: f64,
    pub client: Took,
    pub worker: Took,
}

/// Measures each role on a store of its own, or rather of their own: what one submits another works
/// off.
pub fn rates(kind: Kind, tasks: u64, pack: usize) -> Rates {
    let runs: Vec<[Took; 3]> = (0..RUNS).map(|_| once(kind, tasks, pack)).collect();
    let median = |role: usize| {
        let mut all: Vec<Took> = runs.iter().map(|run| run[role]).collect();
        all.sort_by(|a, b| a.seconds().total_cmp(&b.seconds()));
        all[RUNS / 2]
    };
    let rate = |role| tasks as f64 / median(role).seconds();
    Rates {
        submit: rate(0),
        drain: rate(1),
        both: rate(2),
        client: median(0),
        worker: median(1),
    }
}

fn once(kind: Kind, tasks: u64, pack: usize) -> [Took; 3] {
    let (first, second) = (kind.open(), kind.open());
    let one = |place: &Place, role| place.run(tasks, pack, &[role])[0];
    if kind == Kind::Memory {
        // It ends with its process.
        let both = first.run(tasks, pack, &[Role::Submit, Role::Drain, Role::Both]);
        return [both[0], both[1], both[2]];
    }
    let (submit, drain) = (one(&first, Role::Submit), one(&first, Role::Drain));
    [submit, drain, second.both(tasks, pack)]
}

/// The tables of `oq-bench print throughput`.
pub fn tables() -> Vec<Table> {
    let mut table = Table::grid(
        "Tasks a second",
        &format!(
            "No-op tasks with inputs of 100 bytes; medians of {RUNS} runs. Submitted with nobody at \
             work; worked off by one worker with {SLOTS} slots that polls every {POLL} ms, from its \
             start to the last recorded outcome; and end to end, from the first submission to the \
             last recorded outcome, with the worker there before. Processor time and peak memory are \
             of the process that submits and of the one that works; `oq dev` is another. With \
             `memory:` all are one, also end to end."
        ),
        &[
            "store",
            "tasks",
            "submitted/s",
            "worked off/s",
            "end to end/s",
            "µs to submit",
            "µs to work",
            "MiB client",
            "MiB worker",
        ],
    );
    for kind in Kind::ALL {
        for (what, pack) in [("100 to an object", 100), ("lone", 1)] {
            let (tasks, least) = match (kind, pack) {
                (Kind::Memory, 1) => (50_000, Some(15_000.0)),
                (Kind::Memory, _) => (500_000, Some(100_000.0)),
                (Kind::Sqlite, 1) => (20_000, Some(4_000.0)),
                (Kind::Sqlite, _) => (200_000, Some(50_000.0)),
                (Kind::Dev, 1) => (10_000, None),
                (Kind::Dev, _) => (300_000, Some(50_000.0)),
            };
            let rates = rates(kind, tasks, pack);
            table.row(
                format!("{}, {what}", kind.what()),
                row(tasks, &rates, least),
            );
        }
    }
    vec![table]
}

fn row(tasks: u64, rates: &Rates, least: Option<f64>) -> Vec<Cell> {
    vec![
        plain(tasks as f64, ""),
        plain(rates.submit, ""),
        plain(rates.drain, ""),
        bounded(rates.both, "", least.map_or(Bound::None, Bound::AtLeast)),
        plain(rates.client.processor, ""),
        plain(rates.worker.processor, ""),
        plain(rates.client.peak_mib, ""),
        plain(rates.worker.peak_mib, ""),
    ]
}
