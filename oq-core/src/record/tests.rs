//! Every kind of body: read back as written, frozen in its first version, kept when unknown parts
//! are in it, refused with a reason when it is not one.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::env::SystemEntropy;
use crate::store::StoreKey;
use crate::time::StoreTime;

const T: StoreTime = StoreTime(1_700_000_000_000);

fn key() -> StoreKey {
    StoreKey::listed("mail/live/00/G/x")
}

fn stamp() -> Stamp {
    let id = |text: &str| WriteId::parse(text).unwrap();
    let by = vec![id("AAAAAAAAAAAA"), id("BBBBBBBBBBBB")];
    Stamp {
        generation: 2,
        created_by: by[0].clone(),
        by,
        created: T,
    }
}

fn slot(n: u32) -> Slot {
    let mut slot = Slot::new(Data::Json(
        Json::parse(format!("{{\"n\": {n}, \"text\":\"ä\\n\"}}")).unwrap(),
    ));
    slot.tags.insert("customer".into(), format!("c{n}"));
    slot.trace = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    slot.starts = n;
    slot.excused = n / 2;
    slot.available_at = Some(T.plus(Duration::from_secs(5)));
    slot.progress = Some(Progress { done: 3, total: 9 });
    slot.saved = Some(Json::of(&7).unwrap());
    slot.failure = Some(Failure::new("timeout", "too slow"));
    slot
}

fn live() -> Live {
    let at = PayloadRef {
        token: Token::parse("TTTTTTTTTTTT").unwrap(),
        part: Part::Input(1),
        size: 200_000,
        sha256: "00".repeat(32),
        zstd: true,
    };
    let mut second = Slot::new(Data::At(at));
    second.outcome = Some(Outcome {
        ending: Ending::Completed,
        at: T,
        attempts: 1,
        output: Some(Data::Json(Json::of("ok").unwrap())),
        failure: None,
    });
    let mut live = Live {
        v: V1,
        write: stamp(),
        task_type: TaskType::new("mail.welcome").unwrap(),
        state: LiveState::Running,
        options: Options {
            timeout: Duration::from_secs(7),
            retry: Retry::linear(3, Duration::from_secs(2)).never("ValueError"),
            expires_at: Some(T.plus(Duration::from_secs(3600))),
            ..Options::default()
        },
        available_at: None,
        delivery: 3,
        width: Some(1),
        lease: Some(Lease {
            token: Token::parse("LLLLLLLLLLLL").unwrap(),
            worker: WorkerId::parse("WWWWWWWWWWWW").unwrap(),
            length: Duration::from_secs(30),
            among: 1,
        }),
        key: Some(Keyed {
            hash: KeyHash::of("welcome:1"),
            window: Duration::from_secs(60),
        }),
        retry_of: None,
        tasks: vec![slot(3), second],
        history: Vec::new(),
        extra: BTreeMap::new(),
    };
    live.log(T, Step::Claimed, Some("first".into()));
    live
}

fn done() -> Done {
    let live = live();
    let mut done =
        crate::state::record_outcome::done(&live, &Token::parse("LLLLLLLLLLLL").unwrap(), stamp());
    done.tasks[0].input = Some(live.tasks[0].input.clone());
    done
}

fn dead() -> Dead {
    let done = done();
    crate::state::record_outcome::dead(&done, &done.tasks[0], stamp())
}

fn settings() -> Settings {
    Settings {
        paused: true,
        purged_before: Some(T),
        ..Settings::initial(stamp())
    }
}

fn format() -> Format {
    Format {
        v: V1,
        write: stamp(),
        extra: BTreeMap::new(),
    }
}

/// A frozen body must read as the value it was made from, and that value must still be written so:
/// programs of this version are out there.
fn frozen<R: Record>(now: &R, fixture: &str) {
    let body = encode(now);
    let text = std::str::from_utf8(&body).unwrap();
    assert_eq!(
        text.trim_end(),
        fixture.trim_end(),
        "the format changed: that needs a new version"
    );
    let read: R = decode(&key(), fixture.trim_end_matches('\n').as_bytes()).unwrap();
    assert_eq!(encode(&read), body);
}

#[test]
fn the_first_versions_are_frozen() {
    frozen(&live(), include_str!("fixtures/live.v1.json"));
    frozen(&done(), include_str!("fixtures/done.v1.json"));
    frozen(&dead(), include_str!("fixtures/dead.v1.json"));
    frozen(&settings(), include_str!("fixtures/settings.v1.json"));
    frozen(&format(), include_str!("fixtures/format.v1.json"));
}

/// Adds a field that this version does not know, and expects it to survive an update.
fn keeps_unknown<R: Record>(record: &R) {
    let mut value = serde_json::to_value(record).unwrap();
    value["from_the_future"] = serde_json::json!({"a": [1, 2]});
    let read: R = decode(&key(), value.to_string().as_bytes()).unwrap();
    let again: serde_json::Value = serde_json::from_slice(&encode(&read)).unwrap();
    assert_eq!(again["from_the_future"], value["from_the_future"]);
    value["v"] = 2.into();
    value["write"] = "another shape".into();
    let e = decode::<R>(&key(), value.to_string().as_bytes()).unwrap_err();
    assert!(e.to_string().contains("format version 2"), "{e}");
}

