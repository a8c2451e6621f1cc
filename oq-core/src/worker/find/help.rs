//! Which tasks of somebody else's shard to take, so that helpers and the owner seldom meet.

use std::ops::Range;
use std::time::Duration;

use crate::env::Env;
use crate::record::ObjectId;

/// The owner works from the head; helpers leave that much to it at least.
const OWNERS: usize = 32;

/// Unless it has left them lying for so long that it seems to be deaf.
pub(super) const DEAF: Duration = Duration::from_secs(5);

/// A helper among the workers present.
#[derive(Debug, Clone, Copy)]
pub(super) struct Helper {
    pub rank: usize,
    pub workers: usize,
    /// How many it may try at the most.
    pub most: usize,
}

/// Of the runnable tasks of a foreign shard in order, given for how long each has been runnable,
/// those that this helper may try. The owner is left the first `owners`, and at least 32.
///
/// Each task has one worker that it falls to first, by its id: helpers that look at the same shard
/// at the same time hardly meet, without a word between them.
pub(super) fn pick(
    tasks: &[(ObjectId, Duration)],
    owners: usize,
    helper: Helper,
    env: &Env,
) -> Vec<usize> {
    let owners = owners.max(OWNERS).min(tasks.len());
    let deaf = tasks.iter().take(OWNERS).take_while(|(_, d)| *d >= DEAF);
    let head = run(0, deaf.count(), helper.workers, env);
    let workers = helper.workers.max(1);
    // How far each is from falling to this helper.
    let turn =
        |n: usize| (tasks[n].0.random() as usize % workers + workers - helper.rank) % workers;
    let mut rest: Vec<usize> = (owners..tasks.len()).collect();
    rest.sort_by_key(|n| turn(*n));
    let mine = rest.iter().take_while(|n| turn(**n) == 0).count();
    let few = share(rest.len(), workers).min(FEW);
    rest.truncate(mine.max(few).min(helper.most));
    let short = head.start..head.end.min(head.start + helper.most);
    short.chain(rest).collect()
}

/// Where less than this falls to a helper, it tries its share of what falls to others too.
const FEW: usize = 16;

/// One in so many of the workers is expected to help with one shard at a time.
const HELPERS: usize = 4;

fn share(len: usize, workers: usize) -> usize {
    (len / (workers / HELPERS).max(2)).max(1)
}

/// A random run of this helper's share of `len` tasks that begin at `from`.
fn run(from: usize, len: usize, workers: usize, env: &Env) -> Range<usize> {
    if len == 0 {
        return 0..0;
    }
    let share = share(len, workers);
    let start = from + env.below((len - share) as u64 + 1) as usize;
    start..start + share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreTime;
    use crate::record::{Priority, Shard};

    fn tasks(n: usize, waited: Duration) -> Vec<(ObjectId, Duration)> {
        let env = Env::system();
        let shard = Shard::default();
        let id = || {
            ObjectId::new(
                StoreTime(5),
                Priority::NORMAL,
                1,
                shard,
                env.entropy.as_ref(),
            )
        };
        (0..n).map(|_| (id(), waited)).collect()
    }

    fn picked(
        tasks: &[(ObjectId, Duration)],
        owners: usize,
        rank: usize,
        workers: usize,
    ) -> Vec<usize> {
        let most = 1000;
        let helper = Helper {
            rank,
            workers,
            most,
        };
        pick(tasks, owners, helper, &Env::system())
    }

    #[test]
    fn leaves_the_head_to_a_listening_owner() {
        assert!(picked(&tasks(32, Duration::ZERO), 0, 1, 4).is_empty());
        let all = tasks(132, Duration::ZERO);
        assert!(picked(&all, 100, 1, 4).iter().all(|n| *n >= 100));
        assert!(picked(&all, 0, 1, 4).iter().all(|n| *n >= 32));
    }

    #[test]
    fn helpers_do_not_meet_while_there_is_enough() {
        let all = tasks(1000, Duration::ZERO);
        let of_each: Vec<_> = (0..10).map(|rank| picked(&all, 0, rank, 10)).collect();
        let mut together: Vec<usize> = of_each.concat();
        together.sort_unstable();
        assert_eq!(together, (32..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_helper_with_little_of_its_own_takes_others() {
        let all = tasks(132, Duration::ZERO);
        assert!((0..40).all(|rank| (10..=16).contains(&picked(&all, 0, rank, 40).len())));
    }

    #[test]
    fn takes_from_a_deaf_owner_its_share() {
        assert_eq!(picked(&tasks(1, DEAF), 0, 3, 50), [0]);
        assert_eq!(picked(&tasks(32, DEAF), 0, 3, 16).len(), 8);
    }
}
