//! The database file: its format, and how it is opened or refused.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::env::{Entropy, SystemEntropy};
use crate::store::StoreError;

/// "oq:1" in the header of the file, where `file(1)` and SQLite look for it.
const APPLICATION_ID: i64 = 0x6f71_3a31;

/// The version of the tables below.
const FORMAT: i64 = 1;

/// The body stands last, so that a listing does not read the pages that hold the rest of it.
/// `counter` gives every write its ETag and is never set back; `mark` is the store's clock at the
/// last write, below which no process may date its answers.
const SCHEMA: &str = "
    CREATE TABLE objects (
        key TEXT PRIMARY KEY NOT NULL,
        etag INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE state (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        counter INTEGER NOT NULL,
        mark INTEGER NOT NULL
    ) STRICT;";

/// How long a transaction waits for those of other processes.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the file; with `create` makes it if there is none.
pub(super) fn open(path: &Path, create: bool) -> Result<Connection, StoreError> {
    if path.as_os_str().is_empty() {
        return Err(refused(path, "no path was given; write sqlite:PATH"));
    }
    if path.is_dir() {
        return Err(refused(path, "it is a directory, and must be a file"));
    }
    if !create && !path.exists() {
        return Err(refused(path, NO_STORE));
    }
    let mut db = connect(path)?;
    if !create && !look(path, &db)? {
        return Err(refused(path, NO_STORE));
    }
    prepare(path, &mut db)?;
    Ok(db)
}

/// What to do about a path that was mistyped, or that nothing was submitted to yet.
const NO_STORE: &str =
    "there is no oq store there; correct the path, or submit a task, which makes it";

/// The file that was opened, to notice when there is another one, or none, at its path. Whoever
/// deletes it does not stop the processes that have it open: they would go on with a file that
/// nobody else can see.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    file: Option<Identity>,
    /// Why the last commit failed of those that may be on disk.
    pub(super) doubt: Mutex<Option<StoreError>>,
}

#[cfg(unix)]
type Identity = (u64, u64);
#[cfg(not(unix))]
type Identity = ();

impl Place {
    /// The file at this path now.
    pub(super) fn of(path: &Path) -> Place {
        Place {
            path: path.to_owned(),
            file: identity(path),
            doubt: Mutex::default(),
        }
    }

    /// Whether what was just read or written is in the file at the path.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if identity(&self.path) == self.file {
            return Ok(());
        }
        let why = "the file was deleted or replaced while it was in use, and what it held with it; \
                   put it back, or start again to make a new one";
        Err(refused(&self.path, why))
    }

    /// What a failure of SQLite means, and what to do about it.
    pub(super) fn failed(&self, e: &rusqlite::Error) -> StoreError {
        self.check()
            .err()
            .unwrap_or_else(|| unusable(&self.path, e))
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    path.exists().then_some(())
}

/// One more connection to a file that is open already.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    // Each connection stays with one thread, and a path is a path and never a URI.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(|e| unusable(path, &e))?;
    // Before anything is read: reading makes files beside it that its owner could not write.
    if db.is_readonly("main").map_err(|e| unusable(path, &e))? {
        return Err(refused(path, "it may not be written"));
    }
    let set = db
        .busy_handler(Some(wait_a_turn))
        .and_then(|()| db.pragma_update(None, "synchronous", "FULL"))
        // Checkpoints cost two more syncs; this makes one of them for a few thousand writes.
        .and_then(|()| db.pragma_update(None, "wal_autocheckpoint", 4000));
    set.map_err(|e| unusable(path, &e))?;
    Ok(db)
}

/// Sleeps until another process may be done: a commit takes a few milliseconds, and SQLite's own
/// handler would soon sleep for a tenth of a second.
#[allow(clippy::disallowed_methods)] // these threads are the store's own and serve no runtime
fn wait_a_turn(attempt: i32) -> bool {
    let turn = Duration::from_millis(2);
    std::thread::sleep(turn);
    u128::from(attempt.unsigned_abs()) * turn.as_millis() < PATIENCE.as_millis()
}

