//! Amazon S3 and compatible stores, through the AWS SDK.
//!
//! This module sends one request for each verb and says what its answer means; it never repeats
//! one. `url` reads the URL, `connect` makes the client, `request` sends what is about one object:
//! through the SDK, or past most of it as in `lean`, signed by `signer`. `witness` sees what the SDK
//! hides, `answer` judges failures and `list` turns listings into pages. Everything but the sending is pure.
//!
//! ETags go out as they came in, quotes and all. (Hetzner compares `If-Match` without quotes, so
//! every update is lost there, and its conditional deletion deletes regardless.)

mod answer;
mod bucket;
mod connect;
mod lean;
mod list;
mod request;
mod signer;
mod url;
mod witness;

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier};
use bytes::{Bytes, BytesMut};

use self::answer::Failure;
use self::request::{Given, If, Request, Verb, Wire};
use self::witness::{Seen, Witness};
use super::{
    Abilities, Changed, Dated, Etag, List, MAX_BODY, Object, Page, Place, Store, StoreError,
    StoreKey, Write, limits,
};
use crate::env::Env;

pub use self::bucket::{Bucket, Versioning};
pub use self::connect::S3Options;
pub use self::url::Named;

/// Bodies up to this size must arrive within the attempt timeout.
const SMALL: u64 = 1 << 20;

/// A bucket, or the part of it below a prefix.
pub struct S3Store {
    wire: RwLock<Wire>,
    env: Env,
    bucket: String,
    /// Empty, or the prefix with a `/` at its end.
    root: String,
    endpoint: Option<String>,
    timeout: Duration,
    abilities: Abilities,
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client is left out: nobody shall have to ask what its configuration prints.
        f.debug_struct("S3Store")
            .field("bucket", &self.bucket)
            .field("root", &self.root)
            .field("endpoint", &self.endpoint)
            .field("abilities", &self.abilities)
            .finish_non_exhaustive()
    }
}

impl S3Store {
    fn wire(&self) -> Wire {
        self.wire
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn client(&self) -> Client {
        self.wire().client
    }

    fn full(&self, key: &StoreKey) -> String {
        format!("{}{key}", self.root)
    }

    /// The time that a request with a body of this size may take.
    fn allowance(&self, bytes: u64) -> Duration {
        let beyond = if bytes > SMALL { bytes / SMALL } else { 0 };
        self.timeout + Duration::from_secs(beyond)
    }

    async fn send(
        &self,
        verb: Verb,
        key: &StoreKey,
        condition: If<'_>,
        body: Bytes,
    ) -> (Result<Given, Failure>, Seen) {
        let request = Request {
            verb,
            bucket: &self.bucket,
            key: &self.full(key),
            condition,
            limit: self.allowance(body.len() as u64),
            body,
        };
        self.wire().send(&self.env, request).await
    }

    async fn fetch(&self, key: &StoreKey, condition: If<'_>) -> Result<Dated<Changed>, StoreError> {
        let (answer, seen) = self.send(Verb::Get, key, condition, Bytes::new()).await;
        let value = match answer {
            Ok(given) => Changed::Now(self.object(given).await?),
            Err(failure) if failure.is_unchanged() => Changed::Same,
            Err(failure) if failure.is_missing() => Changed::Missing,
            Err(failure) => return Err(failure.into_error()),
        };
        Ok(Dated {
            date: seen.date()?,
            value,
        })
    }

    async fn object(&self, given: Given) -> Result<Object, StoreError> {
        let etag = given
            .etag
            .map(Etag::new)
            .ok_or_else(|| StoreError::Unavailable("the answer has no ETag".into()))?;
        let last_modified = list::modified(given.modified.as_ref())?;
        let length = given.length;
        if let Some(length) = length.filter(|&n| n > MAX_BODY as u64) {
            return Err(StoreError::TooLarge(length));
        }
        let limit = self.allowance(length.unwrap_or(0));
        let body = self
            .env
            .within(limit, read_body(given.body, length))
            .await
            .unwrap_or_else(|| {
                let why = format!("the body did not arrive within {limit:?}");
                Err(StoreError::Unavailable(why))
            })?;
        Ok(Object {
            body,
            etag,
            last_modified,
        })
    }

    async fn put(
        &self,
        key: &StoreKey,
        body: Bytes,
        condition: If<'_>,
    ) -> Result<Write, StoreError> {
        limits::fits(&body)?;
        let (answer, seen) = self.send(Verb::Put, key, condition, body).await;
        Ok(match answer {
            // It landed, but without these two the writer holds nothing: reading it back will tell.
            Ok(given) => match (given.etag, seen.date) {
                (Some(etag), Some(date)) => Write::Won {
                    etag: Etag::new(etag),
                    date,
                },
                _ => Write::Unknown,
            },
            Err(failure) => failure.into_write()?,
        })
    }
}

/// The whole body, and nothing but: a length is only a claim.
async fn read_body(mut stream: ByteStream, length: Option<u64>) -> Result<Bytes, StoreError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| StoreError::Unavailable(answer::chain(&error)))?;
        let total = body.len() + chunk.len();
        if total > MAX_BODY {
            return Err(StoreError::TooLarge(total as u64));
        }
        body.extend_from_slice(&chunk);
    }
    let got = body.len() as u64;
    match length {
        Some(length) if length != got => Err(StoreError::Unavailable(format!(
            "the body was cut off after {got} of {length} bytes"
        ))),
        _ => Ok(body.freeze()),
    }
}

