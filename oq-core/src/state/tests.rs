//! The transitions, driven by random lives: what must hold after every step of every life.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::cancel::{Cancel, cancel};
use super::claim::*;
use super::run::*;
use crate::env::SystemEntropy;
use crate::record::*;
use crate::time::StoreTime;

const NOW: StoreTime = StoreTime(1_700_000_000_000);

fn live(tasks: usize, attempts: u32) -> Live {
    Live {
        v: V1,
        write: Stamp::first(NOW, &SystemEntropy),
        task_type: TaskType::new("t").unwrap(),
        state: LiveState::Pending,
        options: Options {
            retry: Retry::fixed(attempts, Duration::from_secs(1)).jitter(0.0),
            ..Options::default()
        },
        available_at: None,
        delivery: 0,
        width: None,
        lease: None,
        key: None,
        retry_of: None,
        tasks: (0..tasks)
            .map(|_| Slot::new(Data::Json(Json::null())))
            .collect(),
        history: Vec::new(),
        extra: BTreeMap::new(),
    }
}

fn who() -> Claimant {
    Claimant {
        worker: WorkerId::new(&SystemEntropy),
        token: Token::new(&SystemEntropy),
        longest_lease: MAX_LEASE,
        slots: 1,
    }
}

fn expired(live: &Live, written: StoreTime) -> StoreTime {
    take_over_at(live, written)
}

#[derive(Debug, Clone)]
enum Do {
    Complete(usize),
    Fail(usize),
    Fatal(usize),
    Later(usize),
    GiveBack,
    Crash,
    Cancel(usize),
    Declare,
    Wait(u64),
}

fn what() -> impl Strategy<Value = Do> {
    prop_oneof![
        4 => (0usize..8).prop_map(Do::Complete),
        2 => (0usize..8).prop_map(Do::Fail),
        1 => (0usize..8).prop_map(Do::Fatal),
        2 => (0usize..8).prop_map(Do::Later),
        1 => Just(Do::GiveBack),
        2 => Just(Do::Crash),
        1 => (0usize..8).prop_map(Do::Cancel),
        2 => Just(Do::Declare),
        2 => (0u64..5000).prop_map(Do::Wait),
    ]
}

