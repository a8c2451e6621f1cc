//! Which tasks of somebody else's shard to take, so that helpers and the owner seldom meet.

use std::ops::Range;
use std::time::Duration;

use crate::env::Env;

/// The owner works from the head; helpers leave that much to it.
const OWNERS: usize = 32;

/// Unless it has left them lying for so long that it seems to be deaf.
pub(super) const DEAF: Duration = Duration::from_secs(5);

/// Of the runnable tasks of a foreign shard in order, given for how long each has been runnable,
/// the ranges that this helper may try.
pub(super) fn pick(waited: &[Duration], workers: usize, env: &Env) -> [Range<usize>; 2] {
    let deaf = waited.iter().take(OWNERS).take_while(|d| **d >= DEAF);
    let head = run(0, deaf.count(), workers, env);
    let rest = waited.len().saturating_sub(OWNERS);
    [head, run(OWNERS, rest, workers, env)]
}

/// A random run of this helper's share of `len` tasks that begin at `from`.
fn run(from: usize, len: usize, workers: usize, env: &Env) -> Range<usize> {
    if len == 0 {
        return 0..0;
    }
    let share = (len / workers.max(1)).max(1);
    let start = from + env.below((len - share) as u64 + 1) as usize;
    start..start + share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(n: usize, waited: Duration, workers: usize) -> [Range<usize>; 2] {
        let picked = pick(&vec![waited; n], workers, &Env::system());
        assert!(picked.iter().all(|r| r.end <= n));
        picked
    }

    #[test]
    fn leaves_the_head_to_a_listening_owner() {
        let [head, rest] = check(32, Duration::ZERO, 4);
        assert!(head.is_empty() && rest.is_empty());
        let [head, rest] = check(132, Duration::from_secs(1), 4);
        assert!(head.is_empty() && rest.start >= 32 && rest.len() == 25);
    }

    #[test]
    fn takes_from_a_deaf_owner_its_share() {
        assert_eq!(check(1, DEAF, 50)[0], 0..1);
        assert_eq!(check(32, DEAF, 4)[0].len(), 8);
    }
}
