//! Every target, see [`oq_fuzz::check`].

#![allow(missing_docs)]

use oq_fuzz::check;
use oq_fuzz::targets::ALL;

/// So many inputs of each target at least.
const EXECUTIONS: u64 = 100_000;

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            let target = ALL.iter().find(|t| t.name == stringify!($name));
            check(target.expect("a target"), EXECUTIONS);
        })*

        #[test]
        fn every_target_is_run() {
            let run = [$(stringify!($name)),*];
            assert!(ALL.iter().all(|t| run.contains(&t.name)) && ALL.len() == run.len());
        }
    };
}

/// What the document says was printed by the command, of what is there now; the last two are in the
/// crates that read requests and events.
#[test]
fn the_document_lists_every_target() {
    let text = std::fs::read_to_string("../../docs/assurance.md").expect("the document is there");
    let mut names: Vec<&str> = ALL.iter().map(|target| target.name).collect();
    names.extend(["requests", "events"]);
    names.sort_unstable();
    let table = oq_printed::section(&text, oq_fuzz::SECTION).expect("it has the table");
    assert_eq!(oq_printed::head(table), oq_printed::head(oq_fuzz::HEAD));
    // They are printed one by one, by three programs, in any order.
    let mut printed = oq_printed::names(table);
    printed.sort_unstable();
    assert_eq!(printed, names, "print it again");
}

targets! { live done dead settings others options keys ids names json durations specs }