/// What no step may break.
fn check(before: &Live, after: &Live) {
    for (b, a) in before.tasks.iter().zip(&after.tasks) {
        if let Some(outcome) = &b.outcome {
            assert_eq!(Some(outcome), a.outcome.as_ref(), "an outcome changed");
            assert_eq!(a.starts, b.starts, "started after its outcome");
        }
        assert!(a.starts >= b.starts, "starts shrank");
        assert!(a.starts - b.starts <= 1, "charged twice in one step");
        assert!(
            a.attempts() <= after.options.retry.attempts,
            "more attempts than allowed"
        );
        assert!(
            !b.cancel_requested || a.cancel_requested,
            "a flag was cleared"
        );
        assert!(
            !(a.running && a.outcome.is_some()),
            "running with an outcome"
        );
    }
    assert!(after.delivery >= before.delivery);
    assert!(after.history.len() <= MAX_HISTORY);
    assert_eq!(after.lease.is_some(), after.state == LiveState::Running);
    let over = after.open().next().is_none();
    assert!(
        after.state != LiveState::Terminal || over,
        "terminal with open tasks"
    );
    if after.state != LiveState::Running {
        assert!(
            after.tasks.iter().all(|s| !s.running),
            "running without a holder"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_life_keeps_the_rules(tasks in 1usize..8, attempts in 1u32..4, steps in prop::collection::vec(what(), 1..80)) {
        let mut now = NOW;
        let mut l = live(tasks, attempts);
        for step in steps {
            now = now.plus(Duration::from_millis(10));
            let before = l.clone();
            if l.state == LiveState::Pending {
                match claim(&l, &who(), now) {
                    Ok(next) => { check(&l, &next); l = next; settle_overdue(&mut l, now); }
                    Err(Refusal::NotYet(until)) => { prop_assert!(until > now); now = until; continue }
                    Err(e) => prop_assert!(false, "a pending record refused: {:?}", e),
                }
            }
            let before_step = l.clone();
            match step {
                Do::Complete(i) => settle(&mut l, i, Verdict::Completed(None), now),
                Do::Fail(i) => settle(&mut l, i, Verdict::Failed(Failure::new("error", "x"), 0.5), now),
                Do::Fatal(i) => settle(&mut l, i, Verdict::Failed(Failure::new("error", "x").fatal(), 0.5), now),
                Do::Later(i) => settle(&mut l, i, Verdict::Later(Duration::from_secs(2)), now),
                Do::GiveBack => { settle_overdue(&mut l, now); if l.open().next().is_some() { l = give_back(&l, Step::Released, None, now) } }
                Do::Crash => {
                    let early = expired(&l, now).minus(Duration::from_millis(1));
                    prop_assert!(matches!(take_over(&l, &who(), now, early, early), Err(Refusal::Held(_))));
                    let at = expired(&l, now);
                    l = take_over(&l, &who(), now, at, at).unwrap();
                    check(&before_step, &l);
                    now = at;
                    settle_overdue(&mut l, now);
                }
                Do::Cancel(i) if i < tasks => {
                    if let Cancel::Requested(next) | Cancel::Over(next) = cancel(&l, &[i], None, now) { l = *next }
                }
                Do::Cancel(_) => {}
                Do::Declare => { widen(&mut l); declare(&mut l, now); }
                Do::Wait(ms) => now = now.plus(Duration::from_millis(ms)),
            }
            if l.state == LiveState::Running {
                settle_overdue(&mut l, now);
                if matches!(rest(&l, now), Rest::AllCompleted | Rest::AllOver) {
                    l = terminate(&l, Step::Finished, now);
                }
            }
            for (b, a) in before.tasks.iter().zip(&l.tasks) {
                if let Some(o) = &b.outcome { prop_assert_eq!(Some(o), a.outcome.as_ref()) }
            }
            if l.state == LiveState::Terminal {
                check(&before_step, &l);
                prop_assert_eq!(claim(&l, &who(), now).unwrap_err(), Refusal::Terminal);
                return Ok(());
            }
        }
    }

    #[test]
    fn a_holders_merge_keeps_its_work_and_others_flags(tasks in 1usize..5, flagged in 0usize..5, done in 0usize..5) {
        let held = claim(&live(tasks, 3), &who(), NOW).unwrap();
        let mut mine = held.clone();
        settle(&mut mine, done % tasks, Verdict::Completed(None), NOW);
        let mut theirs = held.clone();
        theirs.tasks[flagged % tasks].cancel_requested = true;
        theirs.write = theirs.write.next(&SystemEntropy);
        theirs.tasks[0].extra.insert("newer".into(), 7.into());
        let merged = merge(&mine, &theirs);
        prop_assert_eq!(&merged.tasks[0].extra["newer"], 7);
        prop_assert!(merged.tasks[flagged % tasks].cancel_requested);
        prop_assert!(merged.tasks[done % tasks].outcome.is_some());
        prop_assert_eq!(merged.write, theirs.write);
    }
}

/// A holder that dies whenever the poisonous task has started, however often it is tried.
#[test]
fn a_poisonous_task_is_isolated_and_its_neighbours_complete() {
    for (tasks, poison) in [(1, 0), (2, 1), (100, 0), (100, 57), (1024, 1023)] {
        let mut now = NOW;
        let mut l = claim(&live(tasks, 5), &who(), now).unwrap();
        let mut crashes = 0;
        loop {
            settle_overdue(&mut l, now);
            if l.tasks[poison].running {
                crashes += 1;
                now = expired(&l, now);
                l = take_over(&l, &who(), now.minus(Duration::from_secs(100)), now, now).unwrap();
                continue;
            }
            for i in 0..tasks {
                settle(&mut l, i, Verdict::Completed(None), now);
            }
            match rest(&l, now) {
                Rest::Due => {
                    widen(&mut l);
                    declare(&mut l, now);
                }
                Rest::AllOver => break,
                other => panic!("{other:?}"),
            }
        }
        let failed: Vec<usize> = (0..tasks)
            .filter(|i| l.tasks[*i].outcome.as_ref().unwrap().ending == Ending::Failed)
            .collect();
        assert_eq!(failed, [poison], "of {tasks}");
        let outcome = l.tasks[poison].outcome.clone().unwrap();
        assert_eq!(outcome.attempts, 5);
        assert_eq!(outcome.failure.unwrap().kind, Failure::CRASHED);
        assert!(crashes <= 5 + 20, "{crashes} crashes for {tasks} tasks");
    }
}

#[test]
fn lone_tasks_that_shared_a_process_are_excused_until_one_runs_alone() {
    let worker = Claimant { slots: 32, ..who() };
    let mut l = claim(&live(1, 2), &worker, NOW).unwrap();
    let mut crash = |expected: (u32, u16)| {
        let at = expired(&l, NOW);
        l = take_over(&l, &worker, NOW, at, at).unwrap();
        let slot = &l.tasks[0];
        // The next attempt is charged already, if there is one.
        let charged = slot.attempts() - u32::from(slot.running);
        assert_eq!((charged, l.width.unwrap()), expected);
    };
    for expected in [(0, 8), (0, 2), (0, 1), (1, 1), (2, 1)] {
        crash(expected);
    }
    assert!(!l.tasks[0].running, "it is out of attempts");
}

#[test]
fn an_attempt_that_its_worker_survives_lifts_the_suspicion() {
    let worker = Claimant { slots: 32, ..who() };
    let l = claim(&live(1, 3), &worker, NOW).unwrap();
    let at = expired(&l, NOW);
    let mut l = take_over(&l, &worker, NOW, at, at).unwrap();
    assert_eq!(suspect(&l), Some(8));
    let released = give_back(&l, Step::Released, None, at);
    assert_eq!(released.width, Some(8));
    let failure = Failure::new("error", "no");
    settle(&mut l, 0, Verdict::Failed(failure, 0.0), at);
    assert_eq!((l.width, l.tasks[0].attempts()), (None, 1));
}

#[test]
fn a_task_of_a_single_attempt_is_charged_whoever_ran_beside_it() {
    let worker = Claimant { slots: 32, ..who() };
    let l = claim(&live(1, 1), &worker, NOW).unwrap();
    let at = expired(&l, NOW);
    let l = take_over(&l, &worker, NOW, at, at).unwrap();
    assert_eq!((l.tasks[0].attempts(), l.tasks[0].running), (1, false));
}

#[test]
fn rescheduling_is_not_an_attempt_and_has_its_own_limit() {
    let mut l = live(1, 2);
    l.options.max_reschedules = Some(3);
    let mut now = NOW;
    for _ in 0..3 {
        l = claim(&l, &who(), now).unwrap();
        settle(&mut l, 0, Verdict::Later(Duration::from_secs(60)), now);
        assert_eq!(l.tasks[0].attempts(), 0);
        assert_eq!(rest(&l, now), Rest::Wait(now.plus(Duration::from_secs(60))));
        l = give_back(&l, Step::Rescheduled, None, now);
        assert!(matches!(claim(&l, &who(), now), Err(Refusal::NotYet(_))));
        assert!(matches!(l.hint(), Hint::Waiting(d) if d == Duration::from_secs(60)));
        now = now.plus(Duration::from_secs(60));
    }
    l = claim(&l, &who(), now).unwrap();
    settle(&mut l, 0, Verdict::Later(Duration::from_secs(60)), now);
    let outcome = l.tasks[0].outcome.clone().unwrap();
    assert_eq!(outcome.failure.unwrap().kind, Failure::RESCHEDULED);
}

#[test]
fn what_is_not_started_in_time_expires() {
    let mut l = live(2, 3);
    l.options.expires_at = Some(NOW);
    assert_eq!(claim(&l, &who(), NOW).unwrap_err(), Refusal::Expired);
    let over = expire(&l, NOW);
    assert!(
        over.tasks
            .iter()
            .all(|s| s.outcome.as_ref().unwrap().ending == Ending::Expired)
    );
    assert_eq!(over.state, LiveState::Terminal);
}

#[test]
fn company_is_not_waited_for_until_a_pack_expires() {
    let mut l = live(2, 3);
    let second = Duration::from_secs(1);
    l.options.expires_at = Some(NOW.plus(second * 2));
    l = claim(&l, &who(), NOW).unwrap();
    settle(&mut l, 0, Verdict::Later(second), NOW);
    settle(&mut l, 1, Verdict::Later(second * 2), NOW);
    let back = give_back(&l, Step::Rescheduled, None, NOW);
    assert_eq!(back.available_at, Some(NOW.plus(second)));
    // With time left after that they are claimed together.
    l.options.expires_at = Some(NOW.plus(second * 3));
    let back = give_back(&l, Step::Rescheduled, None, NOW);
    assert_eq!(back.available_at, Some(NOW.plus(second * 2)));
}

#[test]
fn a_release_is_not_charged() {
    let held = claim(&live(3, 1), &who(), NOW).unwrap();
    let back = give_back(&held, Step::Released, Some("shutdown".into()), NOW);
    assert!(
        back.tasks
            .iter()
            .all(|s| s.attempts() == 0 && s.starts == 1 && !s.running)
    );
    assert!(
        claim(&back, &who(), NOW)
            .unwrap()
            .tasks
            .iter()
            .all(|s| s.running)
    );
}

#[test]
fn why_a_task_is_to_be_cancelled_survives_its_holders_next_write() {
    let held = claim(&live(1, 3), &who(), NOW).unwrap();
    let at = |secs| NOW.plus(Duration::from_secs(secs));
    let Cancel::Requested(theirs) = cancel(&held, &[0], Some("by hand".into()), at(1)) else {
        panic!("it is held")
    };
    let mut mine = held.clone();
    mine.log(at(2), Step::Retried, None);
    let merged = merge(&merge(&mine, &theirs), &theirs);
    let steps: Vec<Step> = merged.history.iter().map(|e| e.what).collect();
    assert_eq!(steps, [Step::Claimed, Step::CancelRequested, Step::Retried]);
    assert_eq!(merged.history[1].reason.as_deref(), Some("by hand"));
    let full = (0..30).fold(mine, |mut live, n| {
        live.log(at(3 + n), Step::Adopted, None);
        live
    });
    assert_eq!(merge(&full, &theirs).history.len(), MAX_HISTORY);
}

#[test]
fn a_take_over_shows_whatever_others_noted_after_it() {
    let held = claim(&live(30, 3), &who(), NOW).unwrap();
    assert!(!may_be_taken_over(&held));
    let at = expired(&held, NOW);
    let mut taken = take_over(&held, &who(), NOW, at, at).unwrap();
    assert!(may_be_taken_over(&taken));
    for i in 0..30 {
        let Cancel::Requested(next) = cancel(&taken, &[i], None, at) else {
            panic!("it is held")
        };
        taken = *next;
        assert!(may_be_taken_over(&taken), "after {i} requests to cancel");
    }
}

#[test]
fn numbers_that_nobody_wrote_neither_overflow_nor_go_round_for_ever() {
    let mut l = live(2, 3);
    l.options.lease = Duration::ZERO;
    l.width = Some(0);
    l.delivery = u32::MAX;
    l.write.generation = u64::MAX;
    for slot in &mut l.tasks {
        (slot.starts, slot.excused, slot.rescheduled) = (u32::MAX - 1, u32::MAX, u32::MAX);
    }
    let mut held = claim(&l, &who(), NOW).unwrap();
    held.write = held.write.next(&SystemEntropy);
    assert_eq!(held.lease.as_ref().unwrap().length, MIN_LEASE);
    assert_eq!(held.tasks.iter().filter(|s| s.running).count(), 1);
    let mut later = held.clone();
    settle(&mut later, 0, Verdict::Later(Duration::MAX), NOW);
    assert_eq!(later.tasks[0].available_at, Some(NOW.plus(MAX_SPAN)));
    let at = expired(&held, NOW);
    held.tasks[1].running = true;
    take_over(&held, &who(), NOW, at, at).unwrap();
    give_back(&held, Step::Released, None, NOW);
    merge(&held, &l);
    merge(&l, &held);
}
