//! Listings: ListObjectsV2, the older ListObjects, and ListObjectVersions, which shows the one
//! version that there is.

use oq_core::store::{List, Listed, MAX_PAGE};
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object,
    ObjectStorageClass, ObjectVersion, ObjectVersionStorageClass, Owner,
};
use s3s::{S3Result, s3_error};

use super::clock::shown;
use super::conditions::etag_of;
use super::keys::{Bucket, HIDDEN, LAST};
use super::{Endpoint, OWNER};

/// What to list of a bucket.
struct Question {
    prefix: String,
    delimiter: Option<String>,
    after: Option<String>,
    limit: usize,
}

/// One page, in the bucket's own keys.
#[derive(Default)]
struct Page {
    entries: Vec<Listed>,
    folders: Vec<String>,
    /// Behind which key the next page begins.
    next: Option<String>,
}

/// How the text of a listing is written.
#[derive(Clone, Copy)]
struct Written {
    encoded: bool,
}

impl Written {
    fn of(encoding: Option<&EncodingType>) -> S3Result<Written> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Written { encoded: false }),
            Some(EncodingType::URL) => Ok(Written { encoded: true }),
            Some(_) => Err(s3_error!(
                InvalidArgument,
                "Invalid Encoding Method specified in Request"
            )),
        }
    }

    fn text(self, text: &str) -> String {
        if !self.encoded {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        for &byte in text.as_bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                    out.push(char::from(byte));
                }
                _ => out.push_str(&format!("%{byte:02X}")),
            }
        }
        out
    }

    fn folders(self, folders: &[String]) -> Option<Vec<CommonPrefix>> {
        let shown = folders.iter().map(|folder| CommonPrefix {
            prefix: Some(self.text(folder)),
        });
        (!folders.is_empty()).then(|| shown.collect())
    }
}

