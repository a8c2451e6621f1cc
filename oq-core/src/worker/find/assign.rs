//! Which worker looks at which shard: balanced rendezvous hashing.
//!
//! Every worker computes the same from the same list of workers, so nothing has to be agreed upon
//! or written down. While their lists differ two may look at one shard, or none: the first costs a
//! listing, the second is what the sweep is for.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Shard, WorkerId};

/// Every worker gets as many as any other, or one more. The highest scores are served first.
/// Without `me` among them nothing is mine.
pub(super) fn own_shards(
    present: &BTreeSet<WorkerId>,
    me: &WorkerId,
    shards: u16,
) -> BTreeSet<Shard> {
    if !present.contains(me) {
        return BTreeSet::new();
    }
    let all = (0..shards).filter_map(|n| Shard::new(n).ok());
    let workers: Vec<(&WorkerId, u64)> = present.iter().map(|w| (w, hash(w.as_str()))).collect();
    if workers.len() == 1 {
        return all.collect();
    }
    let mut pairs: Vec<(u64, usize, Shard)> = all
        .flat_map(|s| {
            let scored = workers.iter().enumerate();
            scored.map(move |(i, (_, h))| (score(*h, s), i, s))
        })
        .collect();
    pairs.sort_unstable_by(|a, b| b.cmp(a));
    let least = usize::from(shards) / workers.len();
    let mut one_more = usize::from(shards) % workers.len();
    let mut load = vec![0; workers.len()];
    let mut owner = BTreeMap::new();
    for (_, worker, shard) in pairs {
        if owner.contains_key(&shard) || load[worker] > least {
            continue;
        }
        if load[worker] == least {
            if one_more == 0 {
                continue;
            }
            one_more -= 1;
        }
        load[worker] += 1;
        owner.insert(shard, worker);
    }
    let mine = owner.into_iter().filter(|(_, w)| workers[*w].0 == me);
    mine.map(|(shard, _)| shard).collect()
}

/// FNV-1a: written out because it must stay the same in all versions of oq.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The finaliser of SplitMix64 over both.
fn score(worker: u64, shard: Shard) -> u64 {
    let mut z = worker ^ u64::from(shard.value() + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fleet(n: usize) -> BTreeSet<WorkerId> {
        (0..n)
            .map(|i| WorkerId::parse(&format!("W{i:04}")).unwrap())
            .collect()
    }

    fn all(workers: &BTreeSet<WorkerId>, shards: u16) -> Vec<BTreeSet<Shard>> {
        workers
            .iter()
            .map(|w| own_shards(workers, w, shards))
            .collect()
    }

    proptest! {
        #[test]
        fn every_shard_has_one_owner_and_nobody_has_two_more_than_another(
            n in 1usize..40, shards in 1u16..200,
        ) {
            let owned = all(&fleet(n), shards);
            let total: usize = owned.iter().map(BTreeSet::len).sum();
            let distinct: BTreeSet<Shard> = owned.iter().flatten().copied().collect();
            prop_assert_eq!(total, usize::from(shards));
            prop_assert_eq!(distinct.len(), usize::from(shards));
            let most = owned.iter().map(BTreeSet::len).max().unwrap();
            let least = owned.iter().map(BTreeSet::len).min().unwrap();
            prop_assert!(most - least <= 1);
        }
    }

    #[test]
    fn a_worker_that_leaves_moves_few_shards_but_its_own() {
        let mut workers = fleet(10);
        let before = all(&workers, 160);
        let gone = workers.pop_last().unwrap();
        let after = all(&workers, 160);
        let moved: usize = before
            .iter()
            .zip(&after)
            .map(|(b, a)| a.difference(b).count())
            .sum();
        assert!(moved <= 48, "{moved} moved when {gone} left with 16");
    }

    #[test]
    fn the_hash_stays_what_it_is() {
        assert_eq!(hash("W0001"), 1_610_286_523_575_271_881);
        assert_eq!(score(1, Shard::new(0).unwrap()), 16_490_336_266_968_443_936);
    }
}
