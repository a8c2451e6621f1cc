//! Every target, bounded by a count so that every machine does the same; see [`oq_fuzz::check`].

#![allow(missing_docs)]

use oq_fuzz::check;
use oq_fuzz::targets::ALL;

/// So many inputs of each target in CI.
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

targets! { live done dead settings others options keys ids names json durations specs }
