//! Several stores on one file: in this process, and in others.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Sends each call to the next of several stores that are open on the same file.
#[derive(Debug)]
struct InTurn {
    stores: Vec<Arc<dyn Store>>,
    turn: AtomicUsize,
}

impl crate::store::Passing for InTurn {
    fn to(&self) -> &dyn Store {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &*self.stores[turn % self.stores.len()]
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

#[tokio::test]
async fn several_stores_on_one_file_never_give_an_etag_twice() {
    conformance::check(in_turn().await, conformance::etags_never_repeat).await;
}

const PROCESSES: usize = 4;
const RACES: usize = 50;
const STEPS: usize = 50;

/// Starts this program again, to do one thing on the file at `path`.
fn start(what: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .arg(format!("store::sqlite::tests::processes::{what}"))
        .args(["--exact", "--ignored", "--nocapture"])
        .env("OQ_TEST_FILE", path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The file that [`start`] named; none if nobody started this.
fn given() -> Option<Arc<dyn Store>> {
    let path = std::env::var_os("OQ_TEST_FILE")?;
    Some(open(Path::new(&path)))
}

/// What each process of the race does; run by [`processes_race_on_one_file`] alone.
#[tokio::test]
#[ignore = "a part of processes_race_on_one_file"]
async fn racer() {
    let Some(store) = given() else { return };
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
    // Lives of one key, with the same bytes each time.
    let key = StoreKey::listed("again");
    let same = || Bytes::from_static(b"same");
    for life in 0..STEPS {
        let first = loop {
            if let Write::Won { etag, .. } = store.create(&key, same()).await.unwrap() {
                break etag;
            }
        };
        let Write::Won { etag, .. } = store.update(&key, same(), &first).await.unwrap() else {
            panic!("nobody else changes what is ours");
        };
        store.delete(&key).await.unwrap();
        let process = std::process::id();
        println!("life {process} {life} begins {}", first.as_str());
        println!("life {process} {life} goes on {}", etag.as_str());
    }
}

#[test]
fn a_new_file_is_ours_to_all_who_open_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..100 {
        let path = folder.path().join(format!("{round}.db"));
        std::thread::scope(|all| {
            for _ in 0..4 {
                all.spawn(|| open(&path));
            }
        });
    }
}

#[tokio::test]
async fn processes_race_on_one_file() {
    let path = file();
    let racers: Vec<_> = (0..PROCESSES).map(|_| start("racer", &path)).collect();
    let mut lines = Vec::new();
    for racer in racers {
        let output = racer.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let shown = text.lines().filter_map(|line| {
            // The test harness puts its own words before the first.
            let words = ["won ", "step ", "life "];
            let at = words.iter().find_map(|word| line.find(word))?;
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
    let total = RACES + PROCESSES * STEPS * 3;
    assert_eq!(
        lines.len(),
        total,
        "each race, step and life has one winner"
    );
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

/// Writes without end and says what was answered; run by
/// [`what_was_answered_survives_a_killed_process`] alone.
#[tokio::test]
#[ignore = "a part of what_was_answered_survives_a_killed_process"]
async fn endless() {
    let Some(store) = given() else { return };
    let write = |n: usize| {
        let store = store.clone();
        async move {
            let key = format!("k/{n:06}");
            let body = Bytes::from(key.clone());
            let answer = store.create(&StoreKey::listed(key.as_str()), body).await;
            assert!(matches!(answer, Ok(Write::Won { .. })), "{answer:?}");
            println!("answered {key}");
        }
    };
    for begin in (0..1_000_000).step_by(16) {
        futures::future::join_all((begin..begin + 16).map(write)).await;
    }
}

#[tokio::test]
async fn what_was_answered_survives_a_killed_process() {
    let path = file();
    let store = open(&path);
    let mut writer = start("endless", &path);
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut answered = Vec::new();
    let mut note = |line: std::io::Result<String>| {
        // The last line may have been cut off by the kill.
        let line = line.unwrap_or_default();
        if let Some((_, key)) = line.split_once("answered ").filter(|(_, k)| k.len() == 8) {
            answered.push(key.to_owned());
        }
    };
    lines.by_ref().take(400).for_each(&mut note);
    writer.kill().unwrap();
    lines.for_each(&mut note);
    writer.wait().unwrap();
    assert!(answered.len() > 300, "{}", answered.len());
    for key in answered {
        let got = store.get(&StoreKey::listed(key.as_str())).await.unwrap();
        assert_eq!(got.value.expect("it was answered").body, key);
    }
    let answer = store.create(&StoreKey::listed("after"), Bytes::new()).await;
    assert!(matches!(answer, Ok(Write::Won { .. })), "{answer:?}");
}
