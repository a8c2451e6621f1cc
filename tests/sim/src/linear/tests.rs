//! Small histories whose verdict is plain to see. The checker on histories of whole runs is tried in
//! `tests/linear.rs`.

use bytes::Bytes;
use oq_core::store::Etag;

use super::*;

fn etag(name: &str) -> Etag {
    Etag::new(name)
}

fn body(name: &str) -> Bytes {
    Bytes::copy_from_slice(name.as_bytes())
}

fn call(sent: u64, answered: u64, asked: Asked, saw: Saw) -> Call {
    let at = Duration::from_millis;
    let answered = (answered > 0).then(|| at(answered));
    Call {
        client: 1,
        sent: at(sent),
        answered,
        asked,
        saw,
    }
}

fn create(sent: u64, answered: u64, name: &str, saw: Saw) -> Call {
    call(sent, answered, Asked::Create(body(name)), saw)
}

fn update(sent: u64, answered: u64, old: &str, name: &str, saw: Saw) -> Call {
    call(sent, answered, Asked::Update(body(name), etag(old)), saw)
}

fn read(sent: u64, answered: u64, name: &str) -> Call {
    call(sent, answered, Asked::Read, Saw::There(etag(name)))
}

fn won(name: &str) -> Saw {
    Saw::Won(Some(etag(name)))
}

fn verdict(calls: &[Call]) -> Verdict {
    let names = ["a", "b", "c"].map(|n| (etag(n), body(n)));
    judge(calls, &Register::new(names))
}

#[test]
fn one_after_the_other_is_linear() {
    let calls = [
        create(0, 10, "a", won("a")),
        create(20, 30, "b", Saw::Lost),
        update(40, 50, "a", "c", won("c")),
        read(60, 70, "c"),
        call(80, 90, Asked::Delete, Saw::Won(None)),
        call(95, 99, Asked::Read, Saw::Absent),
    ];
    assert_eq!(verdict(&calls), Verdict::Linear);
}

#[test]
fn calls_that_overlap_may_be_in_either_order() {
    let calls = [
        create(0, 100, "a", won("a")),
        call(10, 90, Asked::Read, Saw::Absent),
        read(20, 95, "a"),
    ];
    assert_eq!(verdict(&calls), Verdict::Linear);
}

#[test]
fn a_read_of_what_was_over_is_not() {
    let calls = [
        create(0, 10, "a", won("a")),
        update(20, 30, "a", "b", won("b")),
        read(40, 50, "a"),
    ];
    assert!(matches!(verdict(&calls), Verdict::Broken(_)));
}

#[test]
fn two_winners_are_one_too_many() {
    let calls = [create(0, 50, "a", won("a")), create(10, 60, "b", won("b"))];
    assert!(matches!(verdict(&calls), Verdict::Broken(_)));
}

#[test]
fn a_write_without_an_answer_may_land_late_or_never() {
    let lost = create(0, 0, "a", Saw::Nothing);
    let nothing = call(10, 20, Asked::Read, Saw::Absent);
    let late = read(1000, 1010, "a");
    assert_eq!(verdict(&[lost.clone(), nothing.clone()]), Verdict::Linear);
    assert_eq!(
        verdict(&[lost.clone(), nothing, late.clone()]),
        Verdict::Linear
    );
    let early = read(10, 20, "a");
    let refused = create(0, 5, "a", Saw::Refused);
    assert_eq!(verdict(&[lost, early, late.clone()]), Verdict::Linear);
    assert!(matches!(verdict(&[refused, late]), Verdict::Broken(_)));
}

/// A deletion of nothing changes nothing, and yet it may be what deleted something later.
#[test]
fn a_deletion_is_kept_for_when_it_is_needed() {
    let calls = [
        create(0, 0, "a", Saw::Nothing),
        read(10, 50, "a"),
        call(50, 60, Asked::Delete, Saw::Won(None)),
        call(70, 80, Asked::Read, Saw::Absent),
    ];
    assert_eq!(verdict(&calls), Verdict::Linear);
}
