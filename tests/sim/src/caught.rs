//! Which invariants a broken rule may break: what else a seed fails of is no sign that the rule is
//! missed, and does not count as noticing it.

use std::collections::BTreeSet;

use oq_core::testing::mutant::Mutant;

use crate::check::Violation;

/// The invariants by which a broken rule is noticed.
pub fn by(mutant: Mutant) -> &'static [&'static str] {
    match mutant {
        // A version in the log that does not build on the one before it.
        Mutant::SameBytesForEveryCreate => &["I5"],
        // What had won is let lie, or is submitted once more.
        Mutant::LostAfterDoubt => &["I8", "I9"],
        // What was never written is taken for written.
        Mutant::UnknownMeansWon => &["I1", "I2", "I3", "I4", "I5", "I9"],
        Mutant::ClaimWithoutDoneCheck | Mutant::StaleDoneCheck => &["I2", "I3", "I6"],
        Mutant::FinishWithoutLeaseCheck | Mutant::LeaseCheckedOnce => &["I2", "I4", "I10"],
        Mutant::TakeOverWithoutSeal => &["I2", "I3"],
        Mutant::OutcomesBeforeSeal => &["I2"],
        Mutant::TakeOverTooEarly => &["I4"],
        Mutant::LeaseFromAnswer => &["I3", "I4", "I10"],
        Mutant::DeadFromLive | Mutant::DeleteBeforeDead => &["I13"],
        Mutant::DeleteWithoutDone => &["I1"],
        Mutant::SweepWithoutLive => &["I6"],
        Mutant::KeyReplaced => &["I18"],
        // Beside its holder, who may say something else.
        Mutant::CancelHeldWritesOutcome => &["I2", "I4"],
        Mutant::HolderOverwritesFlags => &["I19"],
        Mutant::AttemptsPerPack | Mutant::NoAttemptCap => &["I7"],
        Mutant::BellWithoutSweep => &["I14", "I16", "I17"],
        Mutant::ListStopsAtFirstWaiting | Mutant::ForgetDueOnPageTwo => &["I14", "I16", "I17"],
        // It goes on under a lease that it does not have.
        Mutant::RenewIgnoresDoubt => &["I4", "I10"],
        Mutant::SubmitDoubtMeansFailure => &["I9"],
        Mutant::UnreadableForEver => &["I1", "I14", "I16", "I17"],
        // It is due when the client's clock says so.
        Mutant::WallClockIds => &["I1", "I12", "I16", "I17"],
        Mutant::PayloadDoubtMeansWritten | Mutant::OrphansSweptAtOnce => &["I1", "I11"],
        Mutant::PayloadReadOnce => &["I11"],
        Mutant::PayloadsNeverSwept => &["I13"],
        Mutant::FatalTriedAgain => &["I11"],
        // Not charged, it is tried for ever.
        Mutant::PanicNotCharged => &["I1", "I7", "I16"],
        Mutant::SavedForgotten => &["I11"],
        // Out of time before the time that it asked for.
        Mutant::ExtensionIgnored => &["I12"],
        Mutant::StartWithoutLease => &["I3", "I4"],
        Mutant::DrainWithoutDeadline => &["I23"],
        Mutant::LeaseBeyondDeadline => &["I4"],
        Mutant::SweepResetsBell => &["I15"],
        Mutant::ShrinkWithoutHigh => &["I14", "I16", "I17"],
        // Outcomes, keys and payloads are there and not seen.
        Mutant::HiddenMeansMissing => &["I1", "I2", "I3", "I6", "I9", "I11", "I18"],
    }
}

/// Of what a run with a broken rule broke, what shows it: `without` is what the same seed breaks with
/// the rule as it is, and that is another fault's.
pub fn showing(
    mutant: Mutant,
    mut broken: Vec<Violation>,
    without: impl FnOnce() -> Vec<Violation>,
) -> Vec<Violation> {
    broken.retain(|v| by(mutant).contains(&v.invariant));
    if !broken.is_empty() {
        let anyway: BTreeSet<&str> = without().iter().map(|v| v.invariant).collect();
        broken.retain(|v| !anyway.contains(v.invariant));
    }
    broken
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn broken(invariants: &[&'static str]) -> Vec<Violation> {
        let one = |i: &&'static str| Violation::new(i, None, Duration::ZERO, "so");
        invariants.iter().map(one).collect()
    }

    #[test]
    fn what_a_rule_has_nothing_to_do_with_does_not_show_that_it_is_broken() {
        let of = |all: &[&'static str], anyway: &[&'static str]| {
            let shown = showing(Mutant::SweepResetsBell, broken(all), || broken(anyway));
            shown.iter().map(|v| v.invariant).collect::<Vec<_>>()
        };
        assert_eq!(of(&["I3", "harness", "I15"], &[]), ["I15"]);
        assert!(of(&["I3", "harness"], &[]).is_empty());
        assert!(of(&["I15"], &["I15"]).is_empty());
        assert_eq!(of(&["I15"], &["I3"]), ["I15"]);
    }

    #[test]
    fn every_rule_is_shown_by_an_invariant_of_its_own() {
        for mutant in Mutant::ALL {
            let invariants = by(*mutant);
            let known = |i: &&str| i.strip_prefix('I').is_some_and(|n| n.parse::<u8>().is_ok());
            assert!(!invariants.is_empty() && invariants.iter().all(known));
            assert!(!invariants.contains(&"I22"), "{}", mutant.name());
        }
    }
}
