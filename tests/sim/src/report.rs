//! What a run of many seeds came to, in the words and tables of `docs/assurance.md`.

use std::fmt::Write;

use oq_core::testing::mutant::Mutant;
use oq_core::testing::sim_store::Fault;

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
    /// The first violation of that seed.
    pub what: String,
}

impl Caught {
    /// The invariant that was broken.
    pub fn invariant(&self) -> &str {
        self.what.split(' ').next().unwrap_or_default()
    }
}

/// Runs each mutant until it is caught or the plan is at its end.
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

/// The figures of one run.
pub fn figures(summary: &Summary, seconds: f64) -> String {
    let hours = summary.virtual_time.as_secs_f64() / 3600.0;
    let rows = [
        ("seeds", summary.seeds.to_string()),
        ("seeds that failed", summary.failed.len().to_string()),
        (
            "seeds played twice, the same way",
            summary.played_twice.to_string(),
        ),
        ("handler starts", summary.starts.to_string()),
        ("writes applied", summary.writes.to_string()),
        ("requests", summary.requests.to_string()),
        (
            "objects whose history was judged",
            summary.histories.to_string(),
        ),
        ("hours of virtual time", format!("{hours:.0}")),
        ("faults", summary.fired.total().to_string()),
        ("faults a seed, median", summary.median_faults().to_string()),
        (
            "pairs of kinds that never met in a seed",
            summary.never_met().len().to_string(),
        ),
        ("seconds, on this machine", format!("{seconds:.0}")),
    ];
    let mut text = String::from("| figure | measured |\n|---|---:|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    text
}

fn marks(name: &str) -> (String, String) {
    (
        format!("<!-- printed: {name} -->\n"),
        format!("<!-- end: {name} -->"),
    )
}

/// A printed section of a document.
pub fn section<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (begin, end) = marks(name);
    let from = document.find(&begin)? + begin.len();
    let to = from + document[from..].find(&end)?;
    Some(&document[from..to])
}

/// The document with another text in a printed section.
pub fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let old = section(document, name)?;
    let (begin, end) = marks(name);
    let from = format!("{begin}{old}{end}");
    Some(document.replace(&from, &format!("{begin}{text}{end}")))
}

/// The first column of the table in a printed section, without its head.
pub fn first_column<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    let lines = section(document, name).unwrap_or_default().lines().skip(2);
    lines
        .filter_map(|line| Some(line.split('|').nth(1)?.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "a\n<!-- printed: x -->\n| h |\n|---|\n| one | 1 |\n<!-- end: x -->\nb";

    #[test]
    fn a_section_is_read_and_replaced_and_nothing_else() {
        assert_eq!(first_column(DOCUMENT, "x"), ["one"]);
        let new = replaced(DOCUMENT, "x", "new\n").unwrap();
        assert_eq!(section(&new, "x"), Some("new\n"));
        assert!(new.starts_with("a\n") && new.ends_with("\nb"));
        assert_eq!(replaced(DOCUMENT, "y", ""), None);
    }
}
