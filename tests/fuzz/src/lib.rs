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

/// Runs a target on its corpus and on so many bent inputs.
pub fn fuzz(target: &Target, seed: u64, executions: u64) -> Found {
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
    for _ in 0..executions {
        let input = bend::bend(&pool, &mut dice);
        let kind = found.try_one(target, &input);
        let times = kinds.entry(kind).or_default();
        *times += 1;
        if *times == 1 {
            found.new.push(input.clone());
            pool.push(input);
        }
    }
    found.kinds = kinds.len();
    found
}

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|t| t.parse().ok()).unwrap_or(otherwise)
}

/// Runs a target as a test: so many executions, or as many as the environment asks for. Panics on the
/// first input that breaks something.
///
/// `OQ_FUZZ_EXECUTIONS` and `OQ_FUZZ_SEED` ask for more and for other inputs; `OQ_FUZZ_KEEP=1` adds
/// the first input of each new kind to the corpus.
pub fn check(target: &Target, executions: u64) {
    let name = target.name;
    assert!(!corpus(target).is_empty(), "{name} has a corpus");
    let executions = number("OQ_FUZZ_EXECUTIONS", executions);
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
        let found = fuzz(&target, 1, 200_000);
        assert!(!found.broken.is_empty(), "{} kinds", found.kinds);
        assert_eq!(fuzz(&target, 1, 200_000).broken, found.broken);
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
