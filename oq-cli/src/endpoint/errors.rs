//! The store's answers in S3's words.

use http::StatusCode;
use oq_core::store::{Etag, MAX_BODY, StoreError, Write};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

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