#[async_trait]
impl Store for S3Store {
    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn place(&self) -> Option<Place> {
        Some(Place {
            bucket: self.bucket.clone(),
            prefix: self.root.clone(),
        })
    }

    fn attempt_timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    /// A new pool of connections. One that the program brought is replaced as well.
    fn reconnect(&self) {
        let old = self.wire();
        let config = old.client.config().to_builder();
        let fresh = Client::from_conf(
            config
                .http_client(connect::http_client(self.endpoint.as_deref()))
                .build(),
        );
        *self.wire.write().unwrap_or_else(PoisonError::into_inner) = old.with(fresh);
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        let Dated { date, value } = self.fetch(key, If::Always).await?;
        let value = match value {
            Changed::Now(object) => Some(object),
            Changed::Missing => None,
            Changed::Same => {
                let why = "304 was answered to a question without a condition";
                return Err(StoreError::Unsupported(why.into()));
            }
        };
        Ok(Dated { date, value })
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        self.fetch(key, If::Other(seen)).await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        self.put(key, body, If::Absent).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        self.put(key, body, If::Same(seen)).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        let (answer, seen) = self.send(Verb::Delete, key, If::Always, Bytes::new()).await;
        match answer {
            Err(failure) if !failure.is_missing() => Err(failure.into_error()),
            _ => Ok(Dated {
                date: seen.date()?,
                value: (),
            }),
        }
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        limits::few(keys)?;
        if keys.is_empty() {
            // S3 refuses an empty batch, and the caller is owed a date.
            let listed = self.list(&List::prefix("").limit(1)).await?;
            return Ok(Dated {
                date: listed.date,
                value: Vec::new(),
            });
        }
        let construction =
            |error: aws_sdk_s3::error::BuildError| StoreError::Misconfigured(error.to_string());
        let mut batch = Delete::builder().quiet(true);
        for key in keys {
            let id = ObjectIdentifier::builder().key(self.full(key)).build();
            batch = batch.objects(id.map_err(construction)?);
        }
        let witness = Witness::default();
        let request = self
            .client()
            .delete_objects()
            .bucket(&self.bucket)
            .delete(batch.build().map_err(construction)?)
            .customize()
            .interceptor(witness.clone());
        let (answer, seen) = witness.judge(request.send().await);
        let output = answer.map_err(Failure::into_error)?;
        let mut failed = Vec::new();
        for error in output.errors() {
            let Some(why) = answer::of_batch(error.code(), error.message()) else {
                continue;
            };
            // An error that names no key of ours may be about any of them.
            let Some(key) = error.key().and_then(|key| key.strip_prefix(&self.root)) else {
                return Err(why);
            };
            failed.push((StoreKey::listed(key), why));
        }
        Ok(Dated {
            date: seen.date()?,
            value: failed,
        })
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        if !self.abilities.delete_if {
            // Never sent on a guess: a store that ignores the condition would delete.
            return Err(StoreError::Unsupported(
                "conditional deletion (add ?delete_if=true if the store checks the condition)"
                    .into(),
            ));
        }
        let (answer, witnessed) = self
            .send(Verb::Delete, key, If::Same(seen), Bytes::new())
            .await;
        Ok(match answer {
            Ok(_) => match witnessed.date {
                // Nothing is left that could have an ETag; the one deleted stands for it.
                Some(date) => Write::Won {
                    etag: seen.clone(),
                    date,
                },
                None => Write::Unknown,
            },
            Err(failure) => failure.into_write()?,
        })
    }

    async fn list(&self, asked: &List) -> Result<Dated<Page>, StoreError> {
        let witness = Witness::default();
        let request = self
            .client()
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(format!("{}{}", self.root, asked.prefix))
            .set_start_after(
                asked
                    .start_after
                    .as_ref()
                    .map(|k| format!("{}{k}", self.root)),
            )
            .set_delimiter(asked.fold.then(|| "/".to_owned()))
            .max_keys(i32::from(asked.limit.clamp(1, super::MAX_PAGE)))
            .encoding_type(EncodingType::Url)
            .customize()
            .interceptor(witness.clone());
        let (answer, seen) = witness.judge(request.send().await);
        let output = answer.map_err(Failure::into_error)?;
        Ok(Dated {
            date: seen.date()?,
            value: list::page(&self.root, asked, &output)?,
        })
    }
}
