//! Objects: put, get, head, delete, copy.

use bytes::Bytes;
use futures::future::try_join;
use http::StatusCode;
use oq_core::store::{Etag, MAX_DELETE, Object, StoreKey};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETagCondition,
    Error, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, MetadataDirective,
    ObjectIdentifier, PutObjectInput, PutObjectOutput, Range,
};
use s3s::{Body, S3Error, S3Request, S3Result, s3_error};

use super::Endpoint;
use super::about::{self, About, PLAIN, about_request};
use super::body::claims;
use super::clock::shown;
use super::conditions::{self, DeleteDemand, Demand, ReadDemand, etag_of};
use super::errors::{named, no_such_key, refuse, said};
use super::keys::Bucket;

/// The one version that objects of a bucket without versioning have.
const NULL_VERSION: &str = "null";

/// An object as it was found, with what is kept about it.
pub struct Found {
    pub object: Object,
    pub about: About,
}

impl Endpoint {
    pub(super) async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<PutObjectOutput> {
        let claims = claims!(request);
        let mut input = request.input;
        refuse(&input.tagging, "tags")?;
        refuse(&input.server_side_encryption, "encryption")?;
        refuse(&input.sse_customer_algorithm, "encryption")?;
        refuse(&input.object_lock_mode, "object lock")?;
        refuse(&input.write_offset_bytes, "appending to objects")?;
        let demand = Demand::of_put(input.if_match.take(), input.if_none_match.take())?;
        let about = about_request!(input)?;
        let bucket = self.bucket(&input.bucket).await?;
        let received = self.receive(input.body.take(), claims).await?;
        let etag = self
            .write(&bucket, &input.key, received.bytes, &demand)
            .await?;
        self.keep_about(&bucket, &input.key, &etag, about).await?;
        Ok(PutObjectOutput {
            e_tag: Some(etag_of(&etag)),
            checksum_crc32: received.sums.checksum_crc32,
            checksum_crc32c: received.sums.checksum_crc32c,
            checksum_crc64nvme: received.sums.checksum_crc64nvme,
            checksum_sha1: received.sums.checksum_sha1,
            checksum_sha256: received.sums.checksum_sha256,
            ..PutObjectOutput::default()
        })
    }

    /// Writes a version of an object, if what is there is as demanded.
    pub(super) async fn write(
        &self,
        bucket: &Bucket,
        key: &str,
        body: Bytes,
        demand: &Demand,
    ) -> S3Result<Etag> {
        let key = bucket.object(key)?;
        let store = self.store();
        let write = match demand {
            Demand::Any => store.put(&key, body).await,
            Demand::Absent => store.create(&key, body).await,
            Demand::Version(seen) => store.update(&key, body, seen).await,
        };
        let lost = async || match demand {
            Demand::Version(_) => self.not_that_version(&key).await,
            _ => conditions::failed(),
        };
        self.settled(write, *demand != Demand::Any, lost).await
    }

    /// Why a version was not found: another is there (412), or none is (404).
    async fn not_that_version(&self, key: &StoreKey) -> S3Error {
        match self.get(key).await {
            Ok(Some(_)) => conditions::failed(),
            Ok(None) => no_such_key(),
            Err(e) => e,
        }
    }

    /// An object and what is kept about it.
    pub(super) async fn find(&self, bucket: &Bucket, key: &str) -> S3Result<Found> {
        let (at, about_at) = (bucket.object(key)?, bucket.about(key));
        // Side by side: with SQLite both are then read in one turn.
        let (object, kept) = try_join(self.get(&at), self.get(&about_at)).await?;
        let object = object.ok_or_else(no_such_key)?;
        let about = about::of_version(kept.as_ref().map(|o| &o.body[..]), &object.etag);
        Ok(Found { object, about })
    }

    pub(super) async fn get_object(&self, input: GetObjectInput) -> S3Result<GetObjectOutput> {
        refuse(&input.sse_customer_algorithm, "encryption")?;
        let bucket = self.bucket(&input.bucket).await?;
        check_version(input.version_id.as_deref())?;
        let demand = ReadDemand {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let Found { object, about } = self.find(&bucket, &input.key).await?;
        demand
            .check(&object)
            .map_err(|e| with_version(e, &object))?;
        let cut = Cut::of(&object.body, input.range, input.part_number)?;
        Ok(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(cut.body.len()).ok(),
            content_range: cut.content_range,
            body: Some(Body::from(cut.body).into()),
            e_tag: Some(etag_of(&object.etag)),
            last_modified: Some(shown(object.last_modified)),
            expires: about.expires(),
            metadata: about.metadata(),
            content_type: Some(about.content_type.unwrap_or_else(|| PLAIN.to_owned())),
            content_encoding: about.content_encoding,
            content_language: about.content_language,
            content_disposition: about.content_disposition,
            cache_control: about.cache_control,
            ..GetObjectOutput::default()
        })
    }

