//! The narrow waist: what oq asks of an object store, and the stores that answer.
//!
//! This module owns the [`Store`] trait, its answers and the opening of stores by URL. It knows
//! nothing of tasks. Nine verbs; each conditional write answers with one of the four [`Write`]
//! values, because losing a race is a value and not an error. There is no unconditional put: only
//! the stores that are servers themselves have one, see [`Served`].

#[cfg(feature = "s3")]
pub mod s3;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::time::StoreTime;

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod faults;
mod latency;
pub(crate) mod limits;
mod memory;
mod meter;
mod open;
mod paging;
mod passing;
pub mod probe;
mod rule;
mod served;
#[cfg(feature = "sqlite")]
mod sqlite;
mod wall;

pub use faults::{Faults, Faulty};
pub use latency::{Delayed, Latency};
pub use memory::{MemoryStore, TimeSource};
pub use meter::{Meter, Metered, Outcome, Prices, Requests, Verb};
pub use open::{open, open_existing, open_served};
pub use passing::Passing;
pub use rule::{Filter, Rule};
pub use served::Served;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use wall::machine_time;

/// The most bytes that one object may have; larger ones are never read or written.
pub const MAX_BODY: usize = 64 << 20;

/// The most keys that one page of a listing holds.
pub const MAX_PAGE: u16 = 1000;

/// The most keys that one batch deletion takes.
pub const MAX_DELETE: usize = 1000;

/// An object's key below the root of a store. Built by [`crate::record::Key`] from validated parts,
/// or read from a listing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreKey(Arc<str>);

impl StoreKey {
    /// A key as a listing shows it; it may be anything that somebody put there.
    pub fn listed(key: impl Into<Arc<str>>) -> StoreKey {
        StoreKey(key.into())
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// The witness of one version of an object, as the store gave it. Opaque.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Etag(Arc<str>);

impl Etag {
    /// As the store gave it, quotes and all.
    pub fn new(text: impl Into<Arc<str>>) -> Etag {
        Etag(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An answer together with the store's clock at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated<T> {
    /// The store's `Date`. May be truncated to a second.
    pub date: StoreTime,
    /// The answer.
    pub value: T,
}

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub body: Bytes,
    /// Which version this is.
    pub etag: Etag,
    /// When this version was written, on the store's clock, with the precision of `Date`.
    pub last_modified: StoreTime,
}

/// The answer to "has this changed since I saw that version?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It is still that version.
    Same,
    /// It is not there.
    Missing,
    /// It is another version now.
    Now(Object),
}

/// The four answers of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// It was applied; this is the new version.
    Won {
        /// The witness of the new version.
        etag: Etag,
        /// The store's clock.
        date: StoreTime,
    },
    /// The condition did not hold (412; 404 on an update). This send changed nothing, though an
    /// earlier send of the same write may have.
    Lost,
    /// Nothing landed and the store asks to come again (409, 429, 503 before applying).
    Again {
        /// How long the store asks to wait, if it said so.
        after: Option<Duration>,
    },
    /// It may have been applied, may be applied later, or never: a timeout, a reset, a 500.
    Unknown,
}

/// Why a store did not answer the question at all. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A read or deletion failed for a reason that may pass.
    #[error("the store did not answer: {0}")]
    Unavailable(String),
    /// The credentials are missing, expired or may not do this.
    #[error("the store refused access: {0}")]
    Denied(String),
    /// The URL, bucket or region is wrong.
    #[error("the store cannot be used as configured: {0}")]
    Misconfigured(String),
    /// The store lacks something that oq needs or that was asked for.
    #[error("the store does not support this: {0}")]
    Unsupported(String),
    /// The object is larger than [`MAX_BODY`].
    #[error("the object has {0} bytes, more than the {MAX_BODY} that oq reads or writes")]
    TooLarge(u64),
}

/// S3's word for a clock that is too wrong: with another, access is not what is wrong.
pub(crate) const CLOCK_WRONG: &str = "RequestTimeTooSkewed";

/// One question of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Only keys that sort after this.
    pub start_after: Option<String>,
    /// Fold what follows the next `/` behind the prefix into [`Page::folders`].
    pub fold: bool,
    /// At most so many keys and folders, up to [`MAX_PAGE`].
    pub limit: u16,
}

impl List {
    /// All keys with this prefix, a full page at a time.
    pub fn prefix(prefix: impl Into<String>) -> List {
        List {
            prefix: prefix.into(),
            start_after: None,
            fold: false,
            limit: MAX_PAGE,
        }
    }

    /// Continue behind this key.
    pub fn after(mut self, key: impl Into<String>) -> List {
        self.start_after = Some(key.into());
        self
    }

    /// At most this many entries.
    pub fn limit(mut self, limit: u16) -> List {
        self.limit = limit.clamp(1, MAX_PAGE);
        self
    }

    /// Fold keys into folders.
    pub fn folded(mut self) -> List {
        self.fold = true;
        self
    }
}

/// One key of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: StoreKey,
    /// Its version.
    pub etag: Etag,
    /// Its length in bytes.
    pub size: u64,
    /// When that version was written.
    pub last_modified: StoreTime,
}

/// One page of a listing, in ascending byte order of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The keys.
    pub entries: Vec<Listed>,
    /// With [`List::fold`]: the distinct prefixes up to and including the next `/`.
    pub folders: Vec<String>,
    /// Where to continue (as `start_after`), if there is more.
    pub next: Option<String>,
}

/// What a store can do beyond the promises that oq needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// [`Store::delete_if`] checks its condition.
    pub delete_if: bool,
    /// The shortest time between two writes of one key that the store allows.
    pub write_interval: Option<Duration>,
}

/// Where a store is, in the words of its bucket's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// What every key begins with: empty, or ending in `/`.
    pub prefix: String,
}

/// An object store: put-if-absent, put-if-match, get, get-if-changed, delete, ordered list.
///
/// Implementations do not retry conditional writes, and bound the time of every request. One that
/// stands before another is [`Passing`].
/// Keys are relative to the root that the store was opened with.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// What this store can do.
    fn abilities(&self) -> Abilities;

    /// Which bucket it is, if it is one.
    fn place(&self) -> Option<Place> {
        None
    }

    /// How long it lets one request take, where it was told; [`Root`](crate::protocol::Root) goes by
    /// it.
    fn attempt_timeout(&self) -> Option<Duration> {
        None
    }

    /// What counts the requests that are made through this handle, if something does. A store that
    /// passes requests on passes this on, or they are counted twice.
    fn meter(&self) -> Option<Meter> {
        None
    }

    /// Why the last write was answered with [`Write::Unknown`], where the store knows.
    fn doubt(&self) -> Option<StoreError> {
        None
    }

    /// Uses no connection any more that is open now: the machine was frozen, and they are dead.
    fn reconnect(&self) {}

    /// Reads one object; `None` when it is not there.
    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError>;

    /// Reads one object unless it is still the version `seen`.
    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError>;

    /// Writes an object that must not exist yet.
    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError>;

    /// Replaces the version `seen` of an object.
    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError>;

    /// Deletes an object; succeeds when it is not there.
    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError>;

    /// Deletes up to [`MAX_DELETE`] objects; returns those that could not be deleted.
    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError>;

    /// Deletes the version `seen` of an object, where [`Abilities::delete_if`] says so.
    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError>;

    /// One page of keys in order.
    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError>;
}
