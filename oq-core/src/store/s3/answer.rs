//! What a failed request means: the one place that turns statuses, codes and broken connections
//! into a [`Write`] or a [`StoreError`].
//!
//! The rule is to call nothing settled that is not: a refusal must come from the store itself, in
//! its own words. A proxy that answers 404 or 503 with a page of its own has told us nothing about
//! the object.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::dns::ResolveDnsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_xml::decode::{Document, try_data};

use super::witness::Seen;
use crate::store::{CLOCK_WRONG, StoreError, Write};

/// How the SDK begins when the service that tells a machine's role does not answer.
const NO_ROLE: &str = "IMDS";

const NO_MESSAGE: &str = "no message";

/// How a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// Nothing left this process.
    NotSent(NotSent),
    /// The store, or something in front of it, answered.
    Answer {
        /// The HTTP status.
        status: u16,
        /// S3's error code, if the body was an S3 error.
        code: Option<String>,
        /// `Retry-After`.
        after: Option<Duration>,
    },
    /// It was sent, perhaps in part, and no whole answer came.
    Silence,
}

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotSent {
    /// There are no credentials, or they cannot be used.
    Credentials,
    /// Something on the way there failed that may pass: the name, the connection, the credentials'
    /// source.
    Unreachable,
    /// The request cannot be made from this configuration.
    Construction,
}

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// How it failed.
    pub how: How,
    /// The same for people.
    pub said: String,
}

