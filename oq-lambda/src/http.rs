//! Taking tasks in by HTTP: from a request to a reply that says what was wrong.

use std::collections::BTreeMap;

use oq_core::queue::Queue;
use oq_core::record::QueueName;
use oq_core::{Error, Result};
use serde::Serialize;
use serde_json::json;

use crate::event::Request;
use crate::failures::{self, By};
use crate::submit::{Accepted, Submit};

/// How long a body may be unless set. Lambda takes 6 MB.
pub const DEFAULT_MAX_BODY: usize = 1 << 20;

/// Seconds after which a client may come again.
const RETRY_AFTER: &str = "2";

/// The answer to a request, in the form that function URLs, API gateways and load balancers take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reply {
    /// The status.
    #[serde(rename = "statusCode")]
    pub status: u16,
    /// The headers.
    pub headers: BTreeMap<&'static str, String>,
    /// The body: JSON.
    pub body: String,
    /// Never.
    #[serde(rename = "isBase64Encoded")]
    pub encoded: bool,
}

/// What may be submitted by HTTP.
#[derive(Debug, Clone)]
pub struct Rules {
    /// To these queues only.
    pub queues: Vec<QueueName>,
    /// The longest body.
    pub max_body: usize,
}

impl Reply {
    fn new(status: u16, body: &serde_json::Value) -> Reply {
        Reply {
            status,
            headers: [("content-type", "application/json".to_owned())].into(),
            body: body.to_string(),
            encoded: false,
        }
    }

    fn refused(status: u16, code: &str, message: impl ToString) -> Reply {
        let body = json!({ "error": { "code": code, "message": message.to_string() } });
        Reply::new(status, &body)
    }

    /// Of a function that takes no tasks by HTTP.
    pub(crate) fn closed() -> Reply {
        Reply::refused(403, "OQ-DENIED", "this function takes no tasks by HTTP")
    }

    fn with(mut self, name: &'static str, value: &str) -> Reply {
        self.headers.insert(name, value.to_owned());
        self
    }
}

/// Submits the task of a request, with what is declared of its type: 202 and its id, 200 if it was
/// there under the same key, or what is wrong.
pub async fn reply(
    queue: &Queue,
    rules: &Rules,
    declared: impl FnOnce(Submit) -> Submit,
    request: &Request,
) -> Reply {
    let submit = match understood(queue, rules, declared, request) {
        Ok(submit) => submit,
        Err(refused) => return *refused,
    };
    match failures::submit(queue, submit, By::Request).await {
        Ok(accepted) => said(&accepted),
        Err(error) => failed(&error),
    }
}

fn said(accepted: &Accepted) -> Reply {
    let status = if accepted.existing { 200 } else { 202 };
    Reply::new(status, &json!(accepted))
}

fn understood(
    queue: &Queue,
    rules: &Rules,
    declared: impl FnOnce(Submit) -> Submit,
    request: &Request,
) -> Result<Submit, Box<Reply>> {
    let wrong = |status, why: String| Err(Box::new(Reply::refused(status, "OQ-INVALID", why)));
    if request.method() != "POST" {
        let why = format!("{} is not possible here: POST a task", request.method());
        let refused = Reply::refused(405, "OQ-INVALID", why).with("allow", "POST");
        return Err(Box::new(refused));
    }
    // Another site's page can send this type only if it is allowed to, and any body without a type.
    let kind = request.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let kind = if kind.is_empty() { "of no type" } else { kind };
        let why = format!("the body is {kind}; send it with Content-Type: application/json");
        return wrong(415, why);
    }
    if request.length() > rules.max_body {
        let why = format!(
            "the body is longer than {} bytes; put more into the bucket and submit its key",
            rules.max_body
        );
        return wrong(413, why);
    }
    let text = match request.text() {
        Ok(text) => text,
        Err(why) => return wrong(400, why.to_owned()),
    };
    let mut submit = match Submit::parse(&text) {
        Ok(submit) => declared(submit),
        Err(e) => return wrong(400, format!("the body is not a task: {e}")),
    };
    match (request.header("idempotency-key"), &submit.task.key) {
        (Some(header), Some(key)) if header != key => {
            return wrong(400, "the header Idempotency-Key and \"key\" differ".into());
        }
        (Some(header), _) => submit.task.key = Some(header.to_owned()),
        (None, _) => {}
    }
    let name = submit.queue.as_ref().unwrap_or(queue.name());
    if !rules.queues.contains(name) {
        let why = format!("tasks of queue {name} are not taken here");
        return Err(Box::new(Reply::refused(403, "OQ-DENIED", why)));
    }
    Ok(submit)
}

fn failed(error: &Error) -> Reply {
    let refused = |status| Reply::refused(status, error.code(), error);
    match error {
        Error::Invalid { .. } => refused(400),
        Error::InDoubt { ids } => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let why =
                "the answer was lost: under the same Idempotency-Key it is safe to submit again";
            let error = json!({ "code": error.code(), "message": why, "ids": ids });
            Reply::new(503, &json!({ "error": error })).with("retry-after", RETRY_AFTER)
        }
        Error::Unavailable(_) => refused(503).with("retry-after", RETRY_AFTER),
        // What is wrong with the function's own configuration is not the client's business.
        other => Reply::refused(
            500,
            other.code(),
            "the function cannot use its store; see its log",
        ),
    }
}
