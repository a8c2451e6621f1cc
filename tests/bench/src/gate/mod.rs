//! Compares what a task takes with what it took: requests, counted on virtual time, and instructions,
//! counted by callgrind. The figures are kept in `tests/bench/gate.json`, which `--write` makes.

mod kept;
mod load;
pub mod valgrind;

use oq_core::Result;

#[cfg_attr(not(feature = "real"), allow(unused_imports))]
pub use load::{Load, Name};

use self::kept::Kept;
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
        now.write();
        println!("written: {}", kept::path().display());
        return Ok(Vec::new());
    }
    let then = Kept::read();
    let mut tables = vec![compared("Requests a task", &then.requests, &now.requests)];
    match why_not(&then, &now) {
        None => tables.push(compared(
            "Instructions a task",
            &then.instructions,
            &now.instructions,
        )),
        Some(why) => println!("not compared: instructions, {why}\n"),
    }
    tables.iter().for_each(|table| print!("{table}"));
    let mut grown: Vec<String> = tables.iter().flat_map(|t| t.missed()).collect();
    if !grown.is_empty() {
        grown.push(
            "a task takes more than it did; if there is a reason, keep the new figures with \
             `oq-bench gate --write` and say why in the commit"
                .into(),
        );
    }
    Ok(grown)
}

/// Why instructions cannot be compared.
fn why_not(then: &Kept, now: &Kept) -> Option<String> {
    if now.instructions.is_empty() {
        return Some("valgrind is not there (package valgrind)".into());
    }
    (then.compiler != now.compiler).then(|| {
        format!(
            "which were counted with {} and now are with {}: another compiler makes other code",
            then.compiler, now.compiler
        )
    })
}

fn compared(title: &str, then: &kept::Figures, now: &kept::Figures) -> Table {
    let note = "At most 3 % more than what is kept in tests/bench/gate.json.";
    let mut table = Table::grid(title, note, &["load", "kept", "now", "ratio"]);
    for (what, now) in now {
        let row = match then.get(what) {
            Some(then) => vec![
                plain(*then, ""),
                plain(*now, ""),
                at_most(now / then, "×", SLACK),
            ],
            // Something new has to be kept first.
            None => vec![
                text("nothing"),
                plain(*now, ""),
                at_most(f64::MAX, "×", SLACK),
            ],
        };
        table.row(what.as_str(), row);
    }
    table
}

/// The compiler and what it compiles for, as far as the program can know.
fn compiler() -> String {
    let rust = machine::first_line("rustc", &["--version"]).unwrap_or_else(|| "no rustc".into());
    format!("{rust}, {}", std::env::consts::ARCH)
}
