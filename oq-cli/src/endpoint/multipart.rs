//! Uploads in parts. Parts are objects of their own until the upload is completed; then they are
//! put together and written as one object, in one conditional write.

use bytes::{Bytes, BytesMut};
use oq_core::StoreTime;
use oq_core::store::{Etag, List, Listed, MAX_BODY, StoreKey};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CopyPartResult, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListPartsInput, ListPartsOutput, MultipartUpload, Part, Range, UploadPartCopyInput,
    UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Error, S3Request, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::Endpoint;
use super::about::{About, about_request};
use super::body::claims;
use super::clock::shown;
use super::conditions::{Demand, ReadDemand, etag_of};
use super::errors::{lacking, refuse, too_large};
use super::keys::Bucket;
use super::listing::owner;
use super::objects::{Cut, Found};

/// S3's bounds: parts are numbered up to this, and all but the last have at least so many bytes.
const MAX_PART: i32 = 10_000;
const MIN_PART_SIZE: u64 = 5 << 20;

/// The most lines of one answer.
const MAX_LINES: usize = 1000;

/// An upload that was begun.
#[derive(Debug, Serialize, Deserialize)]
struct Upload {
    key: String,
    about: About,
}

/// A part that is there.
struct Present {
    number: i32,
    etag: Etag,
    size: u64,
    modified: StoreTime,
    at: StoreKey,
}

