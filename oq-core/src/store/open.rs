//! Opens a store by its URL.

use std::sync::Arc;

use super::{MemoryStore, Served, Store, StoreError};
use crate::record::quoted;

/// What [`open`] takes, for messages.
const FORMS: &str = "use s3://BUCKET/PREFIX, sqlite:PATH or memory:NAME";

/// Opens the store at `url`.
///
/// | URL | store |
/// |---|---|
/// | `s3://BUCKET/PREFIX` | Amazon S3 or a compatible store (feature `s3`) |
/// | `sqlite:PATH` | one file, for all processes of this machine (feature `sqlite`) |
/// | `sqlite:PATH?create=no` | the same, if it is there already |
/// | `memory:` | a new store in this process |
/// | `memory:NAME` | the store of this name, one for all of this process |
///
/// # Errors
///
/// [`StoreError::Misconfigured`] when the URL is none of these or the store cannot be made of it,
/// [`StoreError::Unsupported`] when the program was built without the feature it needs.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    open_or(url, true).await
}

/// The same for programs that only look: no SQLite file is made at a mistyped path. The URL
/// `sqlite:PATH?create=no` says the same to any program.
///
/// # Errors
///
/// As [`open`]; [`StoreError::Misconfigured`] also when there is no file.
pub async fn open_existing(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    open_or(url, false).await
}

async fn open_or(url: &str, create: bool) -> Result<Arc<dyn Store>, StoreError> {
    match url.split_once(':') {
        Some(("sqlite", path)) => Ok(open_sqlite(path, create).await?),
        Some(("memory", _)) => Ok(open_served(url).await?),
        Some(("s3", _)) => open_s3(url).await,
        Some((scheme, _)) => Err(StoreError::Misconfigured(format!(
            "there is no kind of store {}; {FORMS}",
            quoted(&format!("{scheme}:"))
        ))),
        None if url.is_empty() => Err(StoreError::Misconfigured(format!(
            "the store's URL is empty; {FORMS}"
        ))),
        None => Err(StoreError::Misconfigured(format!(
            "{} does not say what kind of store it is; {FORMS}",
            quoted(url)
        ))),
    }
}

/// Opens a store that lives on this machine, `memory:` or `sqlite:`, to be served to others.
///
/// # Errors
///
/// As [`open`]; [`StoreError::Misconfigured`] also for a store that is served elsewhere.
pub async fn open_served(url: &str) -> Result<Arc<dyn Served>, StoreError> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(MemoryStore::new())),
        Some(("memory", name)) => Ok(MemoryStore::shared(memory_name(name)?)),
        Some(("sqlite", path)) => open_sqlite(path, true).await,
        _ => Err(StoreError::Misconfigured(format!(
            "'{url}' is no store of this machine; use memory: or sqlite:PATH"
        ))),
    }
}

fn memory_name(name: &str) -> Result<&str, StoreError> {
    if name.starts_with('/') {
        return Err(StoreError::Misconfigured(
            "a store in memory has a plain name: write memory:NAME".to_owned(),
        ));
    }
    Ok(name)
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(path: &str, create: bool) -> Result<Arc<dyn Served>, StoreError> {
    let (path, create) = match path.split_once('?') {
        None => (path, create),
        Some((path, "create=no")) => (path, false),
        Some((path, "create=yes")) => (path, create),
        Some((_, setting)) => {
            return Err(StoreError::Misconfigured(format!(
                "{} is no setting of a sqlite: URL; use ?create=no, which makes no file",
                quoted(setting)
            )));
        }
    };
    // With two slashes it is anybody's guess whether the path is relative.
    let path = match path.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(path) => {
            return Err(StoreError::Misconfigured(format!(
                "write sqlite:{path} for a path from here, or sqlite:/{path} for one from the root"
            )));
        }
        None => path,
    };
    let path = std::path::PathBuf::from(path);
    // It waits for the disk, and perhaps for another process that makes the same file.
    let opened = tokio::task::spawn_blocking(move || match create {
        true => super::SqliteStore::open(path),
        false => super::SqliteStore::open_existing(path),
    })
    .await;
    match opened {
        Ok(store) => Ok(Arc::new(store?)),
        Err(e) => Err(StoreError::Unavailable(format!(
            "opening the SQLite file: {e}"
        ))),
    }
}

