//! Tasks by HTTP to a function whose store fails: what its caller is told, and what he may do then.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use oq_core::store::{Dated, Faults, Object, Passing, Store, StoreError, StoreKey, Write};
use serde_json::Value;

use crate::world::{DOWN, World, invoke, post};

const TASK: &str = r#"{ "type": "sleep", "input": 1 }"#;

/// The status, when to come again, and the body.
fn read(reply: &Value) -> (u64, Option<&str>, Value) {
    let body = serde_json::from_str(reply["body"].as_str().unwrap()).unwrap();
    let status = reply["statusCode"].as_u64().unwrap();
    (status, reply["headers"]["retry-after"].as_str(), body)
}

/// A store that does to live objects what another one does, and to all else nothing.
#[derive(Debug)]
struct OfLive<S> {
    all: Arc<dyn Store>,
    live: Arc<S>,
}

#[async_trait]
impl<S: Store> Passing for OfLive<S> {
    fn to(&self) -> &dyn Store {
        &*self.all
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        match key.as_str().contains("/live/") {
            true => Store::get(&*self.live, key).await,
            false => Store::get(&*self.all, key).await,
        }
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        match key.as_str().contains("/live/") {
            true => Store::create(&*self.live, key, body).await,
            false => Store::create(&*self.all, key, body).await,
        }
    }
}

/// A store that lets nobody write.
#[derive(Debug)]
pub struct ReadOnly(pub Arc<dyn Store>);

#[async_trait]
impl Passing for ReadOnly {
    fn to(&self) -> &dyn Store {
        &*self.0
    }

    async fn create(&self, _: &StoreKey, _: Bytes) -> Result<Write, StoreError> {
        Err(StoreError::Denied(
            "arn:aws:iam::1:role/secret may not".into(),
        ))
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_503_and_when_to_come_again() {
    let world = World::new();
    world.queue().await;
    let store = world.faulty();
    let function = oq_lambda::submitter(world.queue_of(store.clone()).await);
    store.set(DOWN);
    for key in [None, Some("k")] {
        let reply = invoke(&function, &post(key, TASK), 60).await.unwrap();
        let (status, after, body) = read(&reply);
        assert_eq!((status, after), (503, Some("2")), "{reply}");
        assert_eq!(body["error"]["code"], "OQ-UNAVAILABLE");
    }
    assert_eq!(
        world.live().await,
        0,
        "what was refused must never be there"
    );
    store.set(Faults::default());
    let reply = invoke(&function, &post(Some("k"), TASK), 60).await.unwrap();
    assert_eq!(read(&reply).0, 202, "{reply}");
    assert_eq!(world.live().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_503_and_under_the_same_key_the_task_is_accepted_once() {
    let landed = Faults {
        unknown_applied: 1.0,
        again: 0.0,
        ..DOWN
    };
    let not_landed = Faults {
        unknown_not_applied: 1.0,
        again: 0.0,
        ..DOWN
    };
    for (faults, there) in [(landed, 1), (not_landed, 0)] {
        let world = World::new();
        world.queue().await;
        let live = world.faulty();
        let store = OfLive {
            all: world.store.clone(),
            live: live.clone(),
        };
        let function = oq_lambda::submitter(world.queue_of(Arc::new(store)).await);
        live.set(faults);
        let reply = invoke(&function, &post(Some("k"), TASK), 60).await.unwrap();
        let (status, after, body) = read(&reply);
        assert_eq!((status, after), (503, Some("2")), "{reply}");
        assert_eq!(body["error"]["code"], "OQ-IN-DOUBT");
        assert!(
            body["error"]["message"]
                .as_str()
                .unwrap()
                .contains("Idempotency-Key")
        );
        assert_eq!(world.live().await, there);
        live.set(Faults::default());
        for n in 0..2 {
            let reply = invoke(&function, &post(Some("k"), TASK), 60).await.unwrap();
            let (status, _, accepted) = read(&reply);
            let expected = if there + n == 0 { 202 } else { 200 };
            assert_eq!(status, expected, "{reply}");
            assert_eq!(accepted["id"], body["error"]["ids"][0], "{reply}");
            assert_eq!(world.live().await, 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_without_a_key_names_the_task_that_may_be_there() {
    let world = World::new();
    let queue = world.queue().await;
    let store = world.faulty();
    let function = oq_lambda::submitter(world.queue_of(store.clone()).await);
    store.set(Faults {
        unknown_applied: 1.0,
        again: 0.0,
        ..DOWN
    });
    let reply = invoke(&function, &post(None, TASK), 60).await.unwrap();
    let (status, _, body) = read(&reply);
    assert_eq!(status, 503, "{reply}");
    let id = body["error"]["ids"][0].as_str().unwrap().parse().unwrap();
    assert_eq!(queue.get(id).await.unwrap().id, id);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_function_itself_is_500_and_tells_nothing_of_it() {
    let world = World::new();
    world.queue().await;
    let store = Arc::new(ReadOnly(world.store.clone()));
    let function = oq_lambda::submitter(world.queue_of(store).await);
    for key in [None, Some("k")] {
        let reply = invoke(&function, &post(key, TASK), 60).await.unwrap();
        let (status, after, body) = read(&reply);
        assert_eq!((status, after), (500, None), "{reply}");
        assert_eq!(body["error"]["code"], "OQ-DENIED");
        assert!(!reply.to_string().contains("secret"), "{reply}");
    }
}
