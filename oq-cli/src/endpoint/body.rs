//! The body of a request: read whole, within bounds of size and time, and checked against every
//! checksum that the client sent.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderMap, StatusCode};
use oq_core::store::MAX_BODY;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{Checksum, StreamingBlob};
use s3s::stream::ByteStream;
use s3s::{S3Error, S3Result, TrailingHeaders, s3_error};
use tokio::sync::OwnedSemaphorePermit;

use super::Endpoint;
use super::errors::{named, too_large};

/// Bodies under way may take half a GiB together; who comes then, waits.
pub const ROOM_KIB: usize = 512 << 10;

/// A body must be there in this time, and in a second more for each 256 KiB.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the client says about a body.
#[derive(Debug, Default)]
pub struct Claims {
    pub length: Option<i64>,
    pub md5: Option<String>,
    pub sums: Checksum,
    pub trailers: Option<TrailingHeaders>,
}

/// The claims of a request that carries a body.
macro_rules! claims {
    ($request:expr) => {
        $crate::endpoint::body::Claims {
            length: $request.input.content_length,
            md5: $request.input.content_md5.take(),
            sums: s3s::dto::Checksum {
                checksum_crc32: $request.input.checksum_crc32.take(),
                checksum_crc32c: $request.input.checksum_crc32c.take(),
                checksum_crc64nvme: $request.input.checksum_crc64nvme.take(),
                checksum_sha1: $request.input.checksum_sha1.take(),
                checksum_sha256: $request.input.checksum_sha256.take(),
                ..Default::default()
            },
            trailers: $request.trailing_headers.take(),
        }
    };
}
pub(super) use claims;

/// A body that is what the client said it is.
#[derive(Debug)]
pub struct Received {
    pub bytes: Bytes,
    /// The checksums that were sent and are right.
    pub sums: Checksum,
    /// Its place among the bodies under way.
    _room: OwnedSemaphorePermit,
}

impl Endpoint {
    /// A place in memory for so many bytes.
    pub(super) async fn room(&self, bytes: usize) -> S3Result<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
        let permit = self.0.room.clone().acquire_many_owned(kib).await;
        permit.map_err(S3Error::internal_error)
    }

    /// Reads a body.
    pub(super) async fn receive(
        &self,
        body: Option<StreamingBlob>,
        mut claims: Claims,
    ) -> S3Result<Received> {
        let body = body.unwrap_or_else(|| s3s::Body::empty().into());
        let length = length(&claims, &body)?;
        let room = self.room(length).await?;
        let allowed = PATIENCE + Duration::from_secs(length as u64 >> 18);
        let reading = self.0.env.within(allowed, whole(body, length)).await;
        let bytes = reading.unwrap_or_else(|| {
            Err(s3_error!(
                RequestTimeout,
                "the body did not arrive within {} s",
                allowed.as_secs()
            ))
        })?;
        if let Some(trailers) = claims.trailers.take() {
            trailers.read(|headers| claims.sums.add(headers));
        }
        check(&bytes, &claims)?;
        Ok(Received {
            bytes,
            sums: claims.sums,
            _room: room,
        })
    }
}

/// How long the body is: S3 wants to know before it reads.
fn length(claims: &Claims, body: &StreamingBlob) -> S3Result<usize> {
    let claimed = claims.length.and_then(|n| u64::try_from(n).ok());
    let exact = body.remaining_length().exact().map(|n| n as u64);
    let Some(length) = claimed.or(exact) else {
        return Err(s3_error!(
            MissingContentLength,
            "You must provide the Content-Length HTTP header."
        ));
    };
    match usize::try_from(length) {
        Ok(length) if length <= MAX_BODY => Ok(length),
        _ => Err(too_large(length)),
    }
}

/// The whole body. One that came in one piece, as most do, is not copied.
async fn whole(mut stream: StreamingBlob, length: usize) -> S3Result<Bytes> {
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| damaged(&e.to_string()))?;
        if first.is_empty() {
            first = chunk;
            continue;
        }
        if more.is_empty() {
            more.reserve(length);
            more.extend_from_slice(&first);
        }
        more.extend_from_slice(&chunk);
        if more.len() > length {
            break;
        }
    }
    let bytes = if more.is_empty() {
        first
    } else {
        more.freeze()
    };
    if bytes.len() != length {
        return Err(s3_error!(
            IncompleteBody,
            "{} bytes came of the {length} that were announced",
            bytes.len()
        ));
    }
    Ok(bytes)
}