impl Endpoint {
    pub(super) async fn list_objects_v2(
        &self,
        input: ListObjectsV2Input,
    ) -> S3Result<ListObjectsV2Output> {
        let written = Written::of(input.encoding_type.as_ref())?;
        let bucket = self.bucket(&input.bucket).await?;
        let limit = limit(input.max_keys)?;
        let after = match &input.continuation_token {
            Some(token) => Some(token_text(token)?),
            None => input.start_after.clone(),
        };
        let question = Question {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().filter(|d| !d.is_empty()),
            after,
            limit,
        };
        let page = self.page(&bucket, &question).await?;
        let owner = (input.fetch_owner == Some(true)).then(owner);
        let shown = page.entries.len() + page.folders.len();
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(written.text(&question.prefix)),
            delimiter: question.delimiter.map(|d| written.text(&d)),
            start_after: input.start_after.map(|s| written.text(&s)),
            max_keys: i32::try_from(limit).ok(),
            key_count: i32::try_from(shown).ok(),
            is_truncated: Some(page.next.is_some()),
            continuation_token: input.continuation_token,
            next_continuation_token: page.next.as_deref().map(token),
            contents: Some(objects(&page, &bucket, written, owner)),
            common_prefixes: written.folders(&page.folders),
            encoding_type: input.encoding_type,
            ..ListObjectsV2Output::default()
        })
    }

    pub(super) async fn list_objects(
        &self,
        input: ListObjectsInput,
    ) -> S3Result<ListObjectsOutput> {
        let written = Written::of(input.encoding_type.as_ref())?;
        let bucket = self.bucket(&input.bucket).await?;
        let limit = limit(input.max_keys)?;
        let question = Question {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().filter(|d| !d.is_empty()),
            after: behind(input.marker.as_deref(), input.delimiter.as_deref()),
            limit,
        };
        let page = self.page(&bucket, &question).await?;
        let next = page
            .next
            .as_ref()
            .map(|next| written.text(next.trim_end_matches(LAST)));
        Ok(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(written.text(&question.prefix)),
            // Without a delimiter the last key is where to go on, and S3 does not say it twice.
            next_marker: next.filter(|_| question.delimiter.is_some()),
            delimiter: question.delimiter.map(|d| written.text(&d)),
            marker: Some(written.text(&input.marker.unwrap_or_default())),
            max_keys: i32::try_from(limit).ok(),
            is_truncated: Some(page.next.is_some()),
            contents: Some(objects(&page, &bucket, written, Some(owner()))),
            common_prefixes: written.folders(&page.folders),
            encoding_type: input.encoding_type,
            request_charged: None,
        })
    }

    pub(super) async fn list_object_versions(
        &self,
        input: ListObjectVersionsInput,
    ) -> S3Result<ListObjectVersionsOutput> {
        let written = Written::of(input.encoding_type.as_ref())?;
        let bucket = self.bucket(&input.bucket).await?;
        let limit = limit(input.max_keys)?;
        let question = Question {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().filter(|d| !d.is_empty()),
            after: behind(input.key_marker.as_deref(), input.delimiter.as_deref()),
            limit,
        };
        let page = self.page(&bucket, &question).await?;
        let versions = page.entries.iter().map(|entry| ObjectVersion {
            key: Some(written.text(own(&bucket, entry))),
            e_tag: Some(etag_of(&entry.etag)),
            size: i64::try_from(entry.size).ok(),
            last_modified: Some(shown(entry.last_modified)),
            is_latest: Some(true),
            version_id: Some("null".to_owned()),
            storage_class: Some(ObjectVersionStorageClass::from_static(
                ObjectVersionStorageClass::STANDARD,
            )),
            owner: Some(owner()),
            ..ObjectVersion::default()
        });
        let next = page
            .next
            .as_ref()
            .map(|next| written.text(next.trim_end_matches(LAST)));
        Ok(ListObjectVersionsOutput {
            versions: Some(versions.collect()),
            next_version_id_marker: next.as_ref().map(|_| "null".to_owned()),
            next_key_marker: next,
            name: Some(input.bucket),
            prefix: Some(written.text(&question.prefix)),
            delimiter: question.delimiter.map(|d| written.text(&d)),
            key_marker: Some(written.text(&input.key_marker.unwrap_or_default())),
            max_keys: i32::try_from(limit).ok(),
            is_truncated: Some(page.next.is_some()),
            common_prefixes: written.folders(&page.folders),
            encoding_type: input.encoding_type,
            ..ListObjectVersionsOutput::default()
        })
    }

    /// One page of a bucket; what is hidden is passed over, and a delimiter that the store does not
    /// know is applied here.
    async fn page(&self, bucket: &Bucket, question: &Question) -> S3Result<Page> {
        let mut page = Page::default();
        if question.limit == 0 {
            return Ok(page);
        }
        let folds = question.delimiter.as_deref() == Some("/");
        let mut list = List::prefix(format!("{}{}", bucket.prefix(), question.prefix));
        list.fold = folds;
        list.start_after = question
            .after
            .as_ref()
            .map(|after| format!("{}{after}", bucket.prefix()));
        loop {
            let shown = page.entries.len() + page.folders.len();
            // One more than asked for tells whether there is another page.
            let left = u16::try_from(question.limit + 1 - shown).unwrap_or(MAX_PAGE);
            let asked = list.clone().limit(left);
            let got = self.dated(self.store().list(&asked).await)?;
            let mut rows: Vec<Row> = got.entries.into_iter().map(Row::Key).collect();
            rows.extend(got.folders.into_iter().map(Row::Folder));
            rows.sort_by(|a, b| a.at().cmp(b.at()));
            let mut jump = None;
            for row in rows {
                let own = &row.at()[bucket.prefix().len()..];
                if bucket.is_main() && own.starts_with(HIDDEN) {
                    jump = Some(format!("{HIDDEN}{LAST}"));
                    break;
                }
                let folder = match &row {
                    Row::Folder(_) => Some(own.to_owned()),
                    Row::Key(_) if folds => None,
                    Row::Key(_) => folder_of(own, question),
                };
                let behind = folder
                    .as_ref()
                    .map_or(own.to_owned(), |f| format!("{f}{LAST}"));
                if page.entries.len() + page.folders.len() == question.limit {
                    // The last key or folder that is shown is where the next page begins.
                    page.next = last_of(&page, bucket);
                    return Ok(page);
                }
                match (folder, row) {
                    (Some(folder), Row::Key(_)) => {
                        page.folders.push(folder);
                        jump = Some(format!("{}{behind}", bucket.prefix()));
                        break;
                    }
                    (Some(folder), Row::Folder(_)) => page.folders.push(folder),
                    (None, Row::Key(entry)) => page.entries.push(entry),
                    (None, Row::Folder(_)) => {}
                }
            }
            match jump.or(got.next) {
                Some(next) => list.start_after = Some(next),
                None => return Ok(page),
            }
        }
    }
}

