//! Content type and metadata of an object, which the store does not keep.
//!
//! They lie in an object of their own and name the version that they are about. It is written
//! after that version, before the PUT is answered: whoever reads between the two, and whoever reads
//! an object whose writer died between them, sees the object without them. An object that has none
//! costs nothing; most have none. A plain content type (`application/octet-stream`, which SDKs send
//! unasked, or `binary/octet-stream`, which S3 shows if none was sent) counts as none.

use std::collections::BTreeMap;

use oq_core::store::Etag;
use s3s::dto::{Metadata, Timestamp, TimestampFormat};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::Endpoint;
use super::keys::Bucket;

/// What S3 shows of an object that was sent without a content type.
pub const PLAIN: &str = "binary/octet-stream";

/// S3's bound on metadata, names and values together.
const MAX_METADATA: usize = 2048;

/// What is kept about one version of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The version that this is about.
    etag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// As an HTTP date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// The headers of a request that say something about the object in it.
macro_rules! about_request {
    ($input:expr) => {
        $crate::endpoint::about::About::sent($crate::endpoint::about::Sent {
            content_type: $input.content_type.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            content_disposition: $input.content_disposition.take(),
            cache_control: $input.cache_control.take(),
            expires: $input.expires.take(),
            metadata: $input.metadata.take(),
        })
    };
}
pub(super) use about_request;

/// The same, as they were sent.
pub struct Sent {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub content_disposition: Option<String>,
    pub cache_control: Option<String>,
    pub expires: Option<Timestamp>,
    pub metadata: Option<Metadata>,
}

impl About {
    /// What is to be kept of what was sent.
    pub fn sent(sent: Sent) -> S3Result<About> {
        let metadata: BTreeMap<String, String> = sent.metadata.into_iter().flatten().collect();
        let size: usize = metadata.iter().map(|(k, v)| k.len() + v.len()).sum();
        if size > MAX_METADATA {
            return Err(s3_error!(
                MetadataTooLarge,
                "metadata has {size} bytes, and may have {MAX_METADATA}"
            ));
        }
        Ok(About {
            etag: String::new(),
            content_type: sent.content_type.filter(|t| !is_plain(t)),
            content_encoding: sent.content_encoding.and_then(|e| without_chunks(&e)),
            content_language: sent.content_language,
            content_disposition: sent.content_disposition,
            cache_control: sent.cache_control,
            expires: sent.expires.and_then(|at| {
                let mut text = Vec::new();
                at.format(TimestampFormat::HttpDate, &mut text).ok()?;
                String::from_utf8(text).ok()
            }),
            metadata,
        })
    }

    fn is_empty(&self) -> bool {
        let nothing = About {
            etag: self.etag.clone(),
            ..About::default()
        };
        *self == nothing
    }

    pub fn expires(&self) -> Option<Timestamp> {
        let text = self.expires.as_deref()?;
        Timestamp::parse(TimestampFormat::HttpDate, text).ok()
    }

    pub fn metadata(&self) -> Option<Metadata> {
        if self.metadata.is_empty() {
            return None;
        }
        Some(self.metadata.clone().into_iter().collect())
    }
}

fn is_plain(content_type: &str) -> bool {
    content_type.is_empty() || content_type == PLAIN || content_type == "application/octet-stream"
}

/// `aws-chunked` is how the body was sent, and not what it is.
fn without_chunks(encoding: &str) -> Option<String> {
    let parts = encoding.split(',').map(str::trim);
    let kept: Vec<&str> = parts
        .filter(|p| !p.is_empty() && *p != "aws-chunked")
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

impl Endpoint {
    /// Keeps what is known about the version that was just written, if anything is.
    pub(super) async fn keep_about(
        &self,
        bucket: &Bucket,
        key: &str,
        etag: &Etag,
        mut about: About,
    ) -> S3Result<()> {
        if about.is_empty() {
            return Ok(());
        }
        about.etag = etag.as_str().to_owned();
        let text = serde_json::to_vec(&about).map_err(s3s::S3Error::internal_error)?;
        let written = self.store().put(&bucket.about(key), text.into()).await;
        self.settled(written, false, async || s3_error!(InternalError))
            .await?;
        Ok(())
    }
}

/// What is known about this version: nothing, if what was kept is about another.
pub fn of_version(kept: Option<&[u8]>, etag: &Etag) -> About {
    kept.and_then(|text| serde_json::from_slice::<About>(text).ok())
        .filter(|about| about.etag == etag.as_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_body_was_sent_is_not_what_it_is() {
        assert_eq!(without_chunks("aws-chunked"), None);
        assert_eq!(without_chunks("gzip, aws-chunked").as_deref(), Some("gzip"));
        assert_eq!(without_chunks("gzip").as_deref(), Some("gzip"));
    }

    #[test]
    fn what_is_kept_about_another_version_is_not_shown() {
        let about = About {
            etag: "\"a\"".into(),
            content_type: Some("text/plain".into()),
            ..About::default()
        };
        let kept = serde_json::to_vec(&about).unwrap();
        assert_eq!(of_version(Some(&kept), &Etag::new("\"a\"")), about);
        let other = of_version(Some(&kept), &Etag::new("\"b\""));
        assert!(other.is_empty());
        assert!(of_version(Some(b"not JSON"), &Etag::new("\"b\"")).is_empty());
    }
}
