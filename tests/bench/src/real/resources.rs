//! What a task takes of a processor, in instructions and in allocations: counted by valgrind, in one
//! thread, on virtual time, so that it is the same each time.

use crate::gate::{Load, Name, Observed, valgrind};
use crate::table::{Table, at_most, plain, text};

/// The most that it may cost to be observed.
const OBSERVED: f64 = 1.05;

/// The tables of `oq-bench print resources`.
pub fn tables() -> Vec<Table> {
    let mut table = Table::grid(
        "Instructions and memory a task",
        "Producer, worker and store in one thread, so the store in memory is included; counted by valgrind as the difference between two runs, one with twice the tasks. Observed means with a recorder of metrics and a subscriber to traces at the level INFO, where each attempt is a span: one that keeps spans while they last, which is oq's own part, and one that formats them for a log besides, written nowhere.",
        &[
            "load",
            "instructions",
            "allocations",
            "bytes allocated",
            "instructions, observed",
            "observed",
            "and formatted",
        ],
    );
    for name in [Name::Lone, Name::Packed] {
        let load = |tasks, observed| Load {
            name,
            tasks,
            observed,
        };
        let tasks = name.tasks();
        let counted = |how| valgrind::each(tasks, |n| load(n, how).instructions());
        let bare = counted(None);
        let observed = counted(Some(Observed::Kept));
        let formatted = counted(Some(Observed::Formatted));
        let many = valgrind::each(tasks, |n| Some(load(n, None).allocations()?.0));
        let bytes = valgrind::each(tasks, |n| Some(load(n, None).allocations()?.1));
        let row = match (bare, observed, formatted, many, bytes) {
            (Some(bare), Some(observed), Some(formatted), Some(many), Some(bytes)) => vec![
                plain(bare, ""),
                plain(many, ""),
                plain(bytes, ""),
                plain(observed, ""),
                at_most(observed / bare, "×", OBSERVED),
                at_most(formatted / bare, "×", OBSERVED),
            ],
            _ => vec![text("no valgrind"); 6],
        };
        table.row(name.as_str(), row);
    }
    vec![table]
}
