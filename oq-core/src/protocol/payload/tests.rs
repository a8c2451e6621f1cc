use std::sync::Arc;

use super::*;
use crate::env::Env;
use crate::record::{Priority, Shard};
use crate::store::{List, MemoryStore};
use crate::time::StoreTime;

struct At {
    root: Root,
    queue: QueueName,
    id: ObjectId,
    token: Token,
}

impl At {
    fn new() -> At {
        At {
            root: Root::new(Arc::new(MemoryStore::new()), Env::system()),
            queue: QueueName::new("q").unwrap(),
            id: ObjectId::from_parts(StoreTime(1), 2, Priority::NORMAL, 1, Shard::default()),
            token: Token::parse("T").unwrap(),
        }
    }

    async fn store(&self, json: &Json, inline: usize) -> Result<Data> {
        let place = Place {
            queue: &self.queue,
            id: self.id,
            token: &self.token,
            part: Part::Input(0),
        };
        store(&self.root, place, json, inline).await
    }

    async fn load(&self, data: &Data) -> Result<Json> {
        load(&self.root, &self.queue, self.id, data).await
    }

    async fn sizes(&self) -> Vec<u64> {
        let page = self.root.list(&List::prefix("")).await.unwrap().value;
        page.entries.iter().map(|e| e.size).collect()
    }
}

fn text(of: &str, times: usize) -> Json {
    Json::of(&of.repeat(times)).unwrap()
}

#[tokio::test]
async fn small_ones_stay_and_large_ones_come_back_whole() {
    let at = At::new();
    let small = text("a", 10);
    assert_eq!(at.store(&small, 100).await.unwrap(), Data::Json(small));
    assert!(at.sizes().await.is_empty());
    let large = text("ab ä", 50_000);
    let data = at.store(&large, 100).await.unwrap();
    assert!(at.sizes().await[0] < 10_000, "not compressed");
    assert_eq!(at.load(&data).await.unwrap(), large);
}

#[tokio::test]
async fn what_compression_does_not_help_stays_as_it_is() {
    let at = At::new();
    let short = text("a", 4000);
    at.store(&short, 100).await.unwrap();
    assert_eq!(at.sizes().await, [4002]);
}

#[tokio::test]
async fn more_than_an_object_may_have_is_refused_before_anything_is_sent() {
    let at = At::new();
    let e = at.store(&text("a", MAX_BODY), 100).await.unwrap_err();
    assert!(matches!(e, Error::Invalid { .. }), "{e}");
    assert!(at.sizes().await.is_empty());
}

#[tokio::test]
async fn what_is_not_what_was_written_is_refused() {
    let at = At::new();
    let large = text("ab", 50_000);
    let Data::At(good) = at.store(&large, 100).await.unwrap() else {
        panic!("inline");
    };
    let refused = |change: fn(&mut PayloadRef)| {
        let mut bad = good.clone();
        change(&mut bad);
        let at = &at;
        async move {
            match at.load(&Data::At(bad)).await {
                Err(Error::Unreadable { why, .. }) => why,
                other => panic!("{other:?}"),
            }
        }
    };
    // A bomb unpacks to more than the reference says.
    assert!(refused(|r| r.size = 1000).await.contains("unpack"));
    assert!(refused(|r| r.size += 1).await.contains("bytes"));
    assert!(refused(|r| r.size = u64::MAX).await.contains("bytes"));
    assert!(refused(|r| r.zstd = false).await.contains("bytes"));
    assert!(refused(|r| r.sha256 = "0".repeat(64)).await.contains("SHA"));
    assert!(
        refused(|r| r.part = Part::Output(3))
            .await
            .contains("missing")
    );
}
