//! From S3's listing to a [`Page`]: keys relative to the root, decoded, in order.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;
use aws_smithy_types::DateTime;

use super::url::percent_decoded;
use crate::store::{Etag, List, Listed, Page, StoreError, StoreKey};
use crate::time::StoreTime;

/// Behind everything in a folder: the largest character there is. Going on behind the folder's own
/// name would show the folder again, for the keys in it sort behind that.
const LAST: char = '\u{10FFFF}';

/// `root` is empty or ends in `/`.
pub(super) fn page(
    root: &str,
    asked: &List,
    out: &ListObjectsV2Output,
) -> Result<Page, StoreError> {
    let encoded = out.encoding_type() == Some(&EncodingType::Url);
    let relative = |key: Option<&str>| -> Result<String, StoreError> {
        let key = key.ok_or_else(|| garbled("an entry without a key"))?;
        let key = if encoded {
            decoded(key)?
        } else {
            key.to_owned()
        };
        key.strip_prefix(root)
            .filter(|key| key.starts_with(&asked.prefix))
            .map(str::to_owned)
            .ok_or_else(|| unusable("a key outside of the prefix asked for"))
    };

    let mut entries = Vec::with_capacity(out.contents().len());
    for object in out.contents() {
        let etag = object
            .e_tag()
            .ok_or_else(|| garbled("a key without an ETag"))?;
        entries.push(Listed {
            key: StoreKey::listed(relative(object.key())?),
            etag: Etag::new(etag),
            size: u64::try_from(object.size().unwrap_or(-1))
                .map_err(|_| garbled("a key without a size"))?,
            last_modified: modified(object.last_modified())?,
        });
    }
    let mut folders = Vec::with_capacity(out.common_prefixes().len());
    for folder in out.common_prefixes() {
        folders.push(relative(folder.prefix())?);
    }
    // A worker that trusted an unordered listing would overlook work for ever.
    if !entries.is_sorted_by(|a, b| a.key < b.key) || !folders.is_sorted_by(|a, b| a < b) {
        return Err(unusable("keys that are not in order"));
    }

    let next = match (
        out.is_truncated().unwrap_or(false),
        entries.last(),
        folders.last(),
    ) {
        (false, _, _) => None,
        (true, None, None) => return Err(garbled("an empty page that is not the last")),
        (true, Some(entry), folder) if folder.is_none_or(|f| f.as_str() < entry.key.as_str()) => {
            Some(entry.key.as_str().to_owned())
        }
        (true, _, Some(folder)) => Some(format!("{folder}{LAST}")),
        (true, Some(entry), None) => Some(entry.key.as_str().to_owned()),
    };
    if next.is_some() && next <= asked.start_after {
        return Err(unusable("a page that does not go forward"));
    }
    Ok(Page {
        entries,
        folders,
        next,
    })
}

/// A store's moment in whole seconds: listings have milliseconds and headers do not, and the same
/// version must not have two ages.
pub(super) fn modified(at: Option<&DateTime>) -> Result<StoreTime, StoreError> {
    at.and_then(|at| u64::try_from(at.secs()).ok())
        .and_then(|seconds| seconds.checked_mul(1000))
        .map(StoreTime)
        .ok_or_else(|| garbled("an object without LastModified"))
}

/// S3's URL encoding writes a space as `+`.
fn decoded(key: &str) -> Result<String, StoreError> {
    percent_decoded(&key.replace('+', " ")).ok_or_else(|| garbled("a badly encoded key"))
}

fn garbled(what: &str) -> StoreError {
    StoreError::Unavailable(format!("the store's answer has {what}"))
}

fn unusable(what: &str) -> StoreError {
    StoreError::Unsupported(format!("the store listed {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::{CommonPrefix, Object};

    fn out(truncated: bool, keys: &[&str], folders: &[&str]) -> ListObjectsV2Output {
        ListObjectsV2Output::builder()
            .is_truncated(truncated)
            .encoding_type(EncodingType::Url)
            .set_contents(Some(
                keys.iter()
                    .map(|key| {
                        Object::builder()
                            .key(*key)
                            .e_tag("\"e\"")
                            .size(3)
                            .last_modified(DateTime::from_millis(12_345))
                            .build()
                    })
                    .collect(),
            ))
            .set_common_prefixes(Some(
                folders
                    .iter()
                    .map(|f| CommonPrefix::builder().prefix(*f).build())
                    .collect(),
            ))
            .build()
    }

    #[test]
    fn keys_are_decoded_and_relative() {
        let asked = List::prefix("q/");
        let out = out(false, &["r/q/a+b%2B%0Ac", "r/q/%C3%A4"], &[]);
        let page = page("r/", &asked, &out).unwrap();
        let keys: Vec<&str> = page.entries.iter().map(|e| e.key.as_str()).collect();
        assert_eq!(keys, ["q/a b+\nc", "q/ä"]);
        assert_eq!(page.entries[0].last_modified, StoreTime(12_000));
        assert_eq!(page.entries[0].etag.as_str(), "\"e\"");
        assert_eq!(page.next, None);
    }

    #[test]
    fn where_to_go_on() {
        let table: [(&[&str], &[&str], &str); 4] = [
            (&["r/a", "r/b"], &[], "b"),
            (&[], &["r/a/", "r/b/"], "b/\u{10FFFF}"),
            (&["r/c"], &["r/b/"], "c"),
            (&["r/b"], &["r/b/"], "b/\u{10FFFF}"),
        ];
        for (keys, folders, want) in table {
            let page = page("r/", &List::prefix("").folded(), &out(true, keys, folders)).unwrap();
            assert_eq!(page.next.as_deref(), Some(want), "{keys:?} {folders:?}");
        }
    }

    #[test]
    fn listings_that_cannot_be_trusted() {
        let table: [(&[&str], &[&str], &str); 6] = [
            (&["r/b", "r/a"], &[], "order"),
            (&["r/a", "r/a"], &[], "order"),
            (&[], &["r/b/", "r/a/"], "order"),
            (&["x/a"], &[], "outside"),
            (&["r/%zz"], &[], "encoded"),
            (&[], &[], "empty page"),
        ];
        for (keys, folders, want) in table {
            let error = page("r/", &List::prefix(""), &out(true, keys, folders)).unwrap_err();
            assert!(error.to_string().contains(want), "{error}");
        }
        let asked = List::prefix("").after("k");
        let error = page("r/", &asked, &out(true, &["r/k"], &[])).unwrap_err();
        assert!(error.to_string().contains("forward"), "{error}");
    }
}
