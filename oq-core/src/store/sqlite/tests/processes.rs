//! Several stores on one file: in this process, and in others.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Sends each call to the next of several stores that are open on the same file.
#[derive(Debug)]
struct InTurn {
    stores: Vec<Arc<dyn Store>>,
    turn: AtomicUsize,
}

impl InTurn {
    fn next(&self) -> &dyn Store {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &*self.stores[turn % self.stores.len()]
    }
}

#[async_trait]
impl Store for InTurn {
    fn abilities(&self) -> Abilities {
        self.next().abilities()
    }
    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        self.next().get(key).await
    }
    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        self.next().get_if_changed(key, seen).await
    }
    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        self.next().create(key, body).await
    }
    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        self.next().update(key, body, seen).await
    }
    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        self.next().delete(key).await
    }
    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        self.next().delete_many(keys).await
    }
    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        self.next().delete_if(key, seen).await
    }
    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        self.next().list(list).await
    }
}

async fn in_turn() -> Arc<dyn Store> {
    let stores = (0..3).map(|_| open(&file())).collect();
    Arc::new(InTurn {
        stores,
        turn: AtomicUsize::new(0),
    })
}

crate::store_conformance!(in_turn());

const PROCESSES: usize = 4;
const RACES: usize = 50;
const STEPS: usize = 50;

/// What each process of the race does; run by [`processes_race_on_one_file`] alone.
#[tokio::test]
#[ignore = "a part of processes_race_on_one_file"]
async fn racer() {
    let path = std::env::var("OQ_TEST_RACE").expect("started by the race");
    let store = open(Path::new(&path));
    for race in 0..RACES {
        let key = StoreKey::listed(format!("race/{race:03}"));
        if let Write::Won { etag, .. } = store.create(&key, Bytes::new()).await.unwrap() {
            println!("won {race} {}", etag.as_str());
        }
    }
    let key = StoreKey::listed("counter");
    store.create(&key, Bytes::from_static(b"0")).await.unwrap();
    for _ in 0..STEPS {
        loop {
            let seen = store.get(&key).await.unwrap().value.expect("created");
            let n: usize = String::from_utf8(seen.body.to_vec())
                .unwrap()
                .parse()
                .unwrap();
            let next = Bytes::from((n + 1).to_string());
            let answer = store.update(&key, next, &seen.etag).await.unwrap();
            if let Write::Won { etag, .. } = answer {
                println!("step {n} {}", etag.as_str());
                break;
            }
        }
    }
}

#[tokio::test]
async fn processes_race_on_one_file() {
    let path = file();
    let race = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::sqlite::tests::processes::racer"])
            .args(["--ignored", "--nocapture"])
            .env("OQ_TEST_RACE", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let racers: Vec<_> = (0..PROCESSES).map(|_| race()).collect();
    let mut lines = Vec::new();
    for racer in racers {
        let output = racer.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let shown = text.lines().filter_map(|line| {
            // The test harness puts its own words before the first.
            let at = line.find("won ").or_else(|| line.find("step "))?;
            Some(line[at..].to_owned())
        });
        lines.extend(shown);
    }
    let mut etags: Vec<_> = lines
        .iter()
        .map(|l| l.rsplit(' ').next().unwrap().to_owned())
        .collect();
    let mut feats: Vec<_> = lines
        .iter()
        .map(|l| l.rsplit_once(' ').unwrap().0.to_owned())
        .collect();
    let total = RACES + PROCESSES * STEPS;
    assert_eq!(lines.len(), total, "each race and each step has one winner");
    for all in [&mut etags, &mut feats] {
        all.sort();
        all.dedup();
        assert_eq!(
            all.len(),
            total,
            "no two processes won the same, or got one ETag"
        );
    }
    let end = open(&path).get(&StoreKey::listed("counter")).await.unwrap();
    let end = end.value.expect("counted").body;
    assert_eq!(end, (PROCESSES * STEPS).to_string().as_bytes());
}
