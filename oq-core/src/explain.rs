//! Every error code of oq, explained: one list for Rust, Python, the command line and the docs.

/// What a code means and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained {
    /// The code.
    pub code: &'static str,
    /// What happened, in a line.
    pub what: &'static str,
    /// Why it happens.
    pub why: &'static str,
    /// What to do.
    pub next: &'static str,
}

/// All codes, in alphabetical order. Codes are never taken away or given another meaning.
pub const CODES: &[Explained] = &[
    Explained {
        code: "OQ-CONFIG",
        what: "The configuration cannot be used.",
        why: "An environment variable or a configuration file has an unknown key, a value that is \
              not acceptable, or something that looks like a secret. Nothing was sent to a store.",
        next: "See which file or variable a value came from with `oq config show --origin`, and \
               correct it there. Credentials belong where the AWS tools look for them.",
    },
    Explained {
        code: "OQ-CONFLICT",
        what: "Something else changed first, or the state does not allow this.",
        why: "Another program wrote the same object, the task is over or not over yet, or the \
              beginning of an id fits several tasks. Nothing was changed by this call.",
        next: "Look at it again with `oq get ID`, then decide. Only repeat what still makes sense.",
    },
    Explained {
        code: "OQ-DENIED",
        what: "The store refused access.",
        why: "The credentials are missing, expired, or may not do this with this bucket and prefix; \
              or this machine's clock is wrong.",
        next: "Check which credentials the AWS tools find (`aws sts get-caller-identity`), and that \
               their policy allows get, put, delete and list below the prefix.",
    },
    Explained {
        code: "OQ-FAULTY",
        what: "A check found a fault.",
        why: "The store, its settings or the objects in it are not as oq needs them.",
        next: "Each fault is listed with its cure. Run `oq doctor` again after it.",
    },
    Explained {
        code: "OQ-IN-DOUBT",
        what: "The store's answer was lost: what was asked for may have been done or not.",
        why: "The connection broke after the request was sent, and reading back did not tell. A \
              late request may still land for an hour.",
        next: "Look the named ids up with `oq get ID`. To be able to repeat a submission without \
               a look, give it an idempotency key (`--key`).",
    },
    Explained {
        code: "OQ-INTERRUPTED",
        what: "You ended the command (Ctrl-C).",
        why: "What was done until then stays done; tasks that were accepted will run.",
        next: "Nothing needs to be repaired. Run the command again to go on.",
    },
    Explained {
        code: "OQ-INVALID",
        what: "A name, id, time, payload or option is not acceptable.",
        why: "It was checked before anything was sent, so nothing was written.",
        next: "The message says what is allowed. `oq help COMMAND` shows the forms.",
    },
    Explained {
        code: "OQ-NOT-COMPLETED",
        what: "The awaited task is over and did not complete.",
        why: "It failed for good, was cancelled, or expired before it was started.",
        next: "See why with `oq get ID`. When the cause is gone, try it again with `oq retry ID`.",
    },
    Explained {
        code: "OQ-NOT-FOUND",
        what: "There is no such task, queue or setting.",
        why: "The id was never accepted, belongs to another queue or store, its outcome is past its \
              retention, or its queue was purged.",
        next: "Check `--url` and `--queue`: an id is known in its queue only. `oq queue list` shows \
               the queues.",
    },
    Explained {
        code: "OQ-PARTLY-FAILED",
        what: "Some of many were done and some were not.",
        why: "Each that was not done is told with its reason, on stderr or in its row.",
        next: "Correct these and run the command again for them; what was done need not be repeated.",
    },
    Explained {
        code: "OQ-TIMED-OUT",
        what: "Waiting ended before the outcome was there.",
        why: "The task takes longer than `--timeout`, waits for its turn, or no worker runs its type.",
        next: "The task goes on. `oq get ID` says where it stands and why it waits.",
    },
    Explained {
        code: "OQ-UNAVAILABLE",
        what: "The store did not answer.",
        why: "It was asked several times over some seconds. The network, the store, or the endpoint \
              in the URL may be at fault. Nothing was accepted.",
        next: "Try again. If it stays so, run `oq doctor`.",
    },
    Explained {
        code: "OQ-UNREADABLE",
        what: "An object in the bucket cannot be understood.",
        why: "It is empty, cut, of a newer format, or another program wrote it. It was left as it is.",
        next: "Use a newer oq, or find out who else writes below this prefix.",
    },
    Explained {
        code: "OQ-UNUSABLE",
        what: "The store or this machine cannot be used as configured.",
        why: "The URL, bucket or region is wrong, the store lacks something that oq needs, or a \
              file or stream of this machine failed.",
        next: "The message names it. `oq doctor` checks a store.",
    },
];

/// The explanation of a code, however it is written: `OQ-NOT-FOUND`, `not-found`, `not_found`.
///
/// ```
/// assert_eq!(oq_core::explain::find("not_found").unwrap().code, "OQ-NOT-FOUND");
/// assert!(oq_core::explain::find("E404").is_none());
/// ```
pub fn find(code: &str) -> Option<&'static Explained> {
    let code = code.trim().to_ascii_uppercase().replace('_', "-");
    let bare = code.strip_prefix("OQ-").unwrap_or(&code);
    CODES
        .iter()
        .find(|e| e.code.strip_prefix("OQ-") == Some(bare))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Error;

    #[test]
    fn codes_are_in_order_and_complete() {
        assert!(CODES.windows(2).all(|two| two[0].code < two[1].code));
        for e in CODES {
            assert!(e.code.starts_with("OQ-"), "{e:?}");
            for text in [e.what, e.why, e.next] {
                assert!(
                    text.ends_with('.') && !text.contains("  "),
                    "{}: {text:?}",
                    e.code
                );
            }
        }
    }

    #[test]
    fn every_error_is_explained() {
        let text = || "x".to_owned();
        let all = [
            Error::invalid("x", "y"),
            Error::NotFound(text()),
            Error::Conflict(text()),
            Error::Denied(text()),
            Error::Unavailable(text()),
            Error::InDoubt { ids: Vec::new() },
            Error::Unusable(text()),
            Error::Unreadable {
                key: text(),
                why: text(),
            },
            Error::TimedOut(Duration::ZERO),
        ];
        for e in all {
            // A new kind of error does not compile until it is in the list above.
            match e {
                Error::Invalid { .. }
                | Error::NotFound(_)
                | Error::Conflict(_)
                | Error::Denied(_)
                | Error::Unavailable(_)
                | Error::InDoubt { .. }
                | Error::Unusable(_)
                | Error::Unreadable { .. }
                | Error::TimedOut(_) => {}
            }
            assert_eq!(find(e.code()).map(|found| found.code), Some(e.code()));
        }
    }
}
