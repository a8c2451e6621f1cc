//! Compares what a task takes with what it took: requests, counted on virtual time, and instructions,
//! counted by callgrind. The figures are kept in `tests/bench/gate.json`, which `--write` makes.

mod kept;
mod load;
pub mod valgrind;

use std::collections::BTreeSet;

use oq_core::Result;

#[cfg_attr(not(feature = "real"), allow(unused_imports))]
pub use load::{Load, Name, Observed};

use self::kept::{Figures, Kept};
use crate::machine;
use crate::table::{Table, at_most, plain, text};

/// What may be added unnoticed.
const SLACK: f64 = 1.03;

#[derive(clap::Args)]
pub struct Args {
    /// Keeps what is counted now as what there should be
    #[arg(long)]
    write: bool,
}

/// Returns what has grown.
pub fn run(args: &Args) -> Result<Vec<String>> {
    let now = Kept::count()?;
    if args.write {
        if now.instructions.is_empty() {
            return Ok(vec![format!("nothing is written: {NO_VALGRIND}")]);
        }
        now.write();
        println!("written: {}", kept::path().display());
        return Ok(Vec::new());
    }
    let then = Kept::read();
    let mut tables = vec![compared("Requests a task", &then.requests, &now.requests)];
    let why_not = why_not(&then, &now);
    if why_not.is_none() {
        tables.push(compared(
            "Instructions a task",
            &then.instructions,
            &now.instructions,
        ));
    }
    tables.iter().for_each(|table| print!("{table}"));
    let mut grown: Vec<String> = tables.iter().flat_map(|t| t.missed()).collect();
    if !grown.is_empty() {
        grown.push(
            "a task takes more than it did, or what is measured is not what is kept; if there is a \
             reason, keep the new figures with `oq-bench gate --write` and say why in the commit"
                .into(),
        );
    }
    if let Some(why) = why_not {
        let why = format!("NOT COMPARED: instructions. {why}");
        println!("{why}");
        // Elsewhere a developer may have another compiler; there, nothing would ever be compared again.
        grown.extend(in_ci(std::env::var("CI").ok().as_deref()).then_some(why));
    }
    Ok(grown)
}

/// As `tests/run` tells it.
fn in_ci(said: Option<&str>) -> bool {
    said == Some("true")
}

const NO_VALGRIND: &str = "instructions are counted by valgrind, which is not there: install it";

/// Why instructions cannot be compared.
fn why_not(then: &Kept, now: &Kept) -> Option<String> {
    if now.instructions.is_empty() {
        return Some(NO_VALGRIND.into());
    }
    (then.compiler != now.compiler).then(|| {
        format!(
            "They are kept for {}, and here is {}: another compiler makes other code. Use that one, \
             or keep the figures of this one with `oq-bench gate --write` and say in the commit that \
             the compiler is another",
            then.compiler, now.compiler
        )
    })
}

fn compared(title: &str, then: &Figures, now: &Figures) -> Table {
    let note = "At most 3 % more than what is kept in tests/bench/gate.json.";
    let mut table = Table::grid(title, note, &["load", "kept", "now", "ratio"]);
    let all: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    for what in all {
        let shown = |n: Option<&f64>| n.map_or_else(|| text("nothing"), |n| plain(*n, ""));
        let (then, now) = (then.get(what), now.get(what));
        // What is new has to be kept first, and what is gone to be kept no more.
        let ratio = then
            .zip(now)
            .map_or(f64::INFINITY, |(then, now)| now / then);
        let row = vec![shown(then), shown(now), at_most(ratio, "×", SLACK)];
        table.row(what.as_str(), row);
    }
    table
}

/// The compiler and what it compiles for, as far as the program can know.
fn compiler() -> String {
    let rust = machine::first_line("rustc", &["--version"]).unwrap_or_else(|| "no rustc".into());
    format!("{rust}, {}", std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(then: &[(&str, f64)], now: &[(&str, f64)]) -> Vec<String> {
        let figures = |of: &[(&str, f64)]| of.iter().map(|(k, n)| ((*k).into(), *n)).collect();
        compared("", &figures(then), &figures(now))
            .missed()
            .collect()
    }

    #[test]
    fn what_grew_is_missed_and_so_is_what_only_one_side_has() {
        let kept = [("a", 100.0), ("b", 1.0)];
        assert!(missed(&kept, &[("a", 103.0), ("b", 0.5)]).is_empty());
        for now in [
            &[("a", 104.0), ("b", 1.0)][..],
            &[("a", 100.0)],
            &[("a", 100.0), ("b", 1.0), ("c", 1.0)],
        ] {
            assert_eq!(missed(&kept, now).len(), 1, "{now:?}");
        }
    }
}
