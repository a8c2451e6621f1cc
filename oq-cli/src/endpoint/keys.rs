//! Where things lie in the store that an endpoint shows.
//!
//! One bucket, the main one, *is* the store: its keys are the store's keys, so that a queue in it
//! is the same queue that `sqlite:PATH` shows. What else S3 knows lies below `.s3/`, where no queue
//! can be and which the main bucket does not show:
//!
//! | key | holds |
//! |---|---|
//! | `.s3/buckets/{bucket}` | a bucket and its settings |
//! | `.s3/objects/{bucket}/{key}` | the objects of all buckets but the main one |
//! | `.s3/about/{bucket}/{key}` | content type and metadata of an object that has any |
//! | `.s3/uploads/{bucket}/{upload}` | a multipart upload that was begun |
//! | `.s3/parts/{bucket}/{upload}/{part}` | its parts |

use oq_core::store::StoreKey;
use s3s::{S3Result, s3_error};

/// What the main bucket does not show.
pub const HIDDEN: &str = ".s3/";

/// Below which all buckets but the main one are written down.
pub const BUCKETS: &str = ".s3/buckets/";

/// S3's bound on a key.
const MAX_KEY: usize = 1024;

/// The last character there is: sorts behind every key that begins with what stands before it.
pub const LAST: char = '\u{10FFFF}';

/// A bucket, as a place in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    name: String,
    /// Before the keys of its objects; empty for the main one.
    prefix: String,
}

impl Bucket {
    /// The bucket that is the store.
    pub fn main(name: &str) -> Bucket {
        Bucket {
            name: name.to_owned(),
            prefix: String::new(),
        }
    }

    /// A bucket beside it.
    pub fn beside(name: &str) -> Bucket {
        Bucket {
            name: name.to_owned(),
            prefix: format!("{HIDDEN}objects/{name}/"),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Before the keys of its objects.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn is_main(&self) -> bool {
        self.prefix.is_empty()
    }

    /// Where an object lies.
    pub fn object(&self, key: &str) -> S3Result<StoreKey> {
        if key.len() > MAX_KEY {
            return Err(s3_error!(KeyTooLongError, "Your key is too long"));
        }
        if self.is_main() {
            if key.starts_with(HIDDEN) {
                return Err(s3_error!(
                    InvalidArgument,
                    "in this bucket oq keeps keys below '{HIDDEN}' for itself; use another key or another bucket"
                ));
            }
            return Ok(StoreKey::listed(key));
        }
        Ok(StoreKey::listed(format!("{}{key}", self.prefix)))
    }

    /// Where content type and metadata of an object lie, if it has any.
    pub fn about(&self, key: &str) -> StoreKey {
        StoreKey::listed(format!("{HIDDEN}about/{}/{key}", self.name))
    }

    /// Where the bucket itself is written down.
    pub fn settings(&self) -> StoreKey {
        StoreKey::listed(format!("{BUCKETS}{}", self.name))
    }

    /// Below which its uploads lie.
    pub fn uploads(&self) -> String {
        format!("{HIDDEN}uploads/{}/", self.name)
    }

    pub fn upload(&self, id: &str) -> StoreKey {
        StoreKey::listed(format!("{}{id}", self.uploads()))
    }

    /// Below which the parts of an upload lie.
    pub fn parts(&self, upload: &str) -> String {
        format!("{HIDDEN}parts/{}/{upload}/", self.name)
    }

    /// Where one part lies; part numbers sort as their keys do.
    pub fn part(&self, upload: &str, number: i32) -> StoreKey {
        StoreKey::listed(format!("{}{number:05}", self.parts(upload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_bucket_is_the_store_but_for_what_is_hidden() {
        let main = Bucket::main("oq");
        assert_eq!(main.object("mail/bell").unwrap().as_str(), "mail/bell");
        assert_eq!(main.object(".s3").unwrap().as_str(), ".s3");
        assert!(main.object(".s3/buckets/oq").is_err());
        let other = Bucket::beside("other");
        let key = other.object(".s3/x").unwrap();
        assert_eq!(key.as_str(), ".s3/objects/other/.s3/x");
        assert!(other.object(&"k".repeat(1025)).is_err());
    }
}
