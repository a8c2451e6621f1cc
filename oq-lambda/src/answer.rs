//! What a function answers: one form for each kind of event, and errors that Lambda repeats.

use std::collections::BTreeMap;

use oq_core::Error;
use oq_core::worker::{Drained, LeadEnd};
use serde::Serialize;

use crate::function::LEAST;
use crate::http::Reply;
use crate::leads::Ignored;
use crate::submit::Accepted;

/// The answer of an invocation, to be returned as JSON.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// What a drain did.
    Drained(Box<Report>),
    /// To SQS: what it is to deliver again. More than this it does not take.
    Failures {
        /// The messages.
        #[serde(rename = "batchItemFailures")]
        failures: Vec<ItemFailure>,
    },
    /// To a direct invocation with a task.
    Accepted(Accepted),
    /// To a request by HTTP.
    Reply(Reply),
}

/// A message to deliver again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemFailure {
    /// Its id.
    #[serde(rename = "itemIdentifier")]
    pub id: String,
}

/// What a drain did, in short.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What it did; leads are counted, by what came of them.
    pub leads: BTreeMap<&'static str, u64>,
    /// Notices that asked for nothing.
    #[serde(skip_serializing_if = "Ignored::is_none")]
    pub ignored: Ignored,
    /// The drain's own words.
    #[serde(flatten)]
    pub drained: BTreeMap<String, serde_json::Value>,
}

impl Report {
    pub(crate) fn new(drained: &Drained, ignored: Ignored) -> Report {
        let mut leads = BTreeMap::new();
        for (_, end) in &drained.leads {
            *leads.entry(name(end)).or_default() += 1;
        }
        let said = serde_json::to_value(drained).unwrap_or_default();
        let said = said.as_object().cloned().unwrap_or_default().into_iter();
        // Each lead by itself would make an answer as long as the event.
        let said = said.filter(|(key, value)| key != "leads" && !is_nothing(value));
        Report {
            leads,
            ignored,
            drained: said.collect(),
        }
    }
}

fn is_nothing(value: &serde_json::Value) -> bool {
    value.is_null() || value == 0 || value.as_array().is_some_and(Vec::is_empty)
}

fn name(end: &LeadEnd) -> &'static str {
    match end {
        LeadEnd::Ran => "ran",
        LeadEnd::Waits(_) => "waits",
        LeadEnd::Held(_) => "held",
        LeadEnd::Over => "over",
        LeadEnd::Lost => "lost",
        LeadEnd::OtherQueue => "other_queue",
        LeadEnd::NoHandler(_) => "no_handler",
        LeadEnd::Untried => "untried",
        LeadEnd::Unreadable(_) => "unreadable",
        LeadEnd::Failed(_) => "failed",
    }
}

/// Why an invocation fails. Lambda repeats asynchronous ones twice, and all of it is safe to repeat.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failed {
    /// The event is none that oq knows, or asks for what cannot be. Repeating it does not help.
    #[error("{0}")]
    Event(String),
    /// The function has too little time to run anything.
    #[error(
        "only {0} s are left for this event, and no task can be run in less than {least} s: \
         set the function's timeout to 60 s or more",
        least = LEAST.as_secs_f64()
    )]
    TooShort(u64),
    /// The function was built without handlers.
    #[error("this function only submits: it has no handler to run a task with")]
    NoHandlers,
    /// The store kept failing, or what was asked for failed.
    #[error(transparent)]
    Oq(#[from] Error),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Error {
        match failed {
            Failed::Event(why) => Error::Invalid {
                what: "the event".into(),
                why,
            },
            Failed::TooShort(_) | Failed::NoHandlers => Error::Unusable(failed.to_string()),
            Failed::Oq(error) => error,
        }
    }
}

impl Failed {
    /// A stable code, the same as on the command line and in Python.
    pub fn code(&self) -> &'static str {
        match self {
            Failed::Event(_) => "OQ-INVALID",
            Failed::TooShort(_) | Failed::NoHandlers => "OQ-UNUSABLE",
            Failed::Oq(error) => error.code(),
        }
    }
}
