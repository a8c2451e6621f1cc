//! What oq expects of an object store, as checks that any [`Store`] can be put through.
//!
//! [`store_conformance!`](crate::store_conformance) makes a test of each check; [`CHECKS`] lists
//! them for programs. Every check keeps to a key space of its own and empties it afterwards, so
//! that the suite can run on a bucket that others use. A store's own race conditions show only
//! with some luck: a pass is no proof.
//!
//! What S3 does not promise is not asked for: its ETags are hashes of the content, so they must
//! differ when the bytes do, and its times have whole seconds. What a store promises beyond that
//! has checks outside of the list, such as [`etags_never_repeat`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Etag, List, Listed, Object, Page, Store, StoreKey, Write};
use crate::env::{BoxFuture, Env};
use crate::time::StoreTime;

mod bodies;
mod clock;
mod deletes;
mod listing;
mod paged;
mod races;
mod served;
mod writes;

pub use bodies::*;
pub use clock::*;
pub use deletes::*;
pub use listing::*;
pub use paged::*;
pub use races::*;
pub use served::*;
pub use writes::*;

/// How often a write is repeated that the store asks to send again.
const PATIENCE: u32 = 60;

/// A key space of its own in the store under test.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The store under test.
    pub store: Arc<dyn Store>,
    prefix: String,
    env: Env,
}

/// One check of the suite.
#[derive(Clone, Copy)]
pub struct Check {
    /// What the store is expected to do.
    pub name: &'static str,
    /// Panics if it does not.
    pub run: fn(Ground) -> BoxFuture<'static, ()>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Names every check once, for [`CHECKS`] and for the tests.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_store_check {
    ([$($with:tt)+] $($args:tt)*) => {
        $($with)+! {
            [$($args)*]
            create_wins_only_once
            update_replaces_the_version_that_was_seen
            update_of_a_stale_version_loses
            update_of_a_missing_key_loses
            different_bytes_have_different_etags
            one_of_many_racing_creates_wins
            one_of_many_racing_updates_wins
            racing_counters_lose_no_increment
            get_of_a_missing_key_is_none
            get_if_changed_tells_same_from_new_from_missing
            any_bytes_come_back_as_they_went_in
            a_large_body_comes_back_as_it_went_in
            too_large_a_body_is_refused_before_anything_is_written
            every_key_that_oq_uses_can_be_used
            delete_of_a_missing_key_succeeds
            a_deleted_key_can_be_created_again
            delete_many_takes_a_full_batch_and_missing_keys
            delete_if_checks_its_condition_where_it_can
            the_clock_goes_forward_and_is_not_absurd
            last_modified_changes_with_each_write
            lists_in_byte_order
            lists_only_what_has_the_prefix
            lists_what_get_shows
            lists_nothing_that_was_deleted
            lists_what_sorts_after_any_text
            pages_hold_what_was_asked_for_and_continue
            full_pages_lose_nothing_at_their_ends_and_can_be_deleted
            folds_folders
            pages_through_folders
        }
    };
}

macro_rules! list_checks {
    ([] $($name:ident)*) => {
        /// Every check that every store must pass.
        pub const CHECKS: &[Check] = &[$(Check {
            name: stringify!($name),
            run: |ground| Box::pin($name(ground)),
        }),*];
    };
}
crate::__each_store_check!([list_checks]);

/// Makes a test of each check of [`store::conformance`](crate::store::conformance).
///
/// Takes an expression that is a future of an `Arc<dyn Store>`; it is evaluated in each test.
#[macro_export]
macro_rules! store_conformance {
    ($make:expr) => {
        $crate::__each_store_check! { [$crate::__store_tests] $make }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_tests {
    ([$make:expr] $($name:ident)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let store: std::sync::Arc<dyn $crate::store::Store> = $make.await;
            $crate::store::conformance::check(store, $crate::store::conformance::$name).await;
        }
    )* };
}

/// Runs one check on `store` and removes what it left.
pub async fn check<F: Future<Output = ()>>(store: Arc<dyn Store>, run: impl FnOnce(Ground) -> F) {
    let ground = Ground::new(store);
    run(ground.clone()).await;
    ground.clear().await;
}

/// Runs every check on the stores that `make` gives.
pub async fn run<F: Future<Output = Arc<dyn Store>>>(make: impl Fn() -> F) {
    for one in CHECKS {
        check(make().await, one.run).await;
    }
}

impl Ground {
    /// A key space below a random folder of `store`.
    pub fn new(store: Arc<dyn Store>) -> Ground {
        let env = Env::system();
        let prefix = format!(".conformance/{:016x}/", env.entropy.next_u64());
        Ground { store, prefix, env }
    }

