//! Ids say what they were made of, and nothing else is one.

use super::*;
use crate::env::SystemEntropy;
use proptest::prelude::*;

proptest! {
    #[test]
    fn an_id_says_what_it_was_made_of(
        due in 0u64..1 << 48, random in 0u64..1 << 55, p in 0u8..32, n in 1usize..=1024, s in 0u16..1024,
    ) {
        let (p, s) = (Priority::new(p).unwrap(), Shard::new(s).unwrap());
        let id = ObjectId::from_parts(StoreTime(due), random, p, n, s);
        prop_assert_eq!(id.due(), StoreTime(due));
        prop_assert_eq!((id.priority(), id.count(), id.shard()), (p, n, s));
        prop_assert_eq!(id.to_string().parse::<ObjectId>().unwrap(), id);
        let text = id.to_string();
        prop_assert!(text.ends_with(s.code().as_str()));
        prop_assert_eq!(text.chars().nth(21), Some(p.char()));
        let last = id.task(n - 1);
        prop_assert_eq!(last.to_string().parse::<TaskId>().unwrap(), last);
    }

    #[test]
    fn ids_sort_by_due_time(a in 0u64..1 << 48, b in 0u64..1 << 48) {
        let id = |t| ObjectId::new(StoreTime(t), Priority::NORMAL, 1, Shard::new(0).unwrap(), &SystemEntropy);
        if a != b {
            prop_assert_eq!(a < b, id(a).to_string() < id(b).to_string());
        }
    }

    #[test]
    fn parsing_never_panics(text in ".{0,40}") {
        let _ = text.parse::<TaskId>();
    }
}

#[test]
fn shard_codes_round_trip() {
    for s in 0..Shard::LIMIT {
        let s = Shard::new(s).unwrap();
        assert_eq!(Shard::from_code(s.code().as_str()), Some(s));
    }
    assert_eq!(Shard::from_code("0I"), None);
    assert_eq!(Shard::from_code("000"), None);
}

#[test]
fn bad_ids_say_what_an_id_is() {
    let lone = ObjectId::from_parts(StoreTime(1), 2, Priority::NORMAL, 1, Shard(3)).to_string();
    let pack = ObjectId::from_parts(StoreTime(1), 2, Priority::NORMAL, 9, Shard(3)).to_string();
    for bad in [
        String::new(),
        "x".into(),
        lone.to_lowercase(),
        format!("{lone}.0"),
        pack.clone(),
        format!("{pack}.9"),
        format!("{pack}.01"),
        format!("{pack}.-1"),
        "8".repeat(26),
        "0000000000000000000000000\0".into(),
    ] {
        let e = bad.parse::<TaskId>().expect_err(&bad).to_string();
        assert!(e.starts_with("id "), "{e}");
        assert!(!e.chars().any(char::is_control), "{e:?}");
    }
}
