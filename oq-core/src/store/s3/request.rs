//! Requests about one object, by whichever way they go: through the SDK, or once that has shown how
//! requests are made here, by [`lean`](super::lean).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;

use super::SMALL;
use super::answer::Failure;
use super::lean::Lean;
use super::witness::{Seen, Witness};
use crate::env::Env;
use crate::store::Etag;

/// What to do with the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Put,
    Delete,
}

impl Verb {
    pub fn method(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
        }
    }
}

/// On which condition.
#[derive(Debug, Clone, Copy)]
pub(super) enum If<'a> {
    Always,
    /// There is no such object.
    Absent,
    /// It is this one.
    Same(&'a Etag),
    /// It is another one.
    Other(&'a Etag),
}

/// One request about one object.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub verb: Verb,
    pub bucket: &'a str,
    /// In the bucket, and not below the store's root.
    pub key: &'a str,
    pub condition: If<'a>,
    /// Empty unless something is put.
    pub body: Bytes,
    /// How long until an answer begins.
    pub limit: Duration,
}

impl Request<'_> {
    /// The condition's header.
    pub fn condition(&self) -> Option<(&'static str, &str)> {
        match self.condition {
            If::Always => None,
            If::Absent => Some(("if-none-match", "*")),
            If::Same(etag) => Some(("if-match", etag.as_str())),
            If::Other(etag) => Some(("if-none-match", etag.as_str())),
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        let (is, value) = self.condition()?;
        (is == name).then(|| value.to_owned())
    }
}

/// What an answer that is no refusal gives.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub etag: Option<String>,
    pub modified: Option<DateTime>,
    pub length: Option<u64>,
    pub body: ByteStream,
}

impl Given {
    /// All but the body.
    pub fn read(headers: &Headers) -> Given {
        let modified = headers.get("last-modified");
        Given {
            etag: headers.get("etag").map(str::to_owned),
            modified: modified.and_then(|at| DateTime::from_str(at, Format::HttpDate).ok()),
            length: headers.get("content-length").and_then(|n| n.parse().ok()),
            body: ByteStream::default(),
        }
    }
}

impl From<GetObjectOutput> for Given {
    fn from(output: GetObjectOutput) -> Given {
        Given {
            etag: output.e_tag().map(str::to_owned),
            modified: output.last_modified().copied(),
            length: output.content_length().and_then(|n| u64::try_from(n).ok()),
            body: output.body,
        }
    }
}

/// The client, and what its first request has shown.
#[derive(Clone)]
pub(super) struct Wire {
    pub client: Client,
    /// Whether there may be a way past the SDK.
    lean: bool,
    learned: Arc<OnceLock<Option<Lean>>>,
}

impl Wire {
    /// With `lean`, small requests about one object go past the SDK as soon as it has shown how.
    pub fn new(client: Client, lean: bool) -> Wire {
        // What is lean makes up for a wrong clock, always.
        let lean = lean && client.config().disable_clock_skew_correction() != Some(true);
        Wire {
            client,
            lean,
            learned: Arc::default(),
        }
    }

    /// The same way with another client, whose connections are other ones.
    pub fn with(&self, client: Client) -> Wire {
        Wire::new(client, self.lean)
    }

    /// Sends it, once.
    pub async fn send(&self, env: &Env, request: Request<'_>) -> (Result<Given, Failure>, Seen) {
        let small = request.body.len() as u64 <= SMALL;
        match self.learned.get() {
            Some(Some(lean)) if small => lean.send(env, request).await,
            _ => self.through_sdk(request).await,
        }
    }

    async fn through_sdk(&self, request: Request<'_>) -> (Result<Given, Failure>, Seen) {
        let witness = match self.lean {
            true => Witness::learning(&self.learned, request.key),
            false => Witness::default(),
        };
        let (bucket, key) = (request.bucket, request.key);
        let (if_match, if_none_match) =
            (request.header("if-match"), request.header("if-none-match"));
        match request.verb {
            Verb::Get => {
                let get = self.client.get_object().bucket(bucket).key(key);
                let get = get
                    .set_if_match(if_match)
                    .set_if_none_match(if_none_match)
                    .customize()
                    .interceptor(witness.clone());
                let (answer, seen) = witness.judge(get.send().await);
                (answer.map(Given::from), seen)
            }
            Verb::Put => {
                let put = self.client.put_object().bucket(bucket).key(key);
                let large = request.body.len() as u64 > SMALL;
                let mut put = put
                    .body(ByteStream::from(request.body))
                    .set_if_match(if_match)
                    .set_if_none_match(if_none_match)
                    .customize()
                    .interceptor(witness.clone());
                if large {
                    let timeouts = TimeoutConfig::builder()
                        .operation_attempt_timeout(request.limit)
                        .build();
                    put = put.config_override(Builder::new().timeout_config(timeouts));
                }
                let (answer, seen) = witness.judge(put.send().await);
                let given = answer.map(|output| Given {
                    etag: output.e_tag().map(str::to_owned),
                    ..Given::default()
                });
                (given, seen)
            }
            Verb::Delete => {
                let delete = self.client.delete_object().bucket(bucket).key(key);
                let delete = delete
                    .set_if_match(if_match)
                    .customize()
                    .interceptor(witness.clone());
                let (answer, seen) = witness.judge(delete.send().await);
                (answer.map(|_| Given::default()), seen)
            }
        }
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