    /// This key in the key space.
    fn key(&self, key: &str) -> StoreKey {
        StoreKey::listed(format!("{}{key}", self.prefix))
    }

    /// A listing below this prefix in the key space.
    fn below(&self, prefix: &str) -> List {
        List::prefix(format!("{}{prefix}", self.prefix))
    }

    /// A key without the key space.
    fn bare<'a>(&self, key: &'a str) -> &'a str {
        key.strip_prefix(self.prefix.as_str())
            .unwrap_or_else(|| panic!("{key} is not below {}", self.prefix))
    }

    /// The answer of a write, sent again as long as the store asks for it.
    async fn settle<F>(&self, send: impl Fn() -> F) -> Write
    where
        F: Future<Output = Result<Write, super::StoreError>>,
    {
        for attempt in 0..PATIENCE {
            match send().await.expect("a write is answered") {
                Write::Again { after } => {
                    let least = Duration::from_millis(20 * u64::from(attempt + 1));
                    let wait = self.env.jitter(least).max(after.unwrap_or_default());
                    self.env.sleep(wait).await;
                }
                Write::Unknown => panic!("the answer of a write was lost; try on a calmer network"),
                answer => return answer,
            }
        }
        panic!("the store asked to come again {PATIENCE} times");
    }

    async fn try_create(&self, key: &str, body: impl Into<Bytes>) -> Write {
        let (key, body) = (self.key(key), body.into());
        self.settle(|| self.store.create(&key, body.clone())).await
    }

    async fn try_update(&self, key: &str, body: impl Into<Bytes>, seen: &Etag) -> Write {
        let (key, body) = (self.key(key), body.into());
        self.settle(|| self.store.update(&key, body.clone(), seen))
            .await
    }

    async fn create(&self, key: &str, body: impl Into<Bytes>) -> (Etag, StoreTime) {
        won(self.try_create(key, body).await)
    }

    async fn update(&self, key: &str, body: impl Into<Bytes>, seen: &Etag) -> (Etag, StoreTime) {
        won(self.try_update(key, body, seen).await)
    }

    async fn get(&self, key: &str) -> Option<Object> {
        let got = self.store.get(&self.key(key)).await;
        got.expect("a read is answered").value
    }

    async fn date(&self) -> StoreTime {
        let got = self.store.get(&self.key("date")).await;
        got.expect("a read is answered").date
    }

    async fn page(&self, list: &List) -> Page {
        let page = self.store.list(list).await;
        page.expect("a listing is answered").value
    }

    /// All pages of a listing: bare keys, and bare folders.
    async fn pages(&self, mut list: List) -> (Vec<Listed>, Vec<String>) {
        let (mut entries, mut folders) = (Vec::new(), Vec::new());
        for _ in 0..10_000 {
            let page = self.page(&list).await;
            let shown = page.entries.len() + page.folders.len();
            assert!(
                shown <= usize::from(list.limit),
                "a page of {shown} entries, asked for {}",
                list.limit
            );
            entries.extend(page.entries);
            folders.extend(page.folders.iter().map(|f| self.bare(f).to_owned()));
            let Some(next) = page.next else {
                return (entries, folders);
            };
            list = list.after(next);
        }
        panic!("the listing does not end");
    }

    /// The bare keys of all pages of a listing.
    async fn keys(&self, list: List) -> Vec<String> {
        let (entries, folders) = self.pages(list).await;
        assert!(folders.is_empty(), "folders unasked for: {folders:?}");
        let keys = entries.iter().map(|e| self.bare(e.key.as_str()).to_owned());
        keys.collect()
    }

    /// Creates many small objects, some at a time.
    async fn fill(&self, keys: impl IntoIterator<Item = String>) {
        use futures::stream::{self, StreamExt};
        let all = keys.into_iter().map(|key| async move {
            self.create(&key, key.clone()).await;
        });
        stream::iter(all).buffer_unordered(64).collect::<()>().await;
    }

    /// Removes everything in the key space.
    async fn clear(&self) {
        loop {
            let page = self.page(&self.below("")).await;
            if page.entries.is_empty() {
                return;
            }
            let keys: Vec<StoreKey> = page.entries.into_iter().map(|e| e.key).collect();
            let left = self.store.delete_many(&keys).await;
            let left = left.expect("a deletion is answered").value;
            assert!(left.is_empty(), "not deleted: {left:?}");
        }
    }
}

#[cfg(test)]
mod tests;

fn won(answer: Write) -> (Etag, StoreTime) {
    match answer {
        Write::Won { etag, date } => (etag, date),
        other => panic!("expected to win, got {other:?}"),
    }
}
