//! The whole table of what failures mean.

use super::*;
use NotSent::{Construction, Credentials, Unreachable};

const AGAIN: &str = "again";
const LOST: &str = "lost";
const UNKNOWN: &str = "unknown";
const DENIED: &str = "denied";
const MISCONFIGURED: &str = "misconfigured";
const UNAVAILABLE: &str = "unavailable";
const UNSUPPORTED: &str = "unsupported";

fn failure(how: How) -> Failure {
    Failure {
        how,
        said: "said".into(),
    }
}

fn answer(status: u16, code: Option<&str>) -> How {
    How::Answer {
        status,
        code: code.map(str::to_owned),
        after: None,
    }
}

fn error_name(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => UNAVAILABLE,
        StoreError::Denied(_) => DENIED,
        StoreError::Misconfigured(_) => MISCONFIGURED,
        StoreError::Unsupported(_) => UNSUPPORTED,
        StoreError::TooLarge(_) => "too large",
    }
}

fn write_name(write: Result<Write, StoreError>) -> &'static str {
    match write {
        Ok(Write::Won { .. }) => "won",
        Ok(Write::Lost) => LOST,
        Ok(Write::Again { .. }) => AGAIN,
        Ok(Write::Unknown) => UNKNOWN,
        Err(error) => error_name(&error),
    }
}

#[test]
fn what_failures_mean() {
    // How it failed, as a write, as a read or deletion.
    let table = [
        (How::Silence, UNKNOWN, UNAVAILABLE),
        (How::NotSent(Credentials), DENIED, DENIED),
        (How::NotSent(Unreachable), UNAVAILABLE, UNAVAILABLE),
        (How::NotSent(Construction), MISCONFIGURED, MISCONFIGURED),
        (answer(412, Some("PreconditionFailed")), LOST, MISCONFIGURED),
        (answer(412, None), LOST, MISCONFIGURED),
        (answer(404, Some("NoSuchKey")), LOST, MISCONFIGURED),
        (
            answer(404, Some("NoSuchBucket")),
            MISCONFIGURED,
            MISCONFIGURED,
        ),
        (answer(404, None), UNAVAILABLE, UNAVAILABLE),
        (
            answer(409, Some("ConditionalRequestConflict")),
            AGAIN,
            UNAVAILABLE,
        ),
        (answer(409, Some("OperationAborted")), AGAIN, UNAVAILABLE),
        (answer(429, Some("TooManyRequests")), AGAIN, UNAVAILABLE),
        (answer(429, None), AGAIN, UNAVAILABLE),
        (answer(503, Some("SlowDown")), AGAIN, UNAVAILABLE),
        (answer(503, Some("ServiceUnavailable")), AGAIN, UNAVAILABLE),
        (answer(503, None), UNKNOWN, UNAVAILABLE),
        (answer(500, Some("InternalError")), UNKNOWN, UNAVAILABLE),
        (answer(502, None), UNKNOWN, UNAVAILABLE),
        (answer(504, None), UNKNOWN, UNAVAILABLE),
        (answer(408, None), UNKNOWN, UNAVAILABLE),
        (answer(400, Some("RequestTimeout")), UNKNOWN, UNAVAILABLE),
        (answer(200, None), UNKNOWN, UNAVAILABLE),
        (
            answer(400, Some("IncompleteBody")),
            UNAVAILABLE,
            UNAVAILABLE,
        ),
        (answer(400, Some("BadDigest")), UNAVAILABLE, UNAVAILABLE),
        (answer(401, None), DENIED, DENIED),
        (answer(403, Some("AccessDenied")), DENIED, DENIED),
        (answer(403, Some("InvalidAccessKeyId")), DENIED, DENIED),
        (answer(403, Some("SignatureDoesNotMatch")), DENIED, DENIED),
        (answer(403, Some("RequestTimeTooSkewed")), DENIED, DENIED),
        (answer(403, None), DENIED, DENIED),
        (answer(400, Some("ExpiredToken")), DENIED, DENIED),
        (answer(400, Some("InvalidToken")), DENIED, DENIED),
        (
            answer(400, Some("InvalidBucketName")),
            MISCONFIGURED,
            MISCONFIGURED,
        ),
        (
            answer(400, Some("AuthorizationHeaderMalformed")),
            MISCONFIGURED,
            MISCONFIGURED,
        ),
        (answer(400, None), MISCONFIGURED, MISCONFIGURED),
        (
            answer(301, Some("PermanentRedirect")),
            MISCONFIGURED,
            MISCONFIGURED,
        ),
        (
            answer(307, Some("TemporaryRedirect")),
            MISCONFIGURED,
            MISCONFIGURED,
        ),
        (
            answer(501, Some("NotImplemented")),
            UNSUPPORTED,
            UNSUPPORTED,
        ),
        (answer(501, None), UNSUPPORTED, UNSUPPORTED),
        (
            answer(400, Some("NotImplemented")),
            UNSUPPORTED,
            UNSUPPORTED,
        ),
        (
            answer(405, Some("MethodNotAllowed")),
            UNSUPPORTED,
            UNSUPPORTED,
        ),
        (
            answer(400, Some("EntityTooLarge")),
            UNSUPPORTED,
            UNSUPPORTED,
        ),
    ];
    for (how, write, read) in table {
        let f = failure(how);
        assert_eq!(write_name(f.clone().into_write()), write, "write: {f:?}");
        assert_eq!(error_name(&f.clone().into_error()), read, "read: {f:?}");
    }
}

#[test]
fn a_wait_asked_for_is_passed_on() {
    let after = Some(Duration::from_secs(7));
    let how = How::Answer {
        status: 503,
        code: Some("SlowDown".into()),
        after,
    };
    assert_eq!(failure(how).into_write(), Ok(Write::Again { after }));
}

#[test]
fn only_the_store_can_say_that_an_object_is_missing() {
    let table = [
        (answer(404, Some("NoSuchKey")), true),
        (answer(404, Some("NoSuchBucket")), false),
        (answer(404, None), false),
        (answer(200, Some("NoSuchKey")), false),
        (How::Silence, false),
    ];
    for (how, want) in table {
        assert_eq!(failure(how.clone()).is_missing(), want, "{how:?}");
    }
    assert!(failure(answer(304, None)).is_unchanged());
    assert!(!failure(answer(412, None)).is_unchanged());
}

#[test]
fn failures_within_a_batch() {
    assert_eq!(of_batch(Some("NoSuchKey"), None), None);
    let table = [
        (Some("AccessDenied"), DENIED),
        (Some("SlowDown"), UNAVAILABLE),
        (Some("InternalError"), UNAVAILABLE),
        (Some("NotImplemented"), UNSUPPORTED),
        (None, UNAVAILABLE),
    ];
    for (code, want) in table {
        let error = of_batch(code, Some("m")).unwrap();
        assert_eq!(error_name(&error), want, "{code:?}");
    }
}

#[test]
fn a_machine_without_role_and_credentials_is_told_what_it_lacks() {
    let error = CredentialsError::provider_error("failed to load IMDS session token");
    let failure = Failure::unsigned(&error);
    assert_eq!(failure.how, How::NotSent(Unreachable));
    assert!(
        failure.said.contains("no credentials were found"),
        "{}",
        failure.said
    );
}