fn prepare(path: &Path, db: &mut Connection) -> Result<(), StoreError> {
    let fresh = !look(path, db)?;
    let mode = in_wal_mode(db).map_err(|e| unusable(path, &e))?;
    if mode != "wal" {
        return Err(refused(
            path,
            "its file system lacks the shared memory that several processes need; use a local disk",
        ));
    }
    if !fresh {
        return Ok(());
    }
    let tx = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|e| unusable(path, &e))?;
    // Another process may have been faster.
    if recognise(path, &tx)? {
        return Ok(());
    }
    // A random beginning, so that a file made anew at the same path gives no ETag of the old one.
    let counter = (SystemEntropy.next_u64() >> 2).cast_signed();
    tx.execute_batch(SCHEMA)
        .and_then(|()| tx.execute("INSERT INTO state VALUES (1, ?1, 0)", [counter]))
        .and_then(|_| tx.pragma_update(None, "application_id", APPLICATION_ID))
        .and_then(|()| tx.pragma_update(None, "user_version", FORMAT))
        .and_then(|()| tx.commit())
        .map_err(|e| unusable(path, &e))
}

/// [`recognise`] as of one moment: another process may be making the tables.
fn look(path: &Path, db: &Connection) -> Result<bool, StoreError> {
    let tx = db.unchecked_transaction();
    recognise(path, &*tx.map_err(|e| unusable(path, &e))?)
}

/// Whether this is a store of ours; false for an empty file, an error for anybody else's.
fn recognise(path: &Path, db: &Connection) -> Result<bool, StoreError> {
    let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let tables = || db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0));
    let found = number("application_id")
        .and_then(|id| Ok((id, number("user_version")?, tables()?)))
        .map_err(|e| unusable(path, &e))?;
    match found {
        (APPLICATION_ID, FORMAT, _) => Ok(true),
        (APPLICATION_ID, other, _) => Err(refused(
            path,
            &format!("it has format {other}, and this oq knows format {FORMAT}; use the other oq"),
        )),
        (0, 0, 0i64) => Ok(false),
        _ => Err(refused(path, "it is the database of another program")),
    }
}

/// Turns write-ahead logging on, for which SQLite waits for nobody: whoever opens a new file at
/// the same time may be in the way for a moment.
fn in_wal_mode(db: &Connection) -> rusqlite::Result<String> {
    let set = || db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0));
    let mut attempt = 0;
    loop {
        match set() {
            Err(e) if is_busy(&e) && wait_a_turn(attempt) => attempt += 1,
            answer => return answer,
        }
    }
}

/// Whether somebody else held the file for too long, so that nothing was done.
pub(super) fn is_busy(e: &rusqlite::Error) -> bool {
    matches!(
        e.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

fn unusable(path: &Path, e: &rusqlite::Error) -> StoreError {
    match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => refused(path, "it is not a SQLite database"),
        Some(ErrorCode::CannotOpen) => refused(
            path,
            "it cannot be opened or made; check that its folder exists and may be written",
        ),
        Some(ErrorCode::ReadOnly) => refused(path, "it or its folder may not be written"),
        Some(ErrorCode::PermissionDenied) => {
            StoreError::Denied(format!("sqlite:{}: {e}", path.display()))
        }
        _ if is_busy(e) => StoreError::Unavailable(format!(
            "sqlite:{}: another process holds it: {e}",
            path.display()
        )),
        Some(ErrorCode::DatabaseCorrupt) => refused(
            path,
            &format!("it is damaged ({e}); restore a copy, or try `.recover` of the sqlite3 shell"),
        ),
        Some(ErrorCode::DiskFull) => StoreError::Unavailable(format!(
            "sqlite:{}: the disk is full; make room",
            path.display()
        )),
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::SchemaChanged,
        ) => StoreError::Unavailable(format!("sqlite:{}: {e}", path.display())),
        // Such as a table that is not there.
        _ => refused(path, &format!("it is no store of oq, or not any more: {e}")),
    }
}

fn refused(path: &Path, why: &str) -> StoreError {
    StoreError::Misconfigured(format!("sqlite:{}: {why}", path.display()))
}