    pub(super) async fn head_object(&self, input: HeadObjectInput) -> S3Result<HeadObjectOutput> {
        let get = GetObjectInput::builder()
            .bucket(input.bucket)
            .key(input.key)
            .if_match(input.if_match)
            .if_none_match(input.if_none_match)
            .if_modified_since(input.if_modified_since)
            .if_unmodified_since(input.if_unmodified_since)
            .range(input.range)
            .part_number(input.part_number)
            .version_id(input.version_id)
            .sse_customer_algorithm(input.sse_customer_algorithm)
            .build()
            .map_err(S3Error::internal_error)?;
        let got = self.get_object(get).await?;
        Ok(HeadObjectOutput {
            accept_ranges: got.accept_ranges,
            content_length: got.content_length,
            content_range: got.content_range,
            e_tag: got.e_tag,
            last_modified: got.last_modified,
            expires: got.expires,
            metadata: got.metadata,
            content_type: got.content_type,
            content_encoding: got.content_encoding,
            content_language: got.content_language,
            content_disposition: got.content_disposition,
            cache_control: got.cache_control,
            ..HeadObjectOutput::default()
        })
    }

    pub(super) async fn delete_object(
        &self,
        input: DeleteObjectInput,
    ) -> S3Result<DeleteObjectOutput> {
        refuse(&input.if_match_size, "conditions on sizes")?;
        refuse(
            &input.if_match_last_modified_time,
            "conditions on dates of deletions",
        )?;
        let bucket = self.bucket(&input.bucket).await?;
        check_version(input.version_id.as_deref())?;
        let demand = DeleteDemand::of(input.if_match);
        self.remove(&bucket, &input.key, demand).await?;
        Ok(DeleteObjectOutput::default())
    }

    async fn remove(&self, bucket: &Bucket, key: &str, demand: DeleteDemand) -> S3Result<()> {
        let (at, about) = (bucket.object(key)?, bucket.about(key));
        let seen = match demand {
            DeleteDemand::Any => None,
            DeleteDemand::Version(seen) => Some(seen),
            DeleteDemand::Exists => {
                let there = self.get(&at).await?;
                Some(there.ok_or_else(no_such_key)?.etag)
            }
        };
        let Some(seen) = seen else {
            return self.delete_all(&[at, about]).await;
        };
        let deleted = self.store().delete_if(&at, &seen).await;
        let lost = async || self.not_that_version(&at).await;
        self.settled(deleted, true, lost).await?;
        self.delete_all(&[about]).await
    }

    /// Deletes what is in the store under these keys.
    pub(super) async fn delete_all(&self, keys: &[StoreKey]) -> S3Result<()> {
        for batch in keys.chunks(MAX_DELETE) {
            let left = self.dated(self.store().delete_many(batch).await)?;
            if let Some((_, why)) = left.into_iter().next() {
                return Err(said(why));
            }
        }
        Ok(())
    }

    pub(super) async fn delete_objects(
        &self,
        input: DeleteObjectsInput,
    ) -> S3Result<DeleteObjectsOutput> {
        let bucket = self.bucket(&input.bucket).await?;
        if input.delete.objects.is_empty() || input.delete.objects.len() > MAX_DELETE {
            return Err(s3_error!(
                MalformedXML,
                "a batch deletes 1 to {MAX_DELETE} objects, not {}",
                input.delete.objects.len()
            ));
        }
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        let mut plain = Vec::new();
        for one in input.delete.objects {
            match self.plainly(&bucket, &one) {
                Ok(Some(keys)) => {
                    plain.extend(keys);
                    deleted.push(one.key);
                }
                Ok(None) => {
                    let demand = DeleteDemand::of(one.e_tag.map(ETagCondition::ETag));
                    match self.remove(&bucket, &one.key, demand).await {
                        Ok(()) => deleted.push(one.key),
                        Err(e) => errors.push(entry(one.key, &e)),
                    }
                }
                Err(e) => errors.push(entry(one.key, &e)),
            }
        }
        self.delete_all(&plain).await?;
        let deleted = deleted.into_iter().map(|key| DeletedObject {
            key: Some(key),
            ..DeletedObject::default()
        });
        Ok(DeleteObjectsOutput {
            deleted: (input.delete.quiet != Some(true)).then(|| deleted.collect()),
            errors: (!errors.is_empty()).then_some(errors),
            request_charged: None,
        })
    }

