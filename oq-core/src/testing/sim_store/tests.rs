use super::*;
use crate::store::{List, Store, Write};
use crate::testing::sim_clock::{now, sleep_until};

const S: Duration = Duration::from_secs(1);

fn host() -> Arc<SimHost> {
    SimHost::new(1, Duration::ZERO, 0)
}

fn with(fault: Fault) -> SimStore {
    let mut plan = Plan::calm();
    plan.set(fault, 1.0);
    SimStore::new(1, Modes::default(), plan)
}

fn key() -> StoreKey {
    StoreKey::listed("q/bell")
}

async fn one_create(store: &SimStore) -> Option<Write> {
    let client = store.client(&host());
    let body = Bytes::from_static(b"{}");
    let write = async { client.create(&key(), body).await.expect("no denial here") };
    host().env(1).within(5 * S, write).await
}

#[tokio::test(start_paused = true)]
async fn without_faults_it_answers_in_kind() {
    let store = SimStore::new(1, Modes::default(), Plan::calm());
    assert!(matches!(one_create(&store).await, Some(Write::Won { .. })));
    assert_eq!(one_create(&store).await, Some(Write::Lost));
    let client = store.client(&host());
    let there = client.get(&key()).await.unwrap().value.unwrap();
    assert_eq!(there.last_modified.0 % 1000, 0, "truncated to a second");
    let page = client.list(&List::prefix("q/")).await.unwrap().value;
    assert_eq!(page.entries.len(), 1);
    client.delete(&key()).await.unwrap();
    assert_eq!(client.get(&key()).await.unwrap().value, None);
    let log = store.take_log();
    assert_eq!(log.len(), 2);
    assert!(log[0].sent < log[0].at && log[1].new.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_zombie_lands_after_its_caller_has_given_up() {
    let store = with(Fault::Zombie);
    assert!(matches!(
        one_create(&store).await,
        None | Some(Write::Unknown)
    ));
    assert_eq!((store.in_flight(), store.writes()), (1, 0));
    sleep_until(now() + 901 * S).await;
    assert_eq!((store.in_flight(), store.writes()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_request_outlives_the_caller_that_was_dropped() {
    let store = SimStore::new(1, Modes::default(), Plan::calm());
    let (client, host) = (store.client(&host()), host());
    let call = tokio::spawn(async move { client.create(&key(), Bytes::new()).await });
    tokio::task::yield_now().await;
    call.abort();
    host.kill();
    sleep_until(now() + S).await;
    assert_eq!(store.writes(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_applied_and_what_is_told_are_two_things() {
    for (fault, told, applied) in [
        (Fault::Refused, "again", 0),
        (Fault::Conflict, "again", 0),
        (Fault::FailedUnapplied, "unknown", 0),
        (Fault::AppliedThen500, "unknown", 1),
        (Fault::AppliedThenReset, "unknown", 1),
        (Fault::AppliedThenSilence, "nothing", 1),
        (Fault::LostRequest, "nothing", 0),
        (Fault::Duplicate, "won", 1),
    ] {
        let store = with(fault);
        let answer = match one_create(&store).await {
            Some(Write::Won { .. }) => "won",
            Some(Write::Lost) => "lost",
            Some(Write::Again { .. }) => "again",
            Some(Write::Unknown) => "unknown",
            None => "nothing",
        };
        assert_eq!((answer, store.writes()), (told, applied), "{fault:?}");
        assert!(store.fired().of(fault) == 1, "{fault:?} is counted");
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_bodies_are_damaged_and_the_object_is_not() {
    for fault in [Fault::EmptyBody, Fault::CutBody, Fault::CorruptBody] {
        let store = with(fault);
        store.put_by_hand(key(), Bytes::from_static(b"{\"v\":1}"));
        let client = store.client(&host());
        let seen = client.get(&key()).await.unwrap().value.unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(&seen.body).is_err());
        store.heal();
        let seen = client.get(&key()).await.unwrap().value.unwrap();
        assert_eq!(&seen.body[..], b"{\"v\":1}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_has_a_direction() {
    let store = SimStore::new(1, Modes::default(), Plan::calm());
    let host = host();
    let client = store.client(&host);
    let create = |name: &'static str| {
        let client = client.clone();
        let env = host.env(1);
        async move {
            let key = StoreKey::listed(name);
            env.within(5 * S, client.create(&key, Bytes::new())).await
        }
    };
    host.cut_out(6 * S);
    assert!(create("a").await.is_none());
    host.reconnect();
    host.cut_back(6 * S);
    assert!(create("b").await.is_none());
    host.reconnect();
    assert!(create("c").await.is_some());
    let there: Vec<_> = store.objects().into_keys().collect();
    assert_eq!(there, [StoreKey::listed("b"), StoreKey::listed("c")]);
}

#[tokio::test(start_paused = true)]
async fn a_seed_says_everything() {
    async fn run(seed: u64) -> (u64, u64) {
        let mut plan = Plan::calm();
        for fault in Fault::ALL {
            plan.set(*fault, 0.02);
        }
        let store = SimStore::new(seed, Modes::default(), plan);
        let (client, host) = (store.client(&host()), host());
        for i in 0..200 {
            let key = StoreKey::listed(format!("k{}", i % 7));
            let env = host.env(1);
            let _ = env.within(5 * S, client.create(&key, Bytes::new())).await;
            let _ = env.within(5 * S, client.delete(&key)).await;
        }
        (store.trace(), store.fired().total())
    }
    let (a, faults) = run(5).await;
    assert!(faults > 20, "only {faults} faults");
    assert_eq!(run(5).await, (a, faults));
    assert_ne!(run(6).await.0, a);
}

#[tokio::test(start_paused = true)]
async fn without_faults_it_is_a_store_like_any_other() {
    for etag in [EtagKind::Content, EtagKind::Counter, EtagKind::Opaque] {
        let modes = Modes {
            etag,
            ..Modes::default()
        };
        let store = SimStore::new(1, modes, Plan::calm());
        let client = store.client(&host());
        crate::store::conformance::run(|| async { client.clone() as Arc<dyn Store> }).await;
    }
}
