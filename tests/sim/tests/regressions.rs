//! Seeds that found something once run without a violation; and what shrinking makes of one that
//! still does.

#![allow(missing_docs)]

use oq_core::testing::mutant::Mutant;
use oq_sim::play::How;
use oq_sim::scenario::Cut;
use oq_sim::shrink::shrink;
use oq_sim::story;
use oq_sim::sweep::judge;

#[test]
fn what_was_found_once_stays_mended() {
    let text = std::fs::read_to_string("regressions.txt").expect("the file is there");
    let lines = text
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    let mut played = 0;
    for line in lines {
        let words: Vec<&str> = line.splitn(3, char::is_whitespace).collect();
        let [seed, cut, why] = words[..] else {
            panic!("{line}: a seed, a cut and what it found");
        };
        let seed: u64 = seed.parse().expect("a seed");
        let cut: Cut = cut.parse().expect("a cut");
        let judged = judge(seed, &cut, How::default());
        assert!(
            judged.violations.is_empty(),
            "{why}\n{}",
            story::tell(&judged.played, &judged.violations)
        );
        played += 1;
    }
    assert!(played > 0);
}

/// A broken rule is shown by far less than a whole run, and the command that is printed shows it.
#[test]
fn a_failing_seed_is_made_small() {
    let how = How {
        mutant: Some(Mutant::TakeOverTooEarly),
        story: false,
    };
    let none = Cut::default();
    let seed = (0..).find(|seed| !judge(*seed, &none, how).violations.is_empty());
    let seed = seed.expect("a mutant is noticed");
    let whole = judge(seed, &none, how);
    let (cut, small) = shrink(seed, how, &none).expect("it fails");
    assert!(
        small
            .violations
            .iter()
            .any(|v| v.invariant == whole.violations[0].invariant)
    );
    assert!(small.played.observed.starts.len() <= whole.played.observed.starts.len());
    assert!(!cut.faults.is_empty() || !cut.submissions.is_empty());
    let again: Cut = cut
        .to_string()
        .parse()
        .expect("what is printed can be read");
    assert_eq!(judge(seed, &again, how).played.trace, small.played.trace);
}