    /// The keys to delete for one of a batch that has no condition.
    fn plainly(&self, bucket: &Bucket, one: &ObjectIdentifier) -> S3Result<Option<[StoreKey; 2]>> {
        refuse(&one.size, "conditions on sizes")?;
        refuse(&one.last_modified_time, "conditions on dates of deletions")?;
        check_version(one.version_id.as_deref())?;
        let keys = [bucket.object(&one.key)?, bucket.about(&one.key)];
        Ok(one.e_tag.is_none().then_some(keys))
    }

    pub(super) async fn copy_object(
        &self,
        mut input: CopyObjectInput,
    ) -> S3Result<CopyObjectOutput> {
        refuse(&input.server_side_encryption, "encryption")?;
        refuse(&input.sse_customer_algorithm, "encryption")?;
        refuse(&input.tagging, "tags")?;
        let replace = input
            .metadata_directive
            .as_ref()
            .map(MetadataDirective::as_str)
            == Some(MetadataDirective::REPLACE);
        let demand = ReadDemand {
            if_match: input.copy_source_if_match.take(),
            if_none_match: input.copy_source_if_none_match.take(),
            if_modified_since: input.copy_source_if_modified_since.take(),
            if_unmodified_since: input.copy_source_if_unmodified_since.take(),
        };
        let (from, from_key) = self.source(&input.copy_source).await?;
        let to = self.bucket(&input.bucket).await?;
        if from == to && from_key == input.key && !replace {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata."
            ));
        }
        let Found { object, about } = self.find(&from, &from_key).await?;
        demand.check_source(&object)?;
        let about = if replace {
            about_request!(input)?
        } else {
            about
        };
        let _room = self.room(object.body.len()).await?;
        let etag = self
            .write(&to, &input.key, object.body, &Demand::Any)
            .await?;
        self.keep_about(&to, &input.key, &etag, about).await?;
        let written = self.get(&to.object(&input.key)?).await?;
        Ok(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: Some(etag_of(&etag)),
                last_modified: written.map(|o| shown(o.last_modified)),
                ..CopyObjectResult::default()
            }),
            ..CopyObjectOutput::default()
        })
    }

    /// The object that a copy is made of.
    pub(super) async fn source(&self, source: &CopySource) -> S3Result<(Bucket, String)> {
        let CopySource::Bucket {
            bucket,
            key,
            version_id,
        } = source
        else {
            return Err(super::errors::lacking("access points"));
        };
        check_version(version_id.as_deref())?;
        Ok((self.bucket(bucket).await?, key.to_string()))
    }
}

fn entry(key: String, error: &S3Error) -> Error {
    Error {
        code: Some(error.code().as_str().to_owned()),
        message: error.message().map(str::to_owned),
        key: Some(key),
        version_id: None,
    }
}

/// Versioning is never enabled, so there is one version only.
pub fn check_version(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some(NULL_VERSION) => Ok(()),
        Some(_) => Err(s3_error!(
            NoSuchVersion,
            "versioning is not enabled here, so no object has this version"
        )),
    }
}

/// A 304 names the version that has not changed.
fn with_version(mut error: S3Error, object: &Object) -> S3Error {
    if let Ok(etag) = etag_of(&object.etag).to_http_header() {
        error.set_headers([(http::header::ETAG, etag)].into_iter().collect());
    }
    error
}

/// The part of an object that was asked for.
#[derive(Debug)]
pub struct Cut {
    pub body: Bytes,
    content_range: Option<String>,
}

impl Cut {
    pub fn of(body: &Bytes, range: Option<Range>, part: Option<i32>) -> S3Result<Cut> {
        if part.is_some_and(|part| part != 1) {
            // What was uploaded in parts is one object since.
            return Err(named(
                "InvalidPartNumber",
                StatusCode::RANGE_NOT_SATISFIABLE,
                "an object has one part here",
            ));
        }
        let Some(range) = range else {
            return Ok(Cut {
                body: body.clone(),
                content_range: None,
            });
        };
        let size = body.len();
        let bytes = range.check(size as u64).map_err(|_| {
            let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable");
            if let Ok(value) = http::HeaderValue::try_from(format!("bytes */{size}")) {
                error.set_headers([(http::header::CONTENT_RANGE, value)].into_iter().collect());
            }
            error
        })?;
        // Within the size of something that is in memory.
        let (from, to) = (bytes.start as usize, bytes.end as usize);
        Ok(Cut {
            body: body.slice(from..to),
            content_range: (from < to).then(|| format!("bytes {from}-{}/{size}", to - 1)),
        })
    }
}
