//! Switches that each break one rule of the protocol. The simulation must notice every one; in
//! programs built without the `mutants` feature they do not exist.

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// One broken rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant { $($(#[$doc])* $name,)* }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Mutant] = &[$(Mutant::$name,)*];

            /// The name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Mutant::$name => $text,)* }
            }
        }
    };
}

mutants! {
    /// Every send of a create carries the same bytes.
    SameBytesForEveryCreate = "same-bytes-for-every-create",
    /// A 412 after a doubtful send counts as a lost race.
    LostAfterDoubt = "lost-after-doubt",
    /// A lost answer counts as success.
    UnknownMeansWon = "unknown-means-won",
    /// A claim does not look for an outcome.
    ClaimWithoutDoneCheck = "claim-without-done-check",
    /// The outcome is looked for only before the live object is read.
    StaleDoneCheck = "stale-done-check",
    /// The lease is not checked before an outcome is sent.
    FinishWithoutLeaseCheck = "finish-without-lease-check",
    /// The lease is checked once, not before every send.
    LeaseCheckedOnce = "lease-checked-once",
    /// A take-over does not seal.
    TakeOverWithoutSeal = "take-over-without-seal",
    /// Outcomes are written in the take-over, before the seal.
    OutcomesBeforeSeal = "outcomes-before-seal",
    /// A take-over does not wait for the lease and its margin.
    TakeOverTooEarly = "take-over-too-early",
    /// A lease is judged from the answer instead of the send.
    LeaseFromAnswer = "lease-from-answer",
    /// Dead letters are made from the live record, before the outcome is recorded.
    DeadFromLive = "dead-from-live",
    /// The live object is deleted although dead letters could not be written.
    DeleteBeforeDead = "delete-before-dead",
    /// The live object is deleted without an outcome being recorded.
    DeleteWithoutDone = "delete-without-done",
    /// The sweep does not look for a live object before deleting an outcome.
    SweepWithoutLive = "sweep-without-live",
    /// A key record without a task is replaced instead of helped.
    KeyReplaced = "key-replaced",
    /// Cancelling in a held pack writes the outcome.
    CancelHeldWritesOutcome = "cancel-held-writes-outcome",
    /// The holder overwrites the flags of others.
    HolderOverwritesFlags = "holder-overwrites-flags",
    /// All tasks of a pack are charged for every delivery.
    AttemptsPerPack = "attempts-per-pack",
    /// The cap on attempts is not applied.
    NoAttemptCap = "no-attempt-cap",
    /// Rings are relied upon: no sweep finds what was lost.
    BellWithoutSweep = "bell-without-sweep",
    /// A listing stops at the first key that is not due.
    ListStopsAtFirstWaiting = "list-stops-at-first-waiting",
    /// The next due time on a second page is forgotten.
    ForgetDueOnPageTwo = "forget-due-on-page-two",
    /// A lost answer to a renewal is ignored.
    RenewIgnoresDoubt = "renew-ignores-doubt",
    /// A submit whose answer was lost is reported as refused.
    SubmitDoubtMeansFailure = "submit-doubt-means-failure",
    /// What could not be read once is never looked at again.
    UnreadableForEver = "unreadable-for-ever",
    /// Ids carry the client's time.
    WallClockIds = "wall-clock-ids",
    /// A payload whose write was not answered counts as written.
    PayloadDoubtMeansWritten = "payload-doubt-means-written",
    /// A payload that arrived damaged is not read again.
    PayloadReadOnce = "payload-read-once",
    /// Payloads stay when their outcome goes.
    PayloadsNeverSwept = "payloads-never-swept",
    /// What nothing refers to yet is swept, however young it is.
    OrphansSweptAtOnce = "orphans-swept-at-once",
    /// A fatal failure is tried again like any other.
    FatalTriedAgain = "fatal-tried-again",
    /// A handler that panicked is not charged.
    PanicNotCharged = "panic-not-charged",
    /// Who takes over forgets what the handler saved.
    SavedForgotten = "saved-forgotten",
    /// A handler that asks for more time gets none.
    ExtensionIgnored = "extension-ignored",
    /// A handler starts although the lease ended while its input was read.
    StartWithoutLease = "start-without-lease",
    /// A drain goes on beyond its time.
    DrainWithoutDeadline = "drain-without-deadline",
    /// A drain asks for leases that last longer than it does.
    LeaseBeyondDeadline = "lease-beyond-deadline",
    /// After a sweep the bell is asked as often as after a ring.
    SweepResetsBell = "sweep-resets-bell",
    /// Workers stop looking at shards that producers may still use.
    ShrinkWithoutHigh = "shrink-without-high",
    /// What the store does not let us see counts as missing.
    HiddenMeansMissing = "hidden-means-missing",
}

#[cfg(feature = "mutants")]
mod switch {
    use super::Mutant;
    use std::cell::Cell;

    thread_local! {
        static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Breaks one rule in everything that this thread runs from now on, or none.
    pub fn set(mutant: Option<Mutant>) {
        ACTIVE.set(mutant);
    }

    /// Whether this rule is broken.
    pub fn mutated(mutant: Mutant) -> bool {
        ACTIVE.get() == Some(mutant)
    }
}

#[cfg(not(feature = "mutants"))]
mod switch {
    /// Whether this rule is broken: never, in a program.
    #[inline(always)]
    pub fn mutated(_: super::Mutant) -> bool {
        false
    }
}

pub use switch::*;