/// A line of a listing of the store.
enum Row {
    Key(Listed),
    Folder(String),
}

impl Row {
    fn at(&self) -> &str {
        match self {
            Row::Key(entry) => entry.key.as_str(),
            Row::Folder(folder) => folder,
        }
    }
}

/// The folder that a key belongs to by a delimiter other than the store's.
fn folder_of(own: &str, question: &Question) -> Option<String> {
    let delimiter = question.delimiter.as_deref()?;
    let start = question.prefix.len();
    let at = own.get(start..)?.find(delimiter)?;
    Some(own[..start + at + delimiter.len()].to_owned())
}

fn last_of(page: &Page, bucket: &Bucket) -> Option<String> {
    let key = page
        .entries
        .last()
        .map(|entry| own(bucket, entry).to_owned());
    let folder = page.folders.last().map(|folder| format!("{folder}{LAST}"));
    key.max(folder)
}

fn own<'a>(bucket: &Bucket, entry: &'a Listed) -> &'a str {
    &entry.key.as_str()[bucket.prefix().len()..]
}

/// Where a listing goes on behind a marker: one that is a folder stands for all that is in it.
fn behind(marker: Option<&str>, delimiter: Option<&str>) -> Option<String> {
    let marker = marker.filter(|m| !m.is_empty())?;
    match delimiter {
        Some(delimiter) if !delimiter.is_empty() && marker.ends_with(delimiter) => {
            Some(format!("{marker}{LAST}"))
        }
        _ => Some(marker.to_owned()),
    }
}

fn objects(page: &Page, bucket: &Bucket, written: Written, owner: Option<Owner>) -> Vec<Object> {
    let shown = page.entries.iter().map(|entry| Object {
        key: Some(written.text(own(bucket, entry))),
        e_tag: Some(etag_of(&entry.etag)),
        size: i64::try_from(entry.size).ok(),
        last_modified: Some(shown(entry.last_modified)),
        storage_class: Some(ObjectStorageClass::from_static(
            ObjectStorageClass::STANDARD,
        )),
        owner: owner.clone(),
        ..Object::default()
    });
    shown.collect()
}

pub fn owner() -> Owner {
    Owner {
        display_name: None,
        id: Some(OWNER.to_owned()),
    }
}

fn limit(max_keys: Option<i32>) -> S3Result<usize> {
    let most = usize::from(MAX_PAGE);
    match max_keys {
        None => Ok(most),
        Some(n) => usize::try_from(n).map(|n| n.min(most)).map_err(|_| {
            s3_error!(
                InvalidArgument,
                "Argument max-keys must be an integer between 0 and 2147483647"
            )
        }),
    }
}

/// A continuation token: the key to go on behind, in digits that survive any URL or XML.
fn token(next: &str) -> String {
    next.bytes().map(|b| format!("{b:02x}")).collect()
}

fn token_text(token: &str) -> S3Result<String> {
    let wrong = || {
        s3_error!(
            InvalidArgument,
            "The continuation token provided is incorrect"
        )
    };
    let digits = token.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return Err(wrong());
    }
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    String::from_utf8(bytes.ok_or_else(wrong)?).map_err(|_| wrong())
}