/// What is wrong with a body, by the words of the stream: `s3s` does not show the type.
fn damaged(why: &str) -> S3Error {
    if why.contains("Sha256Mismatch") {
        named(
            "XAmzContentSHA256Mismatch",
            StatusCode::BAD_REQUEST,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    } else if why.contains("SignatureMismatch") {
        s3_error!(SignatureDoesNotMatch, "the signature of a chunk is wrong")
    } else {
        s3_error!(IncompleteBody, "the body could not be read: {why}")
    }
}

/// Checks what the client claimed, and computes nothing else.
fn check(bytes: &[u8], claims: &Claims) -> S3Result<()> {
    if let Some(claimed) = &claims.md5 {
        let claimed = BASE64_STANDARD.decode(claimed).unwrap_or_default();
        if claimed.len() != 16 {
            return Err(s3_error!(
                InvalidDigest,
                "The Content-MD5 you specified is not valid."
            ));
        }
        let mut md5 = Md5::new();
        md5.update(bytes);
        if md5.finalize()[..] != claimed[..] {
            return Err(bad_digest("Content-MD5"));
        }
    }
    let claimed = &claims.sums;
    let mut hasher = ChecksumHasher {
        crc32: claimed.checksum_crc32.as_ref().map(|_| Crc32::new()),
        crc32c: claimed.checksum_crc32c.as_ref().map(|_| Crc32c::new()),
        crc64nvme: claimed
            .checksum_crc64nvme
            .as_ref()
            .map(|_| Crc64Nvme::new()),
        sha1: claimed.checksum_sha1.as_ref().map(|_| Sha1::new()),
        sha256: claimed.checksum_sha256.as_ref().map(|_| Sha256::new()),
    };
    hasher.update(bytes);
    let computed = hasher.finalize();
    let pairs = [
        ("CRC32", &claimed.checksum_crc32, &computed.checksum_crc32),
        (
            "CRC32C",
            &claimed.checksum_crc32c,
            &computed.checksum_crc32c,
        ),
        (
            "CRC64NVME",
            &claimed.checksum_crc64nvme,
            &computed.checksum_crc64nvme,
        ),
        ("SHA1", &claimed.checksum_sha1, &computed.checksum_sha1),
        (
            "SHA256",
            &claimed.checksum_sha256,
            &computed.checksum_sha256,
        ),
    ];
    match pairs
        .iter()
        .find(|(_, claimed, computed)| claimed != computed)
    {
        Some((name, ..)) => Err(bad_digest(name)),
        None => Ok(()),
    }
}

fn bad_digest(name: &str) -> S3Error {
    s3_error!(
        BadDigest,
        "The {name} you specified did not match the calculated checksum."
    )
}

/// Checksums that came behind the body.
trait Trailing {
    fn add(&mut self, headers: &HeaderMap);
}

impl Trailing for Checksum {
    fn add(&mut self, headers: &HeaderMap) {
        let slots = [
            ("x-amz-checksum-crc32", &mut self.checksum_crc32),
            ("x-amz-checksum-crc32c", &mut self.checksum_crc32c),
            ("x-amz-checksum-crc64nvme", &mut self.checksum_crc64nvme),
            ("x-amz-checksum-sha1", &mut self.checksum_sha1),
            ("x-amz-checksum-sha256", &mut self.checksum_sha256),
        ];
        for (name, slot) in slots {
            let sent = headers.get(name).and_then(|v| v.to_str().ok());
            if let Some(sent) = sent {
                *slot = Some(sent.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(claims: &Claims) -> String {
        let error = check(b"hello", claims).unwrap_err();
        error.code().as_str().to_owned()
    }

    #[test]
    fn every_checksum_that_was_sent_is_checked() {
        let right = Claims {
            md5: Some("XUFAKrxLKna5cZ2REBfFkg==".into()),
            sums: Checksum {
                checksum_crc32: Some("NhCmhg==".into()),
                checksum_crc32c: Some("mnG7TA==".into()),
                checksum_sha256: Some("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=".into()),
                ..Checksum::default()
            },
            ..Claims::default()
        };
        check(b"hello", &right).unwrap();
        check(b"hello", &Claims::default()).unwrap();
        let md5 = |md5: &str| Claims {
            md5: Some(md5.into()),
            ..Claims::default()
        };
        assert_eq!(refused(&md5("not base64")), "InvalidDigest");
        assert_eq!(refused(&md5("AAAAAAAAAAAAAAAAAAAAAA==")), "BadDigest");
        let mut trailers = HeaderMap::new();
        trailers.insert(
            "x-amz-checksum-crc32",
            http::HeaderValue::from_static("AAAAAA=="),
        );
        let mut wrong = Claims::default();
        wrong.sums.add(&trailers);
        assert_eq!(refused(&wrong), "BadDigest");
    }
}
