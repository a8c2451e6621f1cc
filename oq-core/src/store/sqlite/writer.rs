//! The one thread of a process that writes.
//!
//! A commit waits for the disk, whatever it holds; so all writes that wait are made in one
//! transaction, each checking its own condition within it, and are answered once that is on disk.

use std::sync::PoisonError;

use bytes::Bytes;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::file::{Place, is_busy};
use super::queue::Queue;
use super::reader::mark;
use super::{Ticket, etag};
use crate::store::wall::WallClock;
use crate::store::{Dated, StoreError, StoreKey, Write};
use crate::time::StoreTime;

/// A transaction is committed when its bodies have so many bytes, so that the log stays small.
const BATCH_BYTES: usize = 32 << 20;

/// Where the writer sends its answer.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something to write. A condition of `None` is an ETag that this store never gave.
#[derive(Debug)]
pub(super) enum Job {
    Put(StoreKey, Bytes, Answer<Write>),
    Create(StoreKey, Bytes, Answer<Write>),
    Update(StoreKey, Bytes, Option<Ticket>, Answer<Write>),
    DeleteIf(StoreKey, Option<Ticket>, Answer<Write>),
    Delete(Vec<StoreKey>, Answer<Dated<()>>),
}

/// What became of a job within its transaction, to be answered after the commit.
enum Outcome {
    Won(Ticket),
    Lost,
    Deleted,
}

/// What became of a transaction.
enum End {
    Committed(Vec<Outcome>),
    /// Another process held the file; nothing was written.
    Busy,
    /// Nothing was written, or not where anybody finds it.
    Failed(StoreError),
    /// The commit failed, and what is on disk may or may not survive a crash.
    InDoubt(StoreError),
}

/// Writes until the queue is closed and empty.
pub(super) fn run(mut db: Connection, queue: &Queue<Job>, clock: &WallClock, place: &Place) {
    let _serving = queue.serve();
    db.set_prepared_statement_cache_capacity(16);
    let mut jobs = Vec::new();
    while queue.take(&mut jobs) {
        let mut waiting = jobs.drain(..).peekable();
        let mut batch = Vec::new();
        while waiting.peek().is_some() {
            let mut bytes = 0;
            while bytes < BATCH_BYTES {
                let Some(job) = waiting.next() else { break };
                bytes += job.bytes();
                batch.push(job);
            }
            let end = write(&mut db, &batch, clock, place);
            answer(batch.drain(..), &end, clock);
        }
    }
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Job::Put(_, body, _) | Job::Create(_, body, _) | Job::Update(_, body, ..) => body.len(),
            Job::Delete(..) | Job::DeleteIf(..) => 0,
        }
    }
}

fn write(db: &mut Connection, batch: &[Job], clock: &WallClock, place: &Place) -> End {
    let tx = match db.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(tx) => tx,
        Err(e) if is_busy(&e) => return End::Busy,
        Err(e) => return End::Failed(place.failed(&e)),
    };
    match apply(&tx, batch, clock) {
        // Dropping the transaction rolls it back, and nothing of it was in the log for good.
        Err(e) => End::Failed(place.failed(&e)),
        Ok(outcomes) => match tx.commit() {
            Ok(()) => match place.check() {
                Ok(()) => End::Committed(outcomes),
                Err(gone) => End::Failed(gone),
            },
            Err(e) if is_busy(&e) => End::Busy,
            Err(e) => {
                let why = place.failed(&e);
                let mut doubt = place.doubt.lock().unwrap_or_else(PoisonError::into_inner);
                *doubt = Some(why.clone());
                End::InDoubt(why)
            }
        },
    }
}

fn apply(tx: &Transaction<'_>, batch: &[Job], clock: &WallClock) -> rusqlite::Result<Vec<Outcome>> {
    let now = clock.not_before(mark(tx)?);
    let mut counter: Ticket = tx
        .prepare_cached("SELECT counter FROM state")?
        .query_row([], |row| row.get(0))?;
    let mut outcomes = Vec::with_capacity(batch.len());
    let before = counter;
    for job in batch {
        let outcome = apply_one(tx, job, counter + 1, now)?;
        if matches!(outcome, Outcome::Won(_)) {
            counter += 1;
        }
        outcomes.push(outcome);
    }
    if counter != before {
        tx.prepare_cached("UPDATE state SET counter = ?1, mark = ?2")?
            .execute((counter, now.as_millis().cast_signed()))?;
    }
    Ok(outcomes)
}

fn apply_one(
    tx: &Transaction<'_>,
    job: &Job,
    ticket: Ticket,
    now: StoreTime,
) -> rusqlite::Result<Outcome> {
    let now = now.as_millis().cast_signed();
    let changed = match job {
        Job::Put(key, body, _) => tx
            .prepare_cached(
                "INSERT INTO objects VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET
                 etag = excluded.etag, modified = excluded.modified, body = excluded.body",
            )?
            .execute((key.as_str(), ticket, now, &body[..]))?,
        Job::Create(key, body, _) => tx
            .prepare_cached("INSERT INTO objects VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
            .execute((key.as_str(), ticket, now, &body[..]))?,
        Job::Update(key, body, seen, _) => tx
            .prepare_cached(
                "UPDATE objects SET etag = ?2, modified = ?3, body = ?4
                 WHERE key = ?1 AND etag = ?5",
            )?
            .execute((key.as_str(), ticket, now, &body[..], seen))?,
        Job::DeleteIf(key, seen, _) => tx
            .prepare_cached("DELETE FROM objects WHERE key = ?1 AND etag = ?2")?
            .execute((key.as_str(), seen))?,
        Job::Delete(keys, _) => {
            let mut delete = tx.prepare_cached("DELETE FROM objects WHERE key = ?1")?;
            for key in keys {
                delete.execute([key.as_str()])?;
            }
            return Ok(Outcome::Deleted);
        }
    };
    Ok(match changed {
        0 => Outcome::Lost,
        _ => Outcome::Won(ticket),
    })
}

fn answer(batch: impl Iterator<Item = Job>, end: &End, clock: &WallClock) {
    let date = clock.now();
    if let End::Failed(e) | End::InDoubt(e) = end {
        tracing::warn!(error = %e, "SQLite could not write");
    }
    for (n, job) in batch.enumerate() {
        // A caller that is gone needs no answer.
        match job {
            Job::Put(_, _, to)
            | Job::Create(_, _, to)
            | Job::Update(_, _, _, to)
            | Job::DeleteIf(_, _, to) => {
                let _ = to.send(written(end, n, date));
            }
            Job::Delete(_, to) => {
                let _ = to.send(deleted(end, date));
            }
        }
    }
}

fn written(end: &End, n: usize, date: StoreTime) -> Result<Write, StoreError> {
    match end {
        End::Committed(outcomes) => Ok(match outcomes.get(n) {
            Some(Outcome::Won(ticket)) => Write::Won {
                etag: etag(*ticket),
                date,
            },
            _ => Write::Lost,
        }),
        End::Busy => Ok(Write::Again { after: None }),
        End::Failed(e) => Err(e.clone()),
        End::InDoubt(_) => Ok(Write::Unknown),
    }
}

fn deleted(end: &End, date: StoreTime) -> Result<Dated<()>, StoreError> {
    match end {
        End::Committed(_) => Ok(Dated { date, value: () }),
        End::Busy => Err(StoreError::Unavailable(
            "another process held the SQLite file for too long".to_owned(),
        )),
        End::Failed(e) | End::InDoubt(e) => Err(e.clone()),
    }
}