#[cfg(not(feature = "sqlite"))]
async fn open_sqlite(_: &str, _: bool) -> Result<Arc<dyn Served>, StoreError> {
    Err(without("sqlite"))
}

#[cfg(feature = "s3")]
async fn open_s3(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(super::s3::S3Store::connect(url).await?))
}

#[cfg(not(feature = "s3"))]
async fn open_s3(_: &str) -> Result<Arc<dyn Store>, StoreError> {
    Err(without("s3"))
}

#[cfg(not(all(feature = "s3", feature = "sqlite")))]
fn without(feature: &str) -> StoreError {
    StoreError::Unsupported(format!(
        "this program was built without the feature '{feature}' of oq-core"
    ))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::{StoreKey, Write};

    async fn refusal(url: &str) -> String {
        match open(url).await {
            Err(StoreError::Misconfigured(why)) => why,
            other => panic!("not refused: {other:?}"),
        }
    }

    async fn holds(url: &str, key: &StoreKey) -> bool {
        let got = open(url).await.unwrap().get(key).await.unwrap();
        got.value.is_some()
    }

    async fn put(url: &str, key: &StoreKey) {
        let answer = open(url).await.unwrap().create(key, Bytes::new()).await;
        assert!(matches!(answer, Ok(Write::Won { .. })), "{answer:?}");
    }

    #[tokio::test]
    async fn memory_is_shared_by_name_only() {
        let key = StoreKey::listed("a");
        put("memory:", &key).await;
        assert!(!holds("memory:", &key).await);
        put("memory:opened-by-name", &key).await;
        assert!(holds("memory:opened-by-name", &key).await);
        assert!(!holds("memory:another", &key).await);
        assert!(refusal("memory://name").await.contains("memory:NAME"));
    }

    #[tokio::test]
    async fn what_is_no_store_is_told_what_is() {
        for url in ["redis://host", "bucket", "", "S3://bucket", ":"] {
            let why = refusal(url).await;
            for form in ["s3://", "sqlite:", "memory:"] {
                assert!(why.contains(form), "{url}: {why}");
            }
        }
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn a_file_keeps_what_was_put_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oq.db");
        let path = path.to_str().unwrap();
        let key = StoreKey::listed("a");
        put(&format!("sqlite:{path}"), &key).await;
        assert!(holds(&format!("sqlite:{path}"), &key).await);
        assert!(holds(&format!("sqlite://{path}"), &key).await);
        assert!(refusal("sqlite:").await.contains("sqlite:PATH"));
        let guess = refusal("sqlite://oq.db").await;
        assert!(guess.contains("sqlite:oq.db"), "{guess}");
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn who_only_looks_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("typo.db");
        let url = format!("sqlite:{}", path.display());
        let existing = async |url: &str| match open_existing(url).await {
            Err(StoreError::Misconfigured(why)) => why,
            other => panic!("not refused: {other:?}"),
        };
        let why = [
            existing(&url).await,
            refusal(&format!("{url}?create=no")).await,
        ];
        for why in why {
            assert!(
                why.contains("no oq store there") && why.contains("submit"),
                "{why}"
            );
        }
        assert!(
            refusal(&format!("{url}?mode=ro"))
                .await
                .contains("create=no")
        );
        assert!(!path.exists());
        std::fs::write(&path, "").unwrap();
        assert!(existing(&url).await.contains("no oq store there"));
        assert_eq!(std::fs::read(&path).unwrap(), b"");

        let key = StoreKey::listed("a");
        put(&url, &key).await;
        let got = open_existing(&url).await.unwrap().get(&key).await.unwrap();
        assert!(got.value.is_some());
        assert!(holds(&format!("{url}?create=no"), &key).await);
    }

    #[cfg(not(feature = "s3"))]
    #[tokio::test]
    async fn a_feature_that_is_off_is_named() {
        let off = open("s3://bucket").await.unwrap_err();
        assert!(matches!(&off, StoreError::Unsupported(why) if why.contains("'s3'")));
    }
}
