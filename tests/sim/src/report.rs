//! What a run of many seeds came to, in the words and tables of `docs/assurance.md`.

use std::fmt::Write;
use std::time::Duration;

use oq_core::testing::mutant::Mutant;
use oq_core::testing::sim_store::Fault;

use crate::linear::checked::Checked;
use crate::points::Tried;
use crate::recovery::percentile;
use crate::scenario::{Kind, Who};
use crate::sweep::{Plan, Summary, sweep};

/// How the simulation is run.
pub const BINARY: &str = "cargo run --profile sim -p oq-sim --";

/// The command that prints the tables into the document.
pub const COMMAND: &str = "cargo run --profile sim -p oq-sim -- --write docs/assurance.md";

/// One broken rule, and what noticed it.
#[derive(Debug)]
pub struct Row {
    pub mutant: Mutant,
    pub caught: Option<Caught>,
}

/// The first seed that noticed.
#[derive(Debug)]
pub struct Caught {
    pub seed: u64,
    /// The first of its violations that the rule has to do with.
    pub what: String,
}

impl Caught {
    /// The invariant that was broken.
    pub fn invariant(&self) -> &str {
        self.what.split(' ').next().unwrap_or_default()
    }
}

/// Runs each mutant until it is caught, by what it has to do with (see [`crate::caught`]), or the plan
/// is at its end.
pub fn mutants(plan: impl Fn(Mutant) -> Plan) -> Vec<Row> {
    let row = |mutant: &Mutant| {
        let summary = sweep(plan(*mutant), |_| {});
        let first = summary.failed.first_key_value();
        let caught = first.map(|(seed, what)| Caught {
            seed: *seed,
            what: what.first().cloned().unwrap_or_default(),
        });
        Row {
            mutant: *mutant,
            caught,
        }
    };
    Mutant::ALL.iter().map(row).collect()
}

/// Mutant, the first seed that caught it, and the invariant that it broke there.
pub fn mutant_table(rows: &[Row]) -> String {
    let mut text = String::from("| broken rule | first seed | caught by |\n|---|---:|---|\n");
    for row in rows {
        let (seed, by) = match &row.caught {
            Some(caught) => (caught.seed.to_string(), caught.invariant()),
            None => ("-".into(), "nothing"),
        };
        let _ = writeln!(text, "| {} | {seed} | {by} |", row.mutant.name());
    }
    text
}

/// How often each kind of fault happened.
pub fn fault_table(summary: &Summary) -> String {
    let mut text = String::from("| fault | times | seeds |\n|---|---:|---:|\n");
    for fault in Fault::ALL {
        let (times, seeds) = (summary.fired.of(*fault), summary.hit_by(*fault));
        let _ = writeln!(text, "| {} | {times} | {seeds} |", fault.name());
    }
    text
}

/// The figures of one run, and of the history checker's own test; `pairs` of kinds of faults had a
/// seed of their own.
pub fn figures(summary: &Summary, seconds: f64, pairs: usize, checked: &Checked) -> String {
    let hours = summary.virtual_time.as_secs_f64() / 3600.0;
    let rows = [
        ("seeds", summary.seeds.to_string()),
        ("seeds that failed", summary.failed.len().to_string()),
        (
            "seeds played twice, the same way",
            summary.played_twice.to_string(),
        ),
        ("handler starts", summary.starts.to_string()),
        (
            "handlers of one task at one time (it may be)",
            summary.overlaps.to_string(),
        ),
        ("writes applied", summary.writes.to_string()),
        ("requests", summary.requests.to_string()),
        (
            "of its budget of requests the dearest seed needed, %",
            format!("{:.0}", summary.dearest * 100.0),
        ),
        (
            "objects whose history was judged",
            summary.histories.to_string(),
        ),
        (
            "good histories that the checker accepted",
            checked.accepted.to_string(),
        ),
        (
            "bent histories that it refused",
            checked.refused.to_string(),
        ),
        (
            "bent histories that it could not decide",
            checked.undecided.to_string(),
        ),
        ("hours of virtual time", format!("{hours:.0}")),
        ("faults", summary.fired.total().to_string()),
        ("faults a seed, median", summary.median_faults().to_string()),
        (
            "pairs of kinds that never met in a seed",
            summary.never_met().len().to_string(),
        ),
        (
            "pairs of kinds that have a seed of their own",
            pairs.to_string(),
        ),
        ("seconds, on this machine", format!("{seconds:.0}")),
    ];
    let mut text = String::from("| figure | measured |\n|---|---:|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    text
}

/// At how many points a process died in each operation.
pub fn point_table(tried: &[Tried]) -> String {
    let mut text =
        String::from("| operation | who dies | points | failed |\n|---|---|---:|---:|\n");
    for one in tried {
        let who = match (one.operation.who, one.operation.scenario.kind) {
            (Who::Producer(_), _) => "producer",
            (Who::Worker(_), Kind::Real) => "worker",
            (Who::Worker(_), Kind::Small) => "small worker",
        };
        let (name, points, failed) = (one.operation.name, one.points, one.failed.len());
        let _ = writeln!(text, "| {name} | {who} | {points} | {failed} |");
    }
    let all: u64 = tried.iter().map(|one| one.points).sum();
    let failed: usize = tried.iter().map(|one| one.failed.len()).sum();
    let _ = writeln!(text, "| all | | {all} | {failed} |");
    text
}

/// How long tasks wait whose worker was killed.
pub fn recovery_table(waits: &[Duration]) -> String {
    let seconds = |part| format!("{:.1}", percentile(waits, part).as_secs_f64());
    let rows = [
        ("tasks whose worker was killed", waits.len().to_string()),
        ("until they start again, p50, seconds", seconds(50)),
        ("p99, seconds", seconds(99)),
        ("longest, seconds", seconds(100)),
    ];
    let mut text = String::from("| figure | measured |\n|---|---:|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    text
}
