//! Measurements; `cargo test --profile sim -- --ignored --nocapture sqlite::tests::speed`.
#![allow(clippy::disallowed_methods)] // they measure the machine itself

use std::time::Instant;

use super::*;

fn name(n: usize) -> StoreKey {
    StoreKey::listed(format!(
        "q{}/live/0{}/8/01J{n:023}",
        std::process::id(),
        n % 10
    ))
}

/// Calls `op` for `0..total` from `width` tasks, and says how many were done a second.
async fn rate<F>(what: &str, total: usize, width: usize, op: impl Fn(usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let start = Instant::now();
    let tasks = (0..width).map(|task| {
        let ops: Vec<_> = (task..total).step_by(width).map(&op).collect();
        tokio::spawn(async move {
            for op in ops {
                op.await;
            }
        })
    });
    for task in futures::future::join_all(tasks).await {
        task.unwrap();
    }
    let rate = total as f64 / start.elapsed().as_secs_f64();
    println!("{what}, {width} at once: {rate:.0} a second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints a measurement"]
async fn speed() {
    let store = open(&std::env::var("OQ_TEST_SPEED").map_or_else(|_| file(), PathBuf::from));
    let body = Bytes::from(vec![b'x'; 400]);
    let mut begin = 0;
    for (width, total) in [(1, 500), (16, 8_000), (64, 40_000), (512, 100_000)] {
        let create = |n| {
            let (store, body) = (store.clone(), body.clone());
            async move {
                let answer = store.create(&name(begin + n), body).await;
                assert!(matches!(answer, Ok(Write::Won { .. })), "{answer:?}");
            }
        };
        rate("create", total, width, create).await;
        begin += total;
    }
    for (width, total) in [(1, 20_000), (64, 100_000)] {
        let get = |n| {
            let store = store.clone();
            async move {
                assert!(
                    store
                        .get(&name(n * 37 % begin))
                        .await
                        .unwrap()
                        .value
                        .is_some()
                );
            }
        };
        rate("get", total, width, get).await;
    }
    let list = |_| {
        let store = store.clone();
        async move {
            let page = store
                .list(&List::prefix(format!("q{}/live/03/", std::process::id())))
                .await
                .unwrap();
            assert_eq!(page.value.entries.len(), 1000);
        }
    };
    rate("list of 1000", 1000, 2, list).await;
    let fold = |_| {
        let store = store.clone();
        async move {
            let list = List::prefix(format!("q{}/live/", std::process::id())).folded();
            let page = store.list(&list).await.unwrap();
            assert_eq!(page.value.folders.len(), 10);
        }
    };
    rate("folded list of 10 folders", 1000, 2, fold).await;
    for (width, total) in [(64, 40_000)] {
        let delete = |n| {
            let store = store.clone();
            async move {
                store.delete(&name(n)).await.unwrap();
            }
        };
        rate("delete", total, width, delete).await;
    }
}
