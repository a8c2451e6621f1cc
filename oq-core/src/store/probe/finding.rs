//! What a check found, and what to do about it.

use std::fmt;

use serde::Serialize;

use crate::error::Error;
use crate::store::StoreError;

/// How bad it is, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// It works, and costs or risks something.
    Warning,
    /// Something is wrong.
    Fault,
    /// The store must not be used: it breaks what oq promises.
    Refusal,
}

impl Verdict {
    /// The word for it, the same everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Warning => "warning",
            Verdict::Fault => "fault",
            Verdict::Refusal => "refusal",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check.
    pub check: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// What is so.
    pub what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

impl Finding {
    fn new(check: &'static str, verdict: Verdict, what: String, cure: Option<String>) -> Finding {
        Finding {
            check,
            verdict,
            what,
            cure,
        }
    }

    /// As it should be.
    pub fn ok(check: &'static str, what: impl Into<String>) -> Finding {
        Finding::new(check, Verdict::Ok, what.into(), None)
    }

    /// Worth knowing.
    pub fn note(check: &'static str, what: impl Into<String>) -> Finding {
        Finding::new(check, Verdict::Note, what.into(), None)
    }

    /// It works, and costs or risks something.
    pub fn warning(
        check: &'static str,
        what: impl Into<String>,
        cure: impl Into<String>,
    ) -> Finding {
        Finding::new(check, Verdict::Warning, what.into(), Some(cure.into()))
    }

    /// Something is wrong.
    pub fn fault(check: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Finding {
        Finding::new(check, Verdict::Fault, what.into(), Some(cure.into()))
    }

    /// The store must not be used.
    pub fn refusal(check: &'static str, what: impl Into<String>) -> Finding {
        let cure = "use another store, or a version of this one that keeps S3's conditions: here \
                    tasks would be lost or run twice";
        Finding::new(check, Verdict::Refusal, what.into(), Some(cure.to_owned()))
    }

    /// The store did not answer the question.
    pub fn of_error(check: &'static str, error: &StoreError) -> Finding {
        let what = error.to_string();
        match error {
            _ if Error::from(error.clone()).is_of_the_clock() => {
                Finding::fault(check, what, "set this machine's clock (NTP)")
            }
            StoreError::Denied(_) => Finding::fault(
                check,
                what,
                "check the credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID) and what they may do: \
                 `oq iam --role operator` prints what this needs",
            ),
            StoreError::Misconfigured(_) => Finding::fault(
                check,
                what,
                "check the bucket's name, region and endpoint in --url",
            ),
            StoreError::Unavailable(_) => Finding::fault(
                check,
                what,
                "check the network and the endpoint, then try again",
            ),
            StoreError::Unsupported(_) => Finding::refusal(check, what),
            StoreError::TooLarge(_) => {
                Finding::fault(check, what, "see who else writes to this bucket")
            }
        }
    }
}
