use super::*;
use crate::store::MemoryStore;

async fn metered() -> Arc<dyn Store> {
    Arc::new(Metered::new(Arc::new(MemoryStore::new())))
}

crate::store_conformance!(metered());

fn won(answer: Result<Write, StoreError>) -> Etag {
    match answer {
        Ok(Write::Won { etag, .. }) => etag,
        other => panic!("expected to win, got {other:?}"),
    }
}

/// One of everything: 4 PUTs, 4 GETs, 1 LIST, 3 deletions.
async fn exercise(store: &dyn Store) {
    let (a, b) = (StoreKey::listed("a"), StoreKey::listed("b"));
    let five = || Bytes::from_static(b"12345");
    let first = won(store.create(&a, five()).await);
    assert_eq!(store.create(&a, five()).await, Ok(Write::Lost));
    let second = won(store.update(&a, Bytes::from_static(b"123"), &first).await);
    assert_eq!(store.update(&a, five(), &first).await, Ok(Write::Lost));
    store.get(&a).await.unwrap();
    store.get(&b).await.unwrap();
    store.get_if_changed(&a, &second).await.unwrap();
    store.get_if_changed(&a, &first).await.unwrap();
    store.list(&List::prefix("")).await.unwrap();
    won(store.delete_if(&a, &second).await);
    store.delete(&a).await.unwrap();
    store.delete_many(&[a, b]).await.unwrap();
}

#[tokio::test]
async fn counts_requests_bytes_and_their_price() {
    let store = Metered::new(Arc::new(MemoryStore::new()));
    let meter = store.meter();
    exercise(&store).await;
    let seen = meter.snapshot();
    assert_eq!(seen.put(), 4);
    assert_eq!(seen.get(), 4);
    assert_eq!(seen.list(), 1);
    assert_eq!(seen.delete(), 3);
    assert_eq!(seen.total(), 12);
    assert_eq!(seen.count(Verb::Create, Outcome::Won), 1);
    assert_eq!(seen.count(Verb::Create, Outcome::Lost), 1);
    assert_eq!(seen.count(Verb::Get, Outcome::Missing), 1);
    assert_eq!(seen.count(Verb::GetIfChanged, Outcome::Same), 1);
    assert_eq!(seen.outcome(Outcome::Won), 3);
    assert_eq!((seen.bytes_in, seen.bytes_out), (3 + 3, 5 + 5 + 3 + 5));
    let million = seen.cost(&Prices::S3_STANDARD) * 1e6;
    assert!(
        (million - (4.0 * 5.0 + 4.0 * 0.4 + 5.0)).abs() < 1e-9,
        "{million}"
    );

    exercise(&store).await;
    assert_eq!(meter.snapshot() - seen, seen, "the same again");
    assert_eq!(seen - meter.snapshot(), Requests::default());
}

#[tokio::test]
async fn shows_a_table_of_what_was_used() {
    let store = Metered::new(Arc::new(MemoryStore::new()));
    exercise(&store).await;
    let table = store.meter().snapshot().to_string();
    let expected = "\
get                     2  ok 1, missing 1
get_if_changed          2  ok 1, same 1
create                  2  won 1, lost 1
update                  2  won 1, lost 1
delete                  1  ok 1
delete_many             1  ok 1
delete_if               1  won 1
list                    1  ok 1
all                    12  PUT 4, GET 4, LIST 1, DELETE 3
6 bytes read, 18 sent; $0.000027 at the prices of S3 Standard";
    assert_eq!(table, expected);
}

#[tokio::test]
async fn a_refusal_counts_as_an_error() {
    let store = Metered::new(Arc::new(MemoryStore::new()));
    let keys = vec![StoreKey::listed("a"); crate::store::MAX_DELETE + 1];
    store.delete_many(&keys).await.unwrap_err();
    let seen = store.meter().snapshot();
    assert_eq!(seen.count(Verb::DeleteMany, Outcome::Error), 1);
}

/// Answers nothing.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Store for Silent {
    fn abilities(&self) -> Abilities {
        MemoryStore::new().abilities()
    }

    async fn get(&self, _: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        std::future::pending().await
    }

    async fn get_if_changed(&self, _: &StoreKey, _: &Etag) -> Result<Dated<Changed>, StoreError> {
        std::future::pending().await
    }

    async fn create(&self, _: &StoreKey, _: Bytes) -> Result<Write, StoreError> {
        std::future::pending().await
    }

    async fn update(&self, _: &StoreKey, _: Bytes, _: &Etag) -> Result<Write, StoreError> {
        std::future::pending().await
    }

    async fn delete(&self, _: &StoreKey) -> Result<Dated<()>, StoreError> {
        std::future::pending().await
    }

    async fn delete_many(
        &self,
        _: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        std::future::pending().await
    }

    async fn delete_if(&self, _: &StoreKey, _: &Etag) -> Result<Write, StoreError> {
        std::future::pending().await
    }

    async fn list(&self, _: &List) -> Result<Dated<Page>, StoreError> {
        std::future::pending().await
    }
}

#[test]
fn a_request_whose_answer_is_not_awaited_is_counted() {
    use futures::FutureExt;

    let store = Metered::new(Arc::new(Silent));
    let (key, etag) = (StoreKey::listed("a"), Etag::new("e"));
    let (keys, list) = ([key.clone()], List::prefix(""));
    let body = || Bytes::from_static(b"12345");
    // Each is asked once and then given up, as after a time-out.
    assert!(store.get(&key).now_or_never().is_none());
    assert!(store.get_if_changed(&key, &etag).now_or_never().is_none());
    assert!(store.create(&key, body()).now_or_never().is_none());
    assert!(store.update(&key, body(), &etag).now_or_never().is_none());
    assert!(store.delete(&key).now_or_never().is_none());
    assert!(store.delete_many(&keys).now_or_never().is_none());
    assert!(store.delete_if(&key, &etag).now_or_never().is_none());
    assert!(store.list(&list).now_or_never().is_none());
    let seen = store.meter().snapshot();
    assert_eq!((seen.total(), seen.bytes_out), (8, 10));
    let unknown = [Verb::Create, Verb::Update, Verb::DeleteIf];
    assert!(
        unknown
            .iter()
            .all(|verb| seen.count(*verb, Outcome::Unknown) == 1)
    );
    assert_eq!(seen.outcome(Outcome::Error), 5);
}
