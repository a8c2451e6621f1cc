//! What a task takes of a processor, in instructions and in allocations: counted by valgrind, in one
//! thread, on virtual time, so that it is the same each time.

use crate::gate::{Load, Name, valgrind};
use crate::table::{Table, at_most, plain, text};

/// The tables of `oq-bench print resources`.
pub fn tables() -> Vec<Table> {
    let mut table = Table::grid(
        "Instructions and memory a task",
        "Producer, worker and store in one thread, so the store in memory is included; counted by valgrind as the difference between two runs, one with twice the tasks. Observed means with a recorder of metrics, and with a log at the level INFO that is formatted and thrown away.",
        &[
            "load",
            "instructions",
            "allocations",
            "bytes allocated",
            "instructions, observed",
            "observed",
        ],
    );
    for name in [Name::Lone, Name::Packed] {
        let load = |tasks, observed| Load {
            name,
            tasks,
            observed,
        };
        let tasks = name.tasks();
        let bare = valgrind::each(tasks, |n| load(n, false).instructions());
        let observed = valgrind::each(tasks, |n| load(n, true).instructions());
        let many = valgrind::each(tasks, |n| Some(load(n, false).allocations()?.0));
        let bytes = valgrind::each(tasks, |n| Some(load(n, false).allocations()?.1));
        let row = match (bare, observed, many, bytes) {
            (Some(bare), Some(observed), Some(many), Some(bytes)) => vec![
                plain(bare, ""),
                plain(many, ""),
                plain(bytes, ""),
                plain(observed, ""),
                at_most(observed / bare, "×", 1.05),
            ],
            _ => vec![text("no valgrind"); 5],
        };
        table.row(name.as_str(), row);
    }
    vec![table]
}
