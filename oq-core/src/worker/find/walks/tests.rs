use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::buffer::rank;
use super::super::plan::from_head;
use super::*;
use crate::env::SystemEntropy;
use crate::record::{Priority, Settings, Stamp};
use crate::store::{Etag, Listed, Page, StoreKey};
use crate::time::StoreTime;

const DATE: StoreTime = StoreTime(1_700_000_000_000);
const NOW: Now = (Mono(Duration::ZERO), DATE);

/// Lengths that hint at states.
const RUNNABLE: u64 = 128;
const RUNNING: u64 = 128 + 1 + 4 * 3;
const WAITING: u64 = 128 + 2 + 4 * 14;

fn shard() -> Shard {
    Shard::new(3).unwrap()
}

/// The one that was due so many seconds ago.
fn ago(seconds: u64) -> ObjectId {
    let due = DATE.minus(Duration::from_secs(seconds));
    ObjectId::from_parts(due, 1, Priority::NORMAL, 1, shard())
}

fn page(queue: &QueueName, ids: impl IntoIterator<Item = ObjectId>, size: u64, more: bool) -> Page {
    let line = |id| Listed {
        key: StoreKey::listed(live_key(queue, id)),
        etag: Etag::new("e"),
        size,
        last_modified: DATE,
    };
    let entries: Vec<Listed> = ids.into_iter().map(line).collect();
    let last = entries.last().map(|line| line.key.to_string());
    Page {
        next: last.filter(|_| more),
        entries,
        ..Page::default()
    }
}

/// A worker with one shard that has met a crowd: it, its walk through the crowd, and the one beyond.
fn amid() -> (State, Walk, Walk) {
    let mut state = State::new(QueueName::new("mail").unwrap());
    state.set_settings(Arc::new(Settings::initial(Stamp::first(
        DATE,
        &SystemEntropy,
    ))));
    state.adopt(BTreeSet::from([shard()]), NOW.0);
    state.set_room(10, NOW.0);
    let mut walks = state.begin(from_head(shard()), NOW);
    let mut near = walks.pop().unwrap();
    assert!(walks.is_empty());
    let crowd = page(&state.queue, (8000..9000).rev().map(ago), WAITING, true);
    state.absorb(&mut near, &crowd, NOW);
    let far = state.part(&mut near, NOW).expect("it is amid a crowd");
    (state, near, far.expect("what is beyond is another's"))
}

/// The walk beyond finds as much as it wants, and more is behind that; where it ends.
fn enough(state: &mut State, mut far: Walk) -> ObjectId {
    let some = page(&state.queue, (10..40).rev().map(ago), RUNNABLE, true);
    state.absorb(&mut far, &some, NOW);
    assert_eq!(far.request(), None);
    state.finish(far);
    ago(10)
}

/// The crowd has no more keys.
fn through(state: &mut State, mut near: Walk) {
    let rest = page(&state.queue, (7000..8000).rev().map(ago), WAITING, false);
    state.absorb(&mut near, &rest, NOW);
    assert_eq!(near.request(), None);
    state.finish(near);
}

fn backlog(state: &State) -> Option<ObjectId> {
    state.shards[&shard()].backlog.map(|(_, id)| id)
}

#[test]
fn what_is_left_beyond_a_crowd_is_not_forgotten_for_what_is_owed_in_front() {
    for near_first in [true, false] {
        let (mut state, near, far) = amid();
        state.owe(&[ago(8500)]);
        let left = if near_first {
            through(&mut state, near);
            assert_eq!(backlog(&state), Some(ago(8500)));
            enough(&mut state, far)
        } else {
            let left = enough(&mut state, far);
            // The other walk need not end before it is listed.
            assert_eq!(backlog(&state), Some(left));
            through(&mut state, near);
            left
        };
        assert_eq!(backlog(&state), Some(ago(8500)));
        // Listing what is owed lists all of it.
        let walks = state.begin(from_head(shard()), NOW);
        assert!(walks.iter().any(|walk| walk.covers(left)) && walks[0].from_head);
    }
}

#[test]
fn what_was_owed_before_is_done_when_both_walks_have_listed_it() {
    let (mut state, near, far) = amid();
    let left = enough(&mut state, far);
    through(&mut state, near);
    assert_eq!(backlog(&state), Some(left));
    state.begin(from_head(shard()), NOW);
    assert_eq!(backlog(&state), None);
    assert!(rank(left) > rank(ago(8500)));
}

#[test]
fn what_runs_beyond_a_crowd_is_no_reason_to_walk_through_it_again() {
    let (mut state, near, mut far) = amid();
    let running = page(&state.queue, [ago(10)], RUNNING, false);
    state.absorb(&mut far, &running, NOW);
    state.finish(far);
    through(&mut state, near);
    // Time to look at what runs, and not yet at the crowd.
    let later = Duration::from_secs(12);
    let job = Job {
        head: false,
        ..from_head(shard())
    };
    let walks = state.begin(job, (NOW.0 + later, DATE.plus(later)));
    assert!(!walks[0].from_head, "{walks:?}");
}

#[test]
fn a_walk_through_a_crowd_that_failed_is_made_again() {
    let (mut state, near, far) = amid();
    enough(&mut state, far);
    assert!(!state.begin(from_head(shard()), NOW)[0].from_head);
    drop(near);
    state.failed_through(shard());
    assert!(state.shards[&shard()].rung);
    assert!(state.begin(from_head(shard()), NOW)[0].from_head);
}
