//! Fuzzing on the stable toolchain: inputs from a corpus are bent at random places, and those whose
//! answer is of a new kind are bent further.
//!
//! The compiler's coverage is not at hand here; what guides instead is what a target says about an
//! input: the kind of its answer, with numbers and quotations taken out. Everything follows from a
//! seed, so a find is found again.

#![allow(
    missing_docs,
    reason = "a test harness; what is not plain is said where it stands"
)]

pub mod bend;
pub mod targets;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oq_core::testing::sim_entropy::Dice;

/// Something that reads bytes from outside. It panics when a promise is broken, and otherwise says
/// what came of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    /// The folder of its corpus, seen from this crate's.
    pub corpus: &'static str,
    pub run: fn(&[u8]) -> String,
}

/// What a run of one target came to.
#[derive(Debug, Default)]
pub struct Found {
    pub executions: u64,
    /// How many kinds of answers there were.
    pub kinds: usize,
    pub took: Duration,
    /// Inputs that broke something, with what was said.
    pub broken: Vec<(Vec<u8>, String)>,
    /// The first input of each kind that was not in the corpus.
    pub new: Vec<Vec<u8>>,
}

/// Where the inputs of a target are kept.
pub fn corpus_of(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(target.corpus)
}

/// The inputs that are kept, in the order of their names.
pub fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(corpus_of(target))
        .into_iter()
        .flatten()
        .flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| std::fs::read(path).ok())
        .collect()
}

/// How long a target is run: for so many inputs at least, and for so long.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub executions: u64,
    pub time: Duration,
}

/// So many inputs are bent between two looks at the clock.
const BATCH: u64 = 500;

/// Runs a target on its corpus and on bent inputs. What they are follows from the seed, how many
/// from the bounds.
#[allow(clippy::disallowed_methods)] // how long it takes is a matter of this machine's clock
pub fn fuzz(target: &Target, seed: u64, bounds: Bounds) -> Found {
    let began = Instant::now();
    let mut found = Found::default();
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let mut pool = corpus(target);
    for input in &pool {
        let kind = found.try_one(target, input);
        *kinds.entry(kind).or_default() += 1;
    }
    let mut dice = Dice::new(seed, 99);
    if pool.is_empty() {
        pool.push(Vec::new());
    }
    let mut bent = 0;
    let mut time_left = !bounds.time.is_zero();
    while bent < bounds.executions || time_left {
        bent += 1;
        if bent.is_multiple_of(BATCH) {
            time_left = began.elapsed() < bounds.time;
        }
        let input = bend::bend(&pool, &mut dice);
        let kind = found.try_one(target, &input);
        let times = kinds.entry(kind).or_default();
        *times += 1;
        if *times == 1 {
            found.new.push(input.clone());
            pool.push(input);
        }
    }
    (found.kinds, found.took) = (kinds.len(), began.elapsed());
    found
}

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|t| t.parse().ok()).unwrap_or(otherwise)
}

/// So long each target is run, unless the environment says otherwise.
const SECONDS: u64 = 20;

/// Runs a target as a test: for 20 s and for so many executions at least. Panics on the first input
/// that breaks something.
///
/// `OQ_FUZZ_SECONDS`, `OQ_FUZZ_EXECUTIONS` and `OQ_FUZZ_SEED` ask for more and for other inputs;
/// `OQ_FUZZ_KEEP=1` adds the first input of each new kind to the corpus; `OQ_FUZZ_WRITE` names the
/// document into whose table of targets the row of this one is printed.
pub fn check(target: &Target, executions: u64) {
    let name = target.name;
    assert!(!corpus(target).is_empty(), "{name} has a corpus");
    let bounds = Bounds {
        executions: number("OQ_FUZZ_EXECUTIONS", executions),
        time: Duration::from_secs(number("OQ_FUZZ_SECONDS", SECONDS)),
    };
    let found = fuzz(target, number("OQ_FUZZ_SEED", 1), bounds);
    let row = row(name, &found);
    println!("{HEAD}{row}");
    if let Some(file) = std::env::var_os("OQ_FUZZ_WRITE") {
        let file = file.to_string_lossy();
        let page = std::fs::read_to_string(&*file).expect("the document is there");
        let table = oq_printed::section(&page, SECTION).expect("it has the table");
        let table = oq_printed::with_row(table, &row);
        oq_printed::write(&file, &[(SECTION, table)]).expect("the document is writable");
    }
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

/// The table of the document, without rows.
pub const HEAD: &str =
    "| what is read | inputs | kinds of answers | seconds |\n|---|---:|---:|---:|\n";

/// Its name there.
pub const SECTION: &str = "fuzz";

fn row(name: &str, found: &Found) -> String {
    let seconds = found.took.as_secs_f64();
    format!(
        "| {name} | {} | {} | {seconds:.0} |",
        found.executions, found.kinds
    )
}

impl Found {
    fn try_one(&mut self, target: &Target, input: &[u8]) -> String {
        self.executions += 1;
        match catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
            Ok(said) => kind(&said),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                let text = text.unwrap_or_else(|| "a panic".into());
                if self.broken.len() < 5 {
                    self.broken.push((input.to_vec(), text.clone()));
                }
                format!("panic {}", kind(&text))
            }
        }
    }
}

/// The kind of an answer: what stays when numbers and quotations are taken out.
fn kind(said: &str) -> String {
    let mut kind = String::new();
    let mut quoted = None;
    for c in said.chars() {
        match quoted {
            Some(end) if c == end => quoted = None,
            Some(_) => {}
            None if c == '"' || c == '`' => quoted = Some(c),
            None if c.is_ascii_digit() => {}
            None => kind.push(c),
        }
        if kind.len() > 120 {
            break;
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target with a fault deep enough that blind guessing does not find it.
    fn faulty(bytes: &[u8]) -> String {
        let known = b"{\"v\":9";
        let same = bytes.iter().zip(known).take_while(|(a, b)| a == b).count();
        assert!(same < known.len(), "found");
        format!(
            "{} in common",
            ["none", "one", "two", "three", "four", "five"][same]
        )
    }

    #[test]
    fn a_fault_is_found_and_found_again() {
        let target = Target {
            name: "none",
            corpus: "corpus/none",
            run: faulty,
        };
        let bounds = Bounds {
            executions: 200_000,
            time: Duration::ZERO,
        };
        let found = fuzz(&target, 1, bounds);
        assert!(!found.broken.is_empty(), "{} kinds", found.kinds);
        let again = fuzz(&target, 1, bounds);
        assert_eq!(again.broken, found.broken);
        assert_eq!(again.executions, found.executions);
    }

    #[test]
    fn it_goes_on_until_both_bounds_are_reached() {
        let target = Target {
            name: "none",
            corpus: "corpus/none",
            run: |_| "read".into(),
        };
        let run = |executions, ms| {
            let time = Duration::from_millis(ms);
            fuzz(&target, 1, Bounds { executions, time })
        };
        assert_eq!(run(700, 0).executions, 700);
        let long = run(1, 20);
        assert!(long.took >= Duration::from_millis(20) && long.executions >= BATCH);
    }

    #[test]
    fn answers_that_differ_in_numbers_only_are_of_one_kind() {
        assert_eq!(
            kind("line 1: \"abc\" is long"),
            kind("line 27: \"\" is long")
        );
        assert_ne!(kind("too long"), kind("too short"));
    }
}