impl Endpoint {
    pub(super) async fn create_upload(
        &self,
        mut input: CreateMultipartUploadInput,
    ) -> S3Result<CreateMultipartUploadOutput> {
        refuse(&input.tagging, "tags")?;
        refuse(&input.server_side_encryption, "encryption")?;
        refuse(&input.sse_customer_algorithm, "encryption")?;
        refuse(&input.object_lock_mode, "object lock")?;
        let about = about_request!(input)?;
        let bucket = self.bucket(&input.bucket).await?;
        bucket.object(&input.key)?;
        let entropy = &self.0.env.entropy;
        let id = format!("{:016x}{:016x}", entropy.next_u64(), entropy.next_u64());
        let upload = Upload {
            key: input.key.clone(),
            about,
        };
        let text = serde_json::to_vec(&upload).map_err(S3Error::internal_error)?;
        let begun = self.store().create(&bucket.upload(&id), text.into()).await;
        self.settled(begun, false, async || s3_error!(InternalError))
            .await?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            ..CreateMultipartUploadOutput::default()
        })
    }

    /// An upload that was begun for this key and not ended.
    async fn upload(&self, bucket: &Bucket, key: &str, id: &str) -> S3Result<Upload> {
        let there = self.get(&bucket.upload(id)).await?;
        let upload = there.and_then(|o| serde_json::from_slice::<Upload>(&o.body).ok());
        upload
            .filter(|upload| upload.key == key)
            .ok_or_else(no_such_upload)
    }

    pub(super) async fn upload_part(
        &self,
        mut request: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let claims = claims!(request);
        let mut input = request.input;
        let bucket = self.bucket(&input.bucket).await?;
        self.upload(&bucket, &input.key, &input.upload_id).await?;
        let received = self.receive(input.body.take(), claims).await?;
        let etag = self
            .put_part(&bucket, &input.upload_id, input.part_number, received.bytes)
            .await?;
        Ok(UploadPartOutput {
            e_tag: Some(etag_of(&etag)),
            checksum_crc32: received.sums.checksum_crc32,
            checksum_crc32c: received.sums.checksum_crc32c,
            checksum_crc64nvme: received.sums.checksum_crc64nvme,
            checksum_sha1: received.sums.checksum_sha1,
            checksum_sha256: received.sums.checksum_sha256,
            ..UploadPartOutput::default()
        })
    }

    pub(super) async fn upload_part_copy(
        &self,
        input: UploadPartCopyInput,
    ) -> S3Result<UploadPartCopyOutput> {
        let demand = ReadDemand {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
            if_modified_since: input.copy_source_if_modified_since,
            if_unmodified_since: input.copy_source_if_unmodified_since,
        };
        let bucket = self.bucket(&input.bucket).await?;
        self.upload(&bucket, &input.key, &input.upload_id).await?;
        let (from, key) = self.source(&input.copy_source).await?;
        let Found { object, .. } = self.find(&from, &key).await?;
        demand.check_source(&object)?;
        let range = input.copy_source_range.as_deref().map(Range::parse);
        let range = range.transpose().map_err(|_| {
            s3_error!(
                InvalidArgument,
                "The x-amz-copy-source-range value must be of the form bytes=first-last"
            )
        })?;
        let cut = Cut::of(&object.body, range, None)?;
        let _room = self.room(cut.body.len()).await?;
        let etag = self
            .put_part(&bucket, &input.upload_id, input.part_number, cut.body)
            .await?;
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                e_tag: Some(etag_of(&etag)),
                last_modified: Some(shown(object.last_modified)),
                ..CopyPartResult::default()
            }),
            ..UploadPartCopyOutput::default()
        })
    }

    async fn put_part(
        &self,
        bucket: &Bucket,
        id: &str,
        number: i32,
        body: Bytes,
    ) -> S3Result<Etag> {
        if !(1..=MAX_PART).contains(&number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and {MAX_PART}, inclusive"
            ));
        }
        let put = self.store().put(&bucket.part(id, number), body).await;
        self.settled(put, false, async || s3_error!(InternalError))
            .await
    }

    /// The parts that are there, by number.
    async fn present(&self, bucket: &Bucket, id: &str) -> S3Result<Vec<Present>> {
        let prefix = bucket.parts(id);
        let mut list = List::prefix(prefix.as_str());
        let mut present = Vec::new();
        loop {
            let page = self.dated(self.store().list(&list).await)?;
            let part = |entry: Listed| {
                let number = entry.key.as_str().strip_prefix(&prefix)?.parse().ok()?;
                Some(Present {
                    number,
                    etag: entry.etag,
                    size: entry.size,
                    modified: entry.last_modified,
                    at: entry.key,
                })
            };
            present.extend(page.entries.into_iter().filter_map(part));
            match page.next {
                Some(next) => list = list.after(next),
                None => return Ok(present),
            }
        }
    }

    pub(super) async fn complete_upload(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let demand = Demand::of_put(input.if_match, input.if_none_match)?;
        let bucket = self.bucket(&input.bucket).await?;
        let upload = self.upload(&bucket, &input.key, &input.upload_id).await?;
        let named = input
            .multipart_upload
            .and_then(|m| m.parts)
            .unwrap_or_default();
        let present = self.present(&bucket, &input.upload_id).await?;
        let chosen = chosen(&named, &present)?;
        let size = chosen.iter().map(|part| part.size).sum();
        if size > MAX_BODY as u64 {
            return Err(too_large(size));
        }
        if input
            .mpu_object_size
            .is_some_and(|n| u64::try_from(n) != Ok(size))
        {
            return Err(s3_error!(
                InvalidRequest,
                "the parts have {size} bytes together"
            ));
        }
        // What is at most 64 MiB fits in memory.
        let _room = self.room(size as usize).await?;
        let body = self.joined(&chosen, size as usize).await?;
        let etag = self.write(&bucket, &input.key, body, &demand).await?;
        self.keep_about(&bucket, &input.key, &etag, upload.about)
            .await?;
        self.forget_upload(&bucket, &input.upload_id).await?;
        Ok(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(etag_of(&etag)),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    async fn joined(&self, parts: &[&Present], size: usize) -> S3Result<Bytes> {
        let mut body = BytesMut::with_capacity(size);
        for part in parts {
            let there = self.get(&part.at).await?;
            let same = there.filter(|object| object.etag == part.etag);
            body.extend_from_slice(&same.ok_or_else(invalid_part)?.body);
        }
        Ok(body.freeze())
    }

    /// The record goes first: without it no new part comes.
    async fn forget_upload(&self, bucket: &Bucket, id: &str) -> S3Result<()> {
        self.delete_all(&[bucket.upload(id)]).await?;
        self.delete_below(&bucket.parts(id)).await
    }

    pub(super) async fn abort_upload(
        &self,
        input: AbortMultipartUploadInput,
    ) -> S3Result<AbortMultipartUploadOutput> {
        let bucket = self.bucket(&input.bucket).await?;
        self.upload(&bucket, &input.key, &input.upload_id).await?;
        self.forget_upload(&bucket, &input.upload_id).await?;
        Ok(AbortMultipartUploadOutput::default())
    }

    pub(super) async fn list_parts(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let bucket = self.bucket(&input.bucket).await?;
        self.upload(&bucket, &input.key, &input.upload_id).await?;
        let marker = input.part_number_marker.unwrap_or_default();
        let most = lines(input.max_parts)?;
        let mut parts = self.present(&bucket, &input.upload_id).await?;
        parts.retain(|part| part.number > marker);
        let more = parts.len() > most;
        parts.truncate(most);
        let next = parts.last().map(|part| part.number).filter(|_| more);
        let parts = parts.iter().map(|part| Part {
            part_number: Some(part.number),
            e_tag: Some(etag_of(&part.etag)),
            size: i64::try_from(part.size).ok(),
            last_modified: Some(shown(part.modified)),
            ..Part::default()
        });
        Ok(ListPartsOutput {
            parts: Some(parts.collect()),
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            part_number_marker: Some(marker),
            next_part_number_marker: next,
            max_parts: i32::try_from(most).ok(),
            is_truncated: Some(more),
            owner: Some(owner()),
            ..ListPartsOutput::default()
        })
    }

    pub(super) async fn list_uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        if input.delimiter.is_some() || input.encoding_type.is_some_and(|e| e.as_str() != "url") {
            return Err(lacking("folders in listings of uploads"));
        }
        let bucket = self.bucket(&input.bucket).await?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let most = lines(input.max_uploads)?;
        let after = (
            input.key_marker.clone().unwrap_or_default(),
            input.upload_id_marker.clone().unwrap_or_default(),
        );
        let mut uploads = self.begun(&bucket).await?;
        uploads.retain(|(key, id, _)| {
            key.starts_with(&prefix)
                && match after.1.is_empty() {
                    true => *key > after.0,
                    false => (key, id) > (&after.0, &after.1),
                }
        });
        uploads.sort();
        let more = uploads.len() > most;
        uploads.truncate(most);
        let next = uploads.last().filter(|_| more).cloned();
        let shown = uploads.into_iter().map(|(key, id, begun)| MultipartUpload {
            key: Some(key),
            upload_id: Some(id),
            initiated: Some(shown(begun)),
            owner: Some(owner()),
            ..MultipartUpload::default()
        });
        Ok(ListMultipartUploadsOutput {
            uploads: Some(shown.collect()),
            bucket: Some(input.bucket),
            prefix: input.prefix,
            key_marker: input.key_marker,
            upload_id_marker: input.upload_id_marker,
            next_key_marker: next.as_ref().map(|(key, ..)| key.clone()),
            next_upload_id_marker: next.map(|(_, id, _)| id),
            max_uploads: i32::try_from(most).ok(),
            is_truncated: Some(more),
            ..ListMultipartUploadsOutput::default()
        })
    }

    /// All uploads of a bucket: key, id, when it was begun.
    async fn begun(&self, bucket: &Bucket) -> S3Result<Vec<(String, String, StoreTime)>> {
        let prefix = bucket.uploads();
        let mut list = List::prefix(prefix.as_str());
        let mut found = Vec::new();
        loop {
            let page = self.dated(self.store().list(&list).await)?;
            for entry in page.entries {
                let Some(object) = self.get(&entry.key).await? else {
                    continue;
                };
                if let Ok(upload) = serde_json::from_slice::<Upload>(&object.body) {
                    let id = entry.key.as_str()[prefix.len()..].to_owned();
                    found.push((upload.key, id, entry.last_modified));
                }
            }
            match page.next {
                Some(next) => list = list.after(next),
                None => return Ok(found),
            }
        }
    }
}

