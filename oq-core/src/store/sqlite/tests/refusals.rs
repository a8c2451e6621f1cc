use super::*;

fn refusal(path: impl AsRef<Path>) -> String {
    match SqliteStore::open(path) {
        Err(StoreError::Misconfigured(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_path_that_cannot_be_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refusal("").contains("no path"));
    assert!(refusal(folder.path()).contains("directory"));
    let missing = refusal(folder.path().join("no/such/folder.db"));
    assert!(missing.contains("folder exists"), "{missing}");
    std::fs::write(folder.path().join("file"), "x").unwrap();
    refusal(folder.path().join("file/oq.db"));
}

#[test]
fn a_file_of_something_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(
        &text,
        "not a database, but long enough to look at.".repeat(9),
    )
    .unwrap();
    let before = std::fs::read(&text).unwrap();
    let why = refusal(&text);
    assert!(why.contains("not a SQLite database"), "{why}");
    assert_eq!(std::fs::read(&text).unwrap(), before);

    let other = folder.path().join("other.db");
    let db = rusqlite::Connection::open(&other).unwrap();
    db.execute_batch("CREATE TABLE t (a); PRAGMA user_version = 1")
        .unwrap();
    drop(db);
    let before = std::fs::read(&other).unwrap();
    let why = refusal(&other);
    assert!(why.contains("another program"), "{why}");
    assert_eq!(std::fs::read(&other).unwrap(), before);
}

#[test]
fn a_store_of_another_format_is_refused() {
    let path = file();
    drop(SqliteStore::open(&path).unwrap());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 2).unwrap();
    drop(db);
    let why = refusal(&path);
    assert!(
        why.contains("format 2") && why.contains("format 1"),
        "{why}"
    );
}

#[test]
fn an_empty_file_becomes_a_store() {
    std::fs::write(file(), "").unwrap();
    drop(SqliteStore::open(file()).unwrap());
    drop(SqliteStore::open(file()).unwrap());
}

#[test]
#[cfg(unix)]
fn a_file_that_may_not_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    drop(SqliteStore::open(file()).unwrap());
    std::fs::set_permissions(file(), PermissionsExt::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(file()).is_ok() {
        return; // root may write what nobody may
    }
    assert!(refusal(file()).contains("written"));
}

#[tokio::test]
async fn a_file_held_by_another_process_asks_to_come_again() {
    let store = open(&file());
    let key = StoreKey::listed("a");
    let held = rusqlite::Connection::open(file()).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = store.create(&key, Bytes::new()).await;
    assert_eq!(answer, Ok(Write::Again { after: None }));
    let read = store.get(&key).await.expect("readers need not wait");
    assert_eq!(read.value, None);
    held.execute_batch("ROLLBACK").unwrap();
    let answer = store.create(&key, Bytes::new()).await;
    assert!(matches!(answer, Ok(Write::Won { .. })), "{answer:?}");
}

async fn refused(store: &dyn Store) -> String {
    let key = StoreKey::listed("a");
    let read = store.get(&key).await.unwrap_err();
    let write = store.create(&key, Bytes::new()).await.unwrap_err();
    let delete = store.delete(&key).await.unwrap_err();
    for e in [&write, &delete] {
        assert_eq!(e.to_string(), read.to_string());
    }
    assert!(matches!(read, StoreError::Misconfigured(_)), "{read:?}");
    read.to_string()
}

#[tokio::test]
#[cfg(unix)]
async fn a_file_that_is_deleted_or_replaced_while_open_is_no_store_any_more() {
    let store = open(&file());
    let other = open(&file());
    std::fs::remove_file(file()).unwrap();
    let why = refused(&*store).await;
    assert!(
        why.contains("deleted or replaced") && why.contains("start again"),
        "{why}"
    );
    drop(open(&file()));
    refused(&*store).await;
    refused(&*other).await;
}

#[tokio::test]
async fn a_store_without_its_tables_says_so_and_is_not_tried_again() {
    let store = open(&file());
    let db = rusqlite::Connection::open(file()).unwrap();
    db.execute_batch("DROP TABLE objects; DROP TABLE state")
        .unwrap();
    let why = refused(&*store).await;
    assert!(
        why.contains("no store of oq") && why.contains("no such table"),
        "{why}"
    );
}
