//! Whatever is in them, bodies read back as they were written, with what they do not know. (The large
//! ones: `tasks`; the bell: its own file.)

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::store::StoreKey;
use crate::time::StoreTime;

mod tasks;

fn time() -> impl Strategy<Value = StoreTime> {
    (0u64..1 << 48).prop_map(StoreTime)
}

fn span() -> impl Strategy<Value = Duration> {
    (0u64..1 << 40).prop_map(Duration::from_millis)
}

fn stamp() -> impl Strategy<Value = Stamp> {
    let id = || "[0-9A-Z]{1,12}".prop_map(|text| WriteId::parse(&text).unwrap());
    (
        any::<u64>(),
        prop::collection::vec(id(), 0..9),
        id(),
        time(),
    )
        .prop_map(|(generation, by, created_by, created)| Stamp {
            generation,
            by,
            created_by,
            created,
        })
}

/// Fields of a version that does not exist yet; none that a body has now.
fn extra() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300..1e300).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..3).prop_map(Value::from),
    ];
    prop::collection::btree_map("future_[a-z]{1,5}", value, 0..3)
}

fn texts() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-z]{1,8}", ".{0,20}", 0..4)
}

fn retry() -> impl Strategy<Value = Retry> {
    let growth = prop_oneof![
        Just(Growth::Fixed),
        Just(Growth::Linear),
        Just(Growth::Exponential)
    ];
    let kinds = || prop::collection::vec(".{0,9}", 0..3);
    (
        1u32..=1000,
        growth,
        span(),
        span(),
        0.0..=1.0,
        kinds(),
        kinds(),
    )
        .prop_map(|(attempts, growth, base, cap, jitter, never, only)| Retry {
            attempts,
            growth,
            base,
            cap,
            jitter,
            never,
            only,
        })
}

fn options() -> impl Strategy<Value = Options> {
    let (expires_at, max) = (prop::option::of(time()), prop::option::of(any::<u32>()));
    (span(), span(), retry(), expires_at, span(), max).prop_map(
        |(timeout, lease, retry, expires_at, retention, max_reschedules)| Options {
            timeout,
            lease,
            retry,
            expires_at,
            retention,
            max_reschedules,
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    let defaults = prop_oneof![Just(Options::default()), options()];
    let purged = prop::option::of(time());
    (
        stamp(),
        1u16..=1024,
        1u16..=1024,
        any::<bool>(),
        defaults,
        purged,
        extra(),
    )
        .prop_map(
            |(write, shards, shards_high, paused, defaults, purged_before, extra)| Settings {
                v: V1,
                write,
                shards,
                shards_high,
                paused,
                defaults,
                purged_before,
                extra,
            },
        )
}

fn dead() -> impl Strategy<Value = Dead> {
    let said = (".{0,9}", ".{0,40}", texts());
    (
        stamp(),
        "[a-z][a-z.]{0,9}",
        time(),
        any::<u32>(),
        said,
        extra(),
    )
        .prop_map(
            |(write, task_type, at, attempts, (kind, message, tags), extra)| Dead {
                v: V1,
                write,
                task_type: TaskType::new(task_type).unwrap(),
                at,
                attempts,
                kind,
                message,
                tags,
                extra,
            },
        )
}

fn idempotency() -> impl Strategy<Value = Idempotency> {
    let id = (time(), any::<u64>(), 0u8..32, 0u16..1024).prop_map(|(due, random, p, s)| {
        let (p, s) = (Priority::new(p).unwrap(), Shard::new(s).unwrap());
        ObjectId::from_parts(due, random, p, 1, s)
    });
    (stamp(), id, span(), extra()).prop_map(|(write, id, window, extra)| Idempotency {
        v: V1,
        write,
        id,
        window,
        extra,
    })
}

/// Read back it is the same, to the last field; and so is what is written of that.
fn reads_back<R: Record + Debug>(record: &R) -> Result<(), TestCaseError> {
    let body = encode(record);
    let read: R = decode(&StoreKey::listed("x"), &body)
        .map_err(|e| TestCaseError::fail(format!("{e}: {record:?}")))?;
    prop_assert_eq!(format!("{read:?}"), format!("{record:?}"));
    prop_assert_eq!(encode(&read), body);
    Ok(())
}

proptest! {
    #[test]
    fn settings_read_back(record in settings()) {
        reads_back(&record)?;
    }

    #[test]
    fn dead_letters_read_back(record in dead()) {
        reads_back(&record)?;
    }

    #[test]
    fn idempotency_keys_read_back_and_their_length_tells_how_long_they_stand(record in idempotency()) {
        reads_back(&record)?;
        let hint = Hint::of_size(encode(&record).len() as u64);
        let Hint::Terminal(stands) = hint else {
            return Err(TestCaseError::fail(format!("{hint:?}")));
        };
        prop_assert!(stands >= record.window.min(MAX_SPAN), "{:?} {:?}", stands, record.window);
    }

    #[test]
    fn presences_read_back(write in stamp(), about in texts(), extra in extra()) {
        reads_back(&Presence { v: V1, write, about, extra })?;
    }

    #[test]
    fn marks_of_the_root_read_back(write in stamp(), extra in extra()) {
        reads_back(&Format { v: V1, write, extra })?;
    }
}
