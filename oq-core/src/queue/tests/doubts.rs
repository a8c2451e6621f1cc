//! Submissions whose answers are lost: what is said about them is true.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::store::{StoreError, StoreKey, Write};

/// What becomes of a create below `live/`.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Refused,
    LostBefore,
    LostAfter,
    /// Something on the way sends it twice and passes on the second answer.
    SentTwice,
    Denied,
}

/// Gives each create of a live object the next fate, and lets everything pass when they are used up.
#[derive(Debug)]
struct Scripted {
    inner: Arc<MemoryStore>,
    fates: Mutex<Vec<Fate>>,
}

#[async_trait]
impl crate::store::Passing for Scripted {
    fn to(&self) -> &dyn Store {
        &*self.inner
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        if !key.as_str().contains("/live/") {
            return self.inner.create(key, body).await;
        }
        let fate = self.fates.lock().unwrap().pop();
        match fate {
            None => self.inner.create(key, body).await,
            Some(Fate::Refused) => Ok(Write::Again { after: None }),
            Some(Fate::LostBefore) => Ok(Write::Unknown),
            Some(Fate::LostAfter) => {
                self.inner.create(key, body).await?;
                Ok(Write::Unknown)
            }
            Some(Fate::SentTwice) => {
                self.inner.create(key, body.clone()).await?;
                self.inner.create(key, body).await
            }
            Some(Fate::Denied) => Err(StoreError::Denied("no".into())),
        }
    }
}

async fn scripted(fates: &[Fate]) -> Queue {
    let store = Scripted {
        inner: store(),
        fates: Mutex::new(fates.iter().rev().copied().collect()),
    };
    queue_on(Arc::new(store), 1).await
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_settled_by_looking() {
    for fates in [
        &[Fate::LostAfter][..],
        &[Fate::LostBefore, Fate::LostAfter],
        &[Fate::Refused, Fate::LostBefore, Fate::Refused],
        &[Fate::SentTwice],
    ] {
        let queue = scripted(fates).await;
        let id = queue.submit(task("x")).await.unwrap().id;
        assert_eq!(queue.get(id).await.unwrap().state, TaskState::Pending);
        assert_eq!(keys(&queue).await.len(), 1, "{fates:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_to_the_end_never_existed() {
    let large = "x".repeat(200 << 10);
    for (fates, input) in [
        (vec![Fate::Refused; 20], "x"),
        (vec![Fate::Denied], "x"),
        (vec![Fate::Refused; 20], &large),
    ] {
        let queue = scripted(&fates).await;
        let e = queue.submit(task(input)).await.unwrap_err();
        assert!(matches!(e, Error::Unavailable(_) | Error::Denied(_)), "{e}");
        assert!(keys(&queue).await.is_empty(), "{e}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_doubt_that_stays_names_the_id() {
    let queue = scripted(&[Fate::LostBefore; 20]).await;
    let Err(Error::InDoubt { ids }) = queue.submit(task("x")).await else {
        panic!("not in doubt");
    };
    assert_eq!(ids.len(), 1);
    assert!(matches!(queue.get(ids[0]).await, Err(Error::NotFound(_))));

    // The store first loses an answer and then refuses: the first send may land yet.
    let queue = scripted(&[Fate::LostBefore, Fate::Denied]).await;
    let answer = queue.submit(task("x")).await;
    assert!(matches!(answer, Err(Error::InDoubt { .. })), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_the_middle_of_many_loses_nothing_that_was_accepted() {
    let mut fates = vec![Fate::LostBefore; 8];
    fates.extend([Fate::Denied; 100]);
    let queue = scripted(&fates).await;
    let tasks = (0..10_000).map(|n| Task::new("t", &n).unwrap());
    let mut reported = 0;
    let many = queue.submit_many(tasks).pack(10).in_flight(1);
    let summary = many
        .run_with(|batch| reported += batch.places.len() as u64)
        .await;
    assert_eq!(summary.in_doubt.len(), 10);
    assert_eq!(summary.accepted, 0);
    assert_eq!(reported, summary.failed + 10);
    assert!(reported < 100, "it went on reading: {reported}");
    assert!(!summary.is_complete());
}