/// The parts that were named, all of them there, in order and large enough.
fn chosen<'a>(named: &[CompletedPart], present: &'a [Present]) -> S3Result<Vec<&'a Present>> {
    if named.is_empty() {
        return Err(s3_error!(
            MalformedXML,
            "You must specify at least one part"
        ));
    }
    let mut chosen: Vec<&Present> = Vec::with_capacity(named.len());
    for part in named {
        let number = part.part_number.unwrap_or_default();
        if chosen.last().is_some_and(|before| before.number >= number) {
            return Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order. Parts must be ordered by part number."
            ));
        }
        let there = present.iter().find(|p| p.number == number);
        let same = there.filter(|p| part.e_tag.as_ref() == Some(&etag_of(&p.etag)));
        chosen.push(same.ok_or_else(invalid_part)?);
    }
    let all_but_last = &chosen[..chosen.len() - 1];
    if all_but_last.iter().any(|part| part.size < MIN_PART_SIZE) {
        return Err(s3_error!(
            EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size"
        ));
    }
    Ok(chosen)
}

fn lines(asked: Option<i32>) -> S3Result<usize> {
    let asked = usize::try_from(asked.unwrap_or(1000));
    let asked =
        asked.map_err(|_| s3_error!(InvalidArgument, "a page has no fewer than 0 lines"))?;
    Ok(asked.min(MAX_LINES))
}

fn no_such_upload() -> S3Error {
    s3_error!(
        NoSuchUpload,
        "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    )
}

fn invalid_part() -> S3Error {
    s3_error!(
        InvalidPart,
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    )
}