impl Failure {
    /// The facts of an SDK error.
    pub fn of<E>(error: &SdkError<E, HttpResponse>, seen: &Seen) -> Failure
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        if let Some(response) = error.raw_response() {
            // What the SDK says of an answer without a message is a picture of its own memory.
            let code = error.code().map(str::to_owned);
            Failure::answer(
                response.status().as_u16(),
                code,
                seen.after,
                error.message(),
            )
        } else if let SdkError::ConstructionFailure(_) = error {
            Failure::unmade(error)
        } else if !seen.sent {
            Failure::unsigned(error)
        } else {
            Failure::broken(error)
        }
    }

    /// A refusal with this body.
    pub fn answered(status: u16, after: Option<Duration>, body: &[u8]) -> Failure {
        let (code, message) = words(body).unwrap_or_default();
        Failure::answer(status, code, after, message.as_deref())
    }

    /// An error that stands in the body of an answer which said success before.
    pub fn within_success(status: u16, body: &[u8]) -> Option<Failure> {
        let (code, message) = words(body)?;
        Some(Failure::answer(status, code, None, message.as_deref()))
    }

    fn answer(
        status: u16,
        code: Option<String>,
        after: Option<Duration>,
        message: Option<&str>,
    ) -> Failure {
        let why = message.unwrap_or(NO_MESSAGE);
        let named = code.as_deref().unwrap_or("without an S3 error code");
        Failure {
            said: format!("{status} {named}: {why}"),
            how: How::Answer {
                status,
                code,
                after,
            },
        }
    }

    /// The request cannot be made.
    pub fn unmade(error: &(dyn Error + 'static)) -> Failure {
        Failure::not_sent(NotSent::Construction, error)
    }

    /// It could not be signed, or nothing was found that would have taken it.
    pub fn unsigned(error: &(dyn Error + 'static)) -> Failure {
        let why = match find::<CredentialsError>(error) {
            Some(
                CredentialsError::CredentialsNotLoaded(_)
                | CredentialsError::InvalidConfiguration(_),
            ) => NotSent::Credentials,
            // The last place that is asked is the machine's role. Where nothing else is configured and
            // this is no machine of AWS, there is nobody there, and there will not be.
            Some(_) if chain(error).contains(NO_ROLE) => {
                let mut failure = Failure::not_sent(NotSent::Unreachable, error);
                failure.said.push_str(
                    "; if this machine has no role of AWS: no credentials were found. Set \
                     AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws sso login",
                );
                return failure;
            }
            _ => NotSent::Unreachable,
        };
        Failure::not_sent(why, error)
    }

    /// It was handed to the connections, and they failed.
    pub fn broken(error: &(dyn Error + 'static)) -> Failure {
        match never_connected(error) {
            true => Failure::not_sent(NotSent::Unreachable, error),
            false => Failure {
                how: How::Silence,
                said: chain(error),
            },
        }
    }

    /// No answer began within this time.
    pub fn late(limit: Duration, sent: bool) -> Failure {
        let late = format!("no answer within {limit:?}");
        match sent {
            true => Failure {
                how: How::Silence,
                said: late,
            },
            false => Failure {
                how: How::NotSent(NotSent::Unreachable),
                said: format!("nothing was sent: {late}"),
            },
        }
    }

    fn not_sent(why: NotSent, error: &(dyn Error + 'static)) -> Failure {
        Failure {
            how: How::NotSent(why),
            said: format!("nothing was sent: {}", chain(error)),
        }
    }

    /// The answer to a GET that the object is not there.
    pub fn is_missing(&self) -> bool {
        matches!(&self.how, How::Answer { status: 404, code: Some(code), .. } if no_such_key(code))
    }

    /// The answer has this S3 error code.
    pub fn says(&self, word: &str) -> bool {
        matches!(&self.how, How::Answer { code: Some(code), .. } if code == word)
    }

    /// The answer to a conditional GET that nothing has changed.
    pub fn is_unchanged(&self) -> bool {
        matches!(self.how, How::Answer { status: 304, .. })
    }

    /// The server that answered may be worse off than its neighbours. One that asks for patience is
    /// not.
    pub fn is_of_a_sick_server(&self) -> bool {
        match &self.how {
            How::Answer { status, code, .. } => {
                matches!(status, 500 | 502..=504) && code.as_deref() != Some("SlowDown")
            }
            _ => false,
        }
    }

    /// As the answer of a conditional write.
    ///
    /// Where nothing was sent this is an error and not [`Write::Again`], because the store asked
    /// for nothing and because the reason (a wrong endpoint, say) is worth showing.
    pub fn into_write(self) -> Result<Write, StoreError> {
        let How::Answer {
            status,
            code,
            after,
        } = &self.how
        else {
            return match self.how {
                How::Silence => Ok(Write::Unknown),
                _ => Err(self.into_error()),
            };
        };
        match (*status, code.as_deref()) {
            (412, _) => Ok(Write::Lost),
            (404, Some(code)) if no_such_key(code) => Ok(Write::Lost),
            (409 | 429, _) | (503, Some(_)) => Ok(Write::Again { after: *after }),
            // A bare 503 is a proxy's: it may have passed the request on before it gave up.
            (200..=299 | 408 | 500 | 502..=599, _) | (400, Some("RequestTimeout")) => {
                Ok(Write::Unknown)
            }
            _ => Err(self.into_error()),
        }
    }

    /// As the failure of a read or deletion, or of a write that cannot have landed.
    pub fn into_error(self) -> StoreError {
        let said = self.said;
        let (status, code) = match &self.how {
            How::NotSent(NotSent::Credentials) => return StoreError::Denied(said),
            How::NotSent(NotSent::Construction) => return StoreError::Misconfigured(said),
            How::NotSent(NotSent::Unreachable) | How::Silence => {
                return StoreError::Unavailable(said);
            }
            How::Answer { status, code, .. } => (*status, code.as_deref()),
        };
        match (status, code) {
            (_, Some(CLOCK_WRONG)) => {
                StoreError::Denied(format!("{said}; this machine's clock is wrong"))
            }
            (
                _,
                Some(
                    "ExpiredToken"
                    | "InvalidToken"
                    | "TokenRefreshRequired"
                    | "ExpiredTokenException",
                ),
            ) => StoreError::Denied(said),
            (401 | 403, _) => StoreError::Denied(said),
            (501 | 405 | 413, _) | (_, Some("NotImplemented" | "EntityTooLarge")) => {
                StoreError::Unsupported(said)
            }
            (301 | 302 | 307 | 308, _) => StoreError::Misconfigured(format!(
                "{said}; the bucket is in another region or behind another endpoint"
            )),
            // Damaged on the way, or too slow: the next attempt may do better.
            (400, Some("RequestTimeout" | "IncompleteBody" | "BadDigest")) => {
                StoreError::Unavailable(said)
            }
            // Without S3's word for it, a 404 is a gateway that has no backend just now.
            (404, None) | (408 | 409 | 429 | 500..=599, _) => StoreError::Unavailable(said),
            (400..=499, _) => StoreError::Misconfigured(said),
            _ => StoreError::Unavailable(said),
        }
    }
}

/// The failure that one key of a batch deletion had; `None` if the key is gone all the same.
pub(super) fn of_batch(code: Option<&str>, message: Option<&str>) -> Option<StoreError> {
    let code = code.unwrap_or("no S3 error code");
    let said = format!("{code}: {}", message.unwrap_or(NO_MESSAGE));
    match code {
        code if no_such_key(code) => None,
        "AccessDenied" => Some(StoreError::Denied(said)),
        "NotImplemented" => Some(StoreError::Unsupported(said)),
        _ => Some(StoreError::Unavailable(said)),
    }
}

fn no_such_key(code: &str) -> bool {
    code == "NoSuchKey"
}

/// The code and the message of an S3 error; `None` where the body is something else.
fn words(body: &[u8]) -> Option<(Option<String>, Option<String>)> {
    let mut document = Document::try_from(body).ok()?;
    let mut root = document.root_element().ok()?;
    if !root.start_el().matches("Error") {
        return None;
    }
    let (mut code, mut message) = (None, None);
    while let Some(mut tag) = root.next_tag() {
        let into = match tag.start_el().local() {
            "Code" => &mut code,
            "Message" => &mut message,
            _ => continue,
        };
        *into = Some(try_data(&mut tag).ok()?.into_owned());
    }
    Some((code, message))
}

/// The connection failed before it was one. Only what `connect` and the resolver alone can say
/// counts: a reset may come after the last byte was sent.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    use std::io::ErrorKind;
    let refused = find::<std::io::Error>(error).is_some_and(|io| {
        matches!(
            io.kind(),
            ErrorKind::ConnectionRefused | ErrorKind::AddrNotAvailable
        )
    });
    refused || find::<ResolveDnsError>(error).is_some()
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&e| e.source()).find_map(|e| e.downcast_ref::<T>())
}

/// An error with its causes, each once, on one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in std::iter::successors(Some(error), |&e| e.source()) {
        let text = cause.to_string().replace('\n', " ");
        if !said.iter().any(|s| s.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
