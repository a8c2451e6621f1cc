//! Every target, bounded by a count so that every machine does the same.
//!
//! `OQ_FUZZ_EXECUTIONS` and `OQ_FUZZ_SEED` ask for more and for other inputs;
//! `OQ_FUZZ_KEEP=1` adds the first input of each new kind to the corpus.

#![allow(missing_docs)]

use oq_fuzz::targets::ALL;
use oq_fuzz::{Target, corpus, corpus_of, fuzz};

/// So many inputs of each target in CI.
const EXECUTIONS: u64 = 100_000;

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|t| t.parse().ok()).unwrap_or(otherwise)
}

fn run(name: &str) {
    let target: &Target = ALL.iter().find(|t| t.name == name).expect("a target");
    assert!(!corpus(target).is_empty(), "{name} has a corpus");
    let executions = number("OQ_FUZZ_EXECUTIONS", EXECUTIONS);
    let found = fuzz(target, number("OQ_FUZZ_SEED", 1), executions);
    println!(
        "{name}: {} executions, {} kinds of answers",
        found.executions, found.kinds
    );
    if let Some((input, said)) = found.broken.first() {
        panic!(
            "{name} broke on {:?}: {said}",
            String::from_utf8_lossy(input)
        );
    }
    assert!(found.kinds > 1, "{name} answers everything alike");
    if std::env::var_os("OQ_FUZZ_KEEP").is_some() {
        let folder = corpus_of(target);
        for input in found.new.iter().filter(|i| i.len() < 2000).take(60) {
            let hash = input.iter().fold(0xcbf2_9ce4_u64, |h, b| {
                (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
            });
            std::fs::write(folder.join(format!("{hash:016x}")), input)
                .expect("the corpus is writable");
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_target_is_run() {
            let run = [$(stringify!($name)),*];
            assert!(ALL.iter().all(|t| run.contains(&t.name)) && ALL.len() == run.len());
        }
    };
}

targets! { live done dead settings others options keys ids names json }