#[test]
fn unknown_fields_are_kept_and_unknown_versions_refused() {
    keeps_unknown(&live());
    keeps_unknown(&done());
    keeps_unknown(&dead());
    keeps_unknown(&settings());
    keeps_unknown(&format());
    let mut value = serde_json::to_value(live()).unwrap();
    value["tasks"][0]["from_the_future"] = 1.into();
    let read: Live = decode(&key(), value.to_string().as_bytes()).unwrap();
    assert_eq!(
        serde_json::to_value(read).unwrap()["tasks"][0]["from_the_future"],
        1
    );
}

#[test]
fn what_is_not_a_record_says_why() {
    let whole = encode(&live());
    let cut = &whole[..whole.len() / 2];
    let mut negative = serde_json::to_value(live()).unwrap();
    negative["tasks"][0]["starts"] = (-1).into();
    let negative = negative.to_string();
    let mut state = serde_json::to_value(live()).unwrap();
    state["state"] = "sleeping".into();
    let state = state.to_string();
    let deep = "[".repeat(10_000);
    for (body, why) in [
        (&b""[..], "it is empty"),
        (cut, "its end is missing"),
        (&b"\xff\xfe"[..], "not a record"),
        (&b"PK\x03\x04"[..], "not a record"),
        (&b"{}"[..], "not a record"),
        (&b"null"[..], "not a record"),
        (negative.as_bytes(), "not a record"),
        (state.as_bytes(), "not a record"),
        (deep.as_bytes(), "not a record"),
        (&b"{\"v\":99}"[..], "format version 99"),
    ] {
        let e = decode::<Live>(&key(), body).expect_err(why).to_string();
        assert!(e.contains(why) && e.contains("left as it is"), "{e}");
    }
}

#[test]
fn a_body_with_another_number_of_tasks_than_its_id_is_unreadable() {
    let id = ObjectId::from_parts(T, 1, Priority::NORMAL, 3, Shard::new(0).unwrap());
    let object = crate::store::Object {
        body: encode(&live()),
        etag: crate::store::Etag::new("e"),
        last_modified: T,
    };
    let e = Live::in_object(id, &key(), object).unwrap_err().to_string();
    assert!(e.contains("2 tasks, its id says 3"), "{e}");
}

proptest! {
    #[test]
    fn bodies_round_trip_and_their_length_tells_the_state(
        n in 0u32..9, state in 0usize..3, wait in 1u64..100_000, text in ".{0,60}", stamps in 0usize..12,
    ) {
        let mut record = live();
        record.tasks[0] = slot(n);
        record.tasks[0].input = Data::Json(Json::of(&text).unwrap());
        record.state = [LiveState::Pending, LiveState::Running, LiveState::Terminal][state];
        record.available_at = (state == 0).then(|| T.plus(Duration::from_secs(wait)));
        for _ in 0..stamps {
            record.write = record.write.next(&SystemEntropy);
        }
        prop_assert!(record.write.by.len() <= 8);
        let body = encode(&record);
        let read: Live = decode(&key(), &body).unwrap();
        prop_assert_eq!(encode(&read), body.clone());
        match (state, Hint::of_size(body.len() as u64)) {
            (0, Hint::Waiting(d)) => prop_assert!(d <= Duration::from_secs(wait)),
            (1, Hint::Running(d)) => prop_assert!(d <= Duration::from_secs(30)),
            (2, Hint::Terminal(_)) => {}
            (_, other) => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn outcomes_tell_how_long_they_are_kept(hours in 1u64..8784) {
        let mut record = done();
        record.keep = Duration::from_secs(hours * 3600);
        let Hint::Terminal(kept) = Hint::of_size(encode(&record).len() as u64) else { panic!() };
        prop_assert!(kept >= record.keep && kept < record.keep * 2);
        record.open = Some(1);
        prop_assert_eq!(Hint::of_size(encode(&record).len() as u64), Hint::Runnable);
    }

    #[test]
    fn decoding_anything_never_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::<Live>(&key(), &body);
        let _ = decode::<Done>(&key(), &body);
    }
}

/// Writes the fixtures of a new format version: `OQ_FREEZE=1 cargo test -p oq-core freeze`.
#[test]
fn freeze() {
    if std::env::var_os("OQ_FREEZE").is_none() {
        return;
    }
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/record/fixtures");
    let put = |name: &str, body: bytes::Bytes| {
        std::fs::write(format!("{dir}/{name}.v1.json"), body).unwrap()
    };
    put("live", encode(&live()));
    put("done", encode(&done()));
    put("dead", encode(&dead()));
    put("settings", encode(&settings()));
    put("format", encode(&format()));
}
