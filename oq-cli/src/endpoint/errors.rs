//! The store's answers in S3's words.

use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use oq_core::store::{Etag, MAX_BODY, StoreError, Write};
use s3s::{Body, S3Error, S3ErrorCode, S3Result, s3_error};

use super::Endpoint;

/// Why the store did not answer.
pub fn said(error: StoreError) -> S3Error {
    match error {
        StoreError::Unavailable(why) => s3_error!(SlowDown, "{why}"),
        StoreError::TooLarge(size) => too_large(size),
        StoreError::Unsupported(why) => s3_error!(NotImplemented, "{why}"),
        StoreError::Denied(why) | StoreError::Misconfigured(why) => {
            s3_error!(InternalError, "{why}")
        }
    }
}

pub fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

/// 409: nothing landed, and the same request may win when it is sent again.
pub fn conflict() -> S3Error {
    s3_error!(
        ConditionalRequestConflict,
        "a concurrent request was in the way and nothing was written; send it again"
    )
}

pub fn too_large(size: u64) -> S3Error {
    s3_error!(
        EntityTooLarge,
        "{size} bytes are more than the {MAX_BODY} that an object may have here"
    )
}

/// An error that `s3s` has no name for.
pub fn named(code: &'static str, status: StatusCode, message: &'static str) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}

/// Gives an error that `s3s` made without a message what S3 says with its code: a client without a
/// message shows people what it has in memory instead.
pub fn explained(answer: &mut Response<Body>) {
    let status = answer.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return;
    }
    let Some(body) = answer.body().bytes() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(&body) else {
        return;
    };
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    let Some((code, _)) = code.filter(|_| !text.contains("<Message>")) else {
        return;
    };
    let message = match code {
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check \
             your key and signing method."
        }
        "InvalidBucketName" => "The specified bucket is not valid.",
        "InvalidURI" => "Couldn't parse the specified URI.",
        "KeyTooLongError" => "Your key is too long.",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        _ => "The request was refused; its code is all that is known.",
    };
    let end = format!("<Code>{code}</Code>");
    let text = text.replacen(&end, &format!("{end}<Message>{message}</Message>"), 1);
    if answer.headers().contains_key(CONTENT_LENGTH) {
        answer
            .headers_mut()
            .insert(CONTENT_LENGTH, text.len().into());
    }
    *answer.body_mut() = Body::from(text);
}

/// What S3 has and this endpoint has not.
pub fn lacking(what: &str) -> S3Error {
    s3_error!(NotImplemented, "oq dev has no {what}")
}

/// Refuses a request that asks for `what`, instead of ignoring the wish.
pub fn refuse<T>(wish: &Option<T>, what: &str) -> S3Result<()> {
    match wish {
        Some(_) => Err(lacking(what)),
        None => Ok(()),
    }
}

impl Endpoint {
    /// The new version of a write that won; `lost` says what it means that the condition failed.
    pub(super) async fn settled(
        &self,
        write: Result<Write, StoreError>,
        conditional: bool,
        lost: impl AsyncFnOnce() -> S3Error,
    ) -> S3Result<Etag> {
        match write.map_err(said)? {
            Write::Won { etag, date } => {
                self.0.clock.saw(date);
                Ok(etag)
            }
            Write::Lost => Err(lost().await),
            Write::Again { .. } if conditional => Err(conflict()),
            Write::Again { .. } => Err(s3_error!(SlowDown, "the store is busy")),
            Write::Unknown => Err(s3_error!(
                InternalError,
                "the store could not tell whether this was written"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_it_means() {
        let told = |error: S3Error| {
            let mut answer = error.to_http_response().unwrap();
            explained(&mut answer);
            String::from_utf8(answer.body().bytes().unwrap().to_vec()).unwrap()
        };
        let bare = told(s3_error!(SignatureDoesNotMatch));
        assert!(bare.contains("<Message>The request signature"), "{bare}");
        assert!(told(s3_error!(InvalidURI)).contains("<Message>Couldn't"));
        let said = told(no_such_key());
        assert_eq!(said.matches("<Message>").count(), 1, "{said}");
    }
}
