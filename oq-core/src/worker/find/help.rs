//! Which tasks of somebody else's shard to take, so that helpers and the owner seldom meet.

use std::ops::Range;
use std::time::Duration;

use crate::env::Env;

/// The owner works from the head; helpers leave that much to it at least.
const OWNERS: usize = 32;

/// Unless it has left them lying for so long that it seems to be deaf.
pub(super) const DEAF: Duration = Duration::from_secs(5);

/// Of the runnable tasks of a foreign shard in order, given for how long each has been runnable,
/// the ranges that this helper may try. The owner is left the first `owners`, and at least 32.
pub(super) fn pick(
    waited: &[Duration],
    workers: usize,
    owners: usize,
    env: &Env,
) -> [Range<usize>; 2] {
    let owners = owners.max(OWNERS);
    let deaf = waited.iter().take(OWNERS).take_while(|d| **d >= DEAF);
    let head = run(0, deaf.count(), workers, env);
    let rest = waited.len().saturating_sub(owners);
    [head, run(owners, rest, workers, env)]
}

/// One in so many of the workers is expected to help with one shard at a time.
const HELPERS: usize = 4;

/// A random run of this helper's share of `len` tasks that begin at `from`.
fn run(from: usize, len: usize, workers: usize, env: &Env) -> Range<usize> {
    if len == 0 {
        return 0..0;
    }
    let share = (len / (workers / HELPERS).max(2)).max(1);
    let start = from + env.below((len - share) as u64 + 1) as usize;
    start..start + share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(n: usize, waited: Duration, workers: usize) -> [Range<usize>; 2] {
        let picked = pick(&vec![waited; n], workers, 0, &Env::system());
        assert!(picked.iter().all(|r| r.end <= n));
        picked
    }

    #[test]
    fn leaves_the_head_to_a_listening_owner() {
        let [head, rest] = check(32, Duration::ZERO, 4);
        assert!(head.is_empty() && rest.is_empty());
        let fast = pick(&[Duration::ZERO; 132], 4, 100, &Env::system());
        assert!(fast[1].start >= 100 && fast[1].len() == 16);
        let [head, rest] = check(132, Duration::from_secs(1), 4);
        assert!(head.is_empty() && rest.start >= 32 && rest.len() == 50);
        let [_, rest] = check(132, Duration::from_secs(1), 40);
        assert_eq!(rest.len(), 10);
    }

    #[test]
    fn takes_from_a_deaf_owner_its_share() {
        assert_eq!(check(1, DEAF, 50)[0], 0..1);
        assert_eq!(check(32, DEAF, 16)[0].len(), 8);
    }
}
