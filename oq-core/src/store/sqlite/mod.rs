//! One SQLite file as the store, shared by any number of processes on one machine.
//!
//! What is answered is on disk: `synchronous` stays `FULL`. That costs a wait for the disk per
//! commit, so one thread per process commits all writes that wait together ([`writer`]), and two
//! threads read ([`reader`]).
//!
//! The store's clock is the machine's, made to go forward only. Across processes it goes by a
//! mark in the file: no process dates an answer before the last write of any other, even if the
//! machine's clock is set back; from there it goes on at the pace of elapsed time.

mod file;
mod queue;
mod reader;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use self::queue::Queue;
use self::reader::Read;
use self::writer::Job;
use super::limits::{few, fits};
use super::wall::WallClock;
use super::{
    Abilities, Changed, Dated, Etag, List, Object, Page, Served, Store, StoreError, StoreKey, Write,
};

/// How many threads read. One is enough for small objects; the second lets them pass while the
/// first reads a long listing.
const READERS: usize = 2;

/// The number behind an ETag: the store's count of writes, which never repeats.
type Ticket = i64;

/// An object store in one SQLite file.
///
/// Several processes may have the file open at once. Dropping the store waits for the writes on
/// their way; what was answered is on disk already.
pub struct SqliteStore {
    path: PathBuf,
    place: Arc<file::Place>,
    reads: Arc<Queue<Read>>,
    writes: Arc<Queue<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens the store in the file at `path`, and makes the file if there is none.
    ///
    /// Fails with [`StoreError::Misconfigured`] if the path cannot be a store: a directory, a file
    /// of another program, a place that may not be written.
    pub fn open(path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_or(path.as_ref(), true)
    }

    /// The same, but fails with [`StoreError::Misconfigured`] if there is no store there, and makes
    /// nothing: for programs that only look.
    pub fn open_existing(path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_or(path.as_ref(), false)
    }

    fn open_or(path: &Path, create: bool) -> Result<SqliteStore, StoreError> {
        let clock = Arc::new(WallClock::default());
        let db = file::open(path, create)?;
        let place = Arc::new(file::Place::of(path));
        let mut store = SqliteStore {
            path: path.to_owned(),
            place: place.clone(),
            reads: Arc::new(Queue::new()),
            writes: Arc::new(Queue::new()),
            threads: Vec::new(),
        };
        let (queue, time, at) = (store.writes.clone(), clock.clone(), place.clone());
        store.spawn("oq-sqlite-write", move || {
            writer::run(db, &queue, &time, &at)
        })?;
        for _ in 0..READERS {
            let db = file::connect(path)?;
            let (queue, time, at) = (store.reads.clone(), clock.clone(), place.clone());
            store.spawn("oq-sqlite-read", move || {
                reader::run(db, &queue, &time, &at)
            })?;
        }
        Ok(store)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(|e| StoreError::Unavailable(format!("no thread: {e}")))?;
        self.threads.push(thread);
        Ok(())
    }

    async fn read<T>(
        &self,
        job: impl FnOnce(reader::Answer<T>) -> Read,
    ) -> Result<Dated<T>, StoreError> {
        let (to, answer) = oneshot::channel();
        // A queue that is closed drops the job, and with it the sender of the answer.
        let _ = self.reads.push(job(to));
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn write(&self, job: impl FnOnce(writer::Answer<Write>) -> Job) -> WriteAnswer {
        let (to, answer) = oneshot::channel();
        if self.writes.push(job(to)).is_err() {
            return Err(gone());
        }
        // Without an answer the writer has died in the middle of something.
        answer.await.unwrap_or(Ok(Write::Unknown))
    }

    async fn remove(&self, keys: Vec<StoreKey>) -> Result<Dated<()>, StoreError> {
        let (to, answer) = oneshot::channel();
        let _ = self.writes.push(Job::Delete(keys, to));
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

type WriteAnswer = Result<Write, StoreError>;

fn gone() -> StoreError {
    StoreError::Unavailable("the threads of the SQLite store have ended".to_owned())
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.reads.close();
        self.writes.close();
        for thread in self.threads.drain(..) {
            // One that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn etag(ticket: Ticket) -> Etag {
    Etag::new(format!("\"{ticket:x}\""))
}

/// The number behind an ETag; none if it is not one of ours.
fn version(etag: &Etag) -> Option<Ticket> {
    let text = etag.as_str().strip_prefix('"')?.strip_suffix('"')?;
    Ticket::from_str_radix(text, 16).ok()
}

#[async_trait]
impl Store for SqliteStore {
    fn abilities(&self) -> Abilities {
        Abilities {
            delete_if: true,
            write_interval: None,
        }
    }

    fn doubt(&self) -> Option<StoreError> {
        let doubt = self.place.doubt.lock();
        doubt.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        self.read(|to| Read::Get(key.clone(), to)).await
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        self.read(|to| Read::GetIfChanged(key.clone(), seen.clone(), to))
            .await
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        fits(&body)?;
        self.write(|to| Job::Create(key.clone(), body, to)).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        fits(&body)?;
        self.write(|to| Job::Update(key.clone(), body, version(seen), to))
            .await
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        self.remove(vec![key.clone()]).await
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        few(keys)?;
        let Dated { date, value: () } = self.remove(keys.to_vec()).await?;
        Ok(Dated {
            date,
            value: Vec::new(),
        })
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        self.write(|to| Job::DeleteIf(key.clone(), version(seen), to))
            .await
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        self.read(|to| Read::List(list.clone(), to)).await
    }
}

#[async_trait]
impl Served for SqliteStore {
    async fn put(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        fits(&body)?;
        self.write(|to| Job::Put(key.clone(), body, to)).await
    }
}

#[cfg(test)]
mod tests;
