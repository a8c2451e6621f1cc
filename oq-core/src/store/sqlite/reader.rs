//! The threads that read, each with a connection of its own.
//!
//! A thread answers all that waits from one snapshot, taken after the last of it was asked: one
//! look at the clock's mark and one lock of the log serve them all.

use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use std::sync::Arc;
use tokio::sync::oneshot;

use super::file::Place;
use super::queue::Queue;
use super::{Ticket, etag, version};
use crate::store::paging::{Pager, Step};
use crate::store::wall::WallClock;
use crate::store::{Changed, Dated, Etag, List, Listed, Object, Page, StoreError, StoreKey};
use crate::time::StoreTime;

/// Where a reader sends its answer.
pub(super) type Answer<T> = oneshot::Sender<Result<Dated<T>, StoreError>>;

/// A question to a reader.
#[derive(Debug)]
pub(super) enum Read {
    Get(StoreKey, Answer<Option<Object>>),
    GetIfChanged(StoreKey, Etag, Answer<Changed>),
    List(List, Answer<Page>),
}

/// Answers questions until the queue is closed.
pub(super) fn run(mut db: Connection, queue: &Queue<Read>, clock: &WallClock, place: &Place) {
    let _serving = queue.serve();
    db.set_prepared_statement_cache_capacity(16);
    let mut jobs = Vec::new();
    while queue.take(&mut jobs) {
        // Of no use to anybody once the caller is gone.
        jobs.retain(|job| !job.is_abandoned());
        answer_all(&mut db, &mut jobs, clock, place);
        jobs.clear();
    }
}

impl Read {
    fn is_abandoned(&self) -> bool {
        match self {
            Read::Get(_, answer) => answer.is_closed(),
            Read::GetIfChanged(_, _, answer) => answer.is_closed(),
            Read::List(_, answer) => answer.is_closed(),
        }
    }
}

fn answer_all(db: &mut Connection, jobs: &mut Vec<Read>, clock: &WallClock, place: &Place) {
    if let Err(e) = place.check() {
        return jobs.drain(..).for_each(|job| job.fail(&e));
    }
    let begun = db.transaction().and_then(|tx| {
        let mark = mark(&tx)?;
        Ok((tx, mark))
    });
    let (tx, mark) = match begun {
        Ok(begun) => begun,
        Err(e) => {
            let e = place.failed(&e);
            return jobs.drain(..).for_each(|job| job.fail(&e));
        }
    };

    let send_to = Sender {
        date: clock.not_before(mark),
        place,
    };
    for job in jobs.drain(..) {
        match job {
            Read::Get(key, answer) => send_to.send(answer, get(&tx, &key)),
            Read::GetIfChanged(key, seen, answer) => {
                send_to.send(answer, get_if_changed(&tx, &key, &seen));
            }
            Read::List(question, answer) => send_to.send(answer, list(&tx, &question)),
        }
    }
}

impl Read {
    fn fail(self, e: &StoreError) {
        // A caller that is gone needs no answer.
        match self {
            Read::Get(_, answer) => drop(answer.send(Err(e.clone()))),
            Read::GetIfChanged(_, _, answer) => drop(answer.send(Err(e.clone()))),
            Read::List(_, answer) => drop(answer.send(Err(e.clone()))),
        }
    }
}

struct Sender<'a> {
    date: StoreTime,
    place: &'a Place,
}

impl Sender<'_> {
    fn send<T>(&self, answer: Answer<T>, value: rusqlite::Result<T>) {
        let date = self.date;
        let value = value.map(|value| Dated { date, value });
        // A caller that is gone needs no answer.
        let _ = answer.send(value.map_err(|e| self.place.failed(&e)));
    }
}

/// The store's clock at the last write of any process.
pub(super) fn mark(tx: &Transaction<'_>) -> rusqlite::Result<StoreTime> {
    let mut mark = tx.prepare_cached("SELECT mark FROM state")?;
    mark.query_row([], |row| time(row, 0))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<StoreTime> {
    let millis: i64 = row.get(column)?;
    Ok(StoreTime::from_millis(millis.unsigned_abs()))
}

fn get(tx: &Transaction<'_>, key: &StoreKey) -> rusqlite::Result<Option<Object>> {
    let mut get = tx.prepare_cached("SELECT etag, modified, body FROM objects WHERE key = ?1")?;
    get.query_row([key.as_str()], object).optional()
}

fn object(row: &Row<'_>) -> rusqlite::Result<Object> {
    Ok(Object {
        etag: etag(row.get(0)?),
        last_modified: time(row, 1)?,
        body: match row.get_ref(2)? {
            ValueRef::Blob(bytes) => Bytes::copy_from_slice(bytes),
            _ => Bytes::new(),
        },
    })
}

fn get_if_changed(tx: &Transaction<'_>, key: &StoreKey, seen: &Etag) -> rusqlite::Result<Changed> {
    // The version comes first: the body of an object that has not changed is never read.
    let mut ask = tx.prepare_cached(
        "SELECT etag, modified, CASE WHEN etag = ?2 THEN NULL ELSE body END
         FROM objects WHERE key = ?1",
    )?;
    let seen_version: Option<Ticket> = version(seen);
    let found = ask.query_row((key.as_str(), seen_version), object);
    Ok(match found.optional()? {
        None => Changed::Missing,
        Some(object) if object.etag == *seen => Changed::Same,
        Some(object) => Changed::Now(object),
    })
}

fn list(tx: &Transaction<'_>, question: &List) -> rusqlite::Result<Page> {
    // The page decides when to stop, or to start again behind a folder: rows are made as they
    // are asked for, and what is not asked for costs nothing.
    let mut from = tx.prepare_cached(
        "SELECT key, etag, modified, length(body) FROM objects WHERE key >= ?1 ORDER BY key",
    )?;
    let mut pager = Pager::new(question);
    loop {
        let mut rows = from.query([pager.from()])?;
        let step = loop {
            let Some(row) = rows.next()? else {
                break Step::Done;
            };
            let key = row.get_ref(0)?.as_str()?;
            let (ticket, modified) = (row.get(1)?, time(row, 2)?);
            let size: i64 = row.get(3)?;
            let step = pager.offer(key, || Listed {
                key: StoreKey::listed(Arc::from(key)),
                etag: etag(ticket),
                size: size.unsigned_abs(),
                last_modified: modified,
            });
            if step != Step::Next {
                break step;
            }
        };
        if step == Step::Done {
            return Ok(pager.finish());
        }
    }
}
