//! Which objects notifications ask for, and which they do not.

use oq_core::record::Hint;

use super::*;
use crate::event::Event;

fn asked_by(name: &str, bucket: &str, prefix: &str) -> Asked {
    let path = format!("{}/tests/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(path).unwrap();
    let Ok(Event::Objects(_, messages)) = Event::read(&document) else {
        panic!("{name}")
    };
    let place = Place {
        bucket: bucket.into(),
        prefix: prefix.into(),
    };
    asked(&messages, Some(&place))
}

#[test]
fn live_objects_of_our_own_store_are_asked_for() {
    let none = Ignored::default();
    let bucket = Ignored {
        other_bucket: 1,
        ..none
    };
    let place = Ignored {
        not_live: 1,
        ..none
    };
    let removed = Ignored {
        not_written: 1,
        ..none
    };
    let table = [
        ("s3-put", "prod/", 1, none),
        ("s3-put-versioned", "prod/", 1, none),
        ("s3-put-twice", "prod/", 1, none),
        ("s3-put-encoded", "team+a/région 1/", 1, none),
        ("s3-put-encoded", "team%2Ba/r%C3%A9gion+1/", 1, none),
        ("s3-put-encoded", "team a/région 1/", 0, place),
        ("s3-put", "", 0, place),
        ("s3-put", "pro", 0, place),
        ("s3-foreign-prefix", "prod/", 0, place),
        ("s3-outcome", "prod/", 0, place),
        ("s3-foreign-bucket", "prod/", 0, bucket),
        ("s3-removed", "prod/", 0, removed),
        ("s3-test", "prod/", 0, none),
        ("s3-empty", "prod/", 0, none),
        ("s3-by-hand", "prod/", 1, none),
        ("eventbridge-created", "prod/", 1, none),
        ("eventbridge-created-unencoded", "team+a/", 1, none),
        ("eventbridge-deleted", "prod/", 0, removed),
        ("sqs-s3", "prod/", 2, none),
        ("sqs-poisoned", "prod/", 1, none),
        ("sqs-sns-s3", "prod/", 1, none),
        ("sns-s3", "prod/", 1, none),
    ];
    for (name, prefix, leads, ignored) in table {
        let asked = asked_by(name, "acme-jobs", prefix);
        assert_eq!(
            (asked.leads.len(), asked.ignored),
            (leads, ignored),
            "{name} {prefix}"
        );
    }
}

#[test]
fn of_several_notices_of_an_object_the_latest_counts_in_whatever_order_they_come() {
    let asked = asked_by("s3-put-then-claim-out-of-order", "acme-jobs", "prod/");
    assert_eq!(asked.leads.len(), 1);
    let size = asked.leads[0].size.unwrap();
    assert!(matches!(Hint::of_size(size), Hint::Running(_)), "{size}");
}

#[test]
fn each_message_keeps_its_objects() {
    let asked = asked_by("sqs-poisoned", "acme-jobs", "prod/");
    let [(good, Ok(objects)), (bad, Err(why))] = &asked.messages[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(objects.len(), 1);
    assert!(
        good.as_ref().unwrap().starts_with("059f") && bad.as_ref().unwrap().starts_with("2e14")
    );
    assert!(why.contains("not a JSON object"), "{why}");
}
