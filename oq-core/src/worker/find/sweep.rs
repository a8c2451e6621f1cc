//! The sweep: looking over the whole queue now and then, for what no ring announced, and reading
//! the settings.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Finder;
use super::absorb::Sweep;
use crate::protocol::write::read;
use crate::record::{Key, Settings, Shard, prefix};
use crate::store::{Changed, Etag, List};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// A queue with one worker is swept this often …
pub(in crate::worker) const ALONE: Duration = Duration::from_secs(15);

/// … and with several a little more often, so that one that died leaves no long gap.
pub(in crate::worker) const TOGETHER: Duration = Duration::from_secs(10);

/// How often the settings are read at least.
pub(in crate::worker) const SETTINGS: Duration = Duration::from_secs(60);

/// How often somebody looks for shards above the present number.
const FOLDERS: Duration = Duration::from_secs(300);

/// Pages that show nothing to do are followed by more, up to so many at a time.
const PAGES: u32 = 4;

/// After a sweep that took work which nobody else did, say a dead worker's, the next one follows
/// this soon: a round later would leave slots free and tasks lying.
const AGAIN: Duration = Duration::from_secs(1);

/// How many shards make one listing of the whole queue worth trying at the start.
const MANY: usize = 3;

/// When a worker sweeps: the store's clock is cut into slots, and each worker has its own. So the
/// sweeps of a queue are evenly spaced without a word between the workers.
fn next_slot(date: StoreTime, rank: usize, workers: usize, slot: Duration) -> Duration {
    let slot = u64::try_from(slot.as_millis()).unwrap_or(u64::MAX).max(1);
    let round = slot.saturating_mul(workers.max(1) as u64);
    let mine = slot.saturating_mul(rank as u64);
    let into = (date.as_millis() % round + round - mine % round) % round;
    Duration::from_millis(round - into)
}

impl Finder {
    /// Sweeps at its turn, and re-reads the settings at least every minute.
    pub(super) async fn run_sweep(&self) {
        let env = self.root.env();
        let mut sweep = Sweep::default();
        let mut etag = None;
        let mut settings_at = env.now();
        let mut folders_at = env.now();
        loop {
            let (rank, workers) = self.place().await;
            let slot = if workers > 1 { TOGETHER } else { ALONE };
            let mut turn = next_slot(self.root.now(), rank, workers, slot);
            if std::mem::take(&mut sweep.took) {
                turn = turn.min(AGAIN);
            }
            let slot_at = env.now() + turn;
            let turn = turn + Duration::from_millis(env.below(500));
            let settings = SETTINGS.saturating_sub(env.now().since(settings_at));
            tokio::select! {
                biased;
                () = self.settings.notified() => {}
                () = env.sleep(turn.min(settings)) => {}
            }
            // Whatever woke us: a slot that has begun is ours, the next one is a whole round away.
            let my_turn = env.now() >= slot_at;
            self.read_settings_again(&mut etag).await;
            settings_at = env.now();
            if !my_turn || mutated(Mutant::BellWithoutSweep) || !self.may_sweep() {
                continue;
            }
            self.sweep(&mut sweep).await;
            if mutated(Mutant::SweepResetsBell) {
                self.listen.notify_one();
            }
            if env.now().since(folders_at) >= FOLDERS.saturating_mul(workers as u32) {
                folders_at = env.now();
                self.find_folders().await;
            }
        }
    }

    fn may_sweep(&self) -> bool {
        let state = self.state();
        state.open() && state.room > 0
    }

    /// At the start: one listing of a small queue instead of one for each of many shards.
    pub(super) async fn sweep_first(&self) {
        let many = self.state().own.len() >= MANY;
        if many && self.state().open() && !mutated(Mutant::BellWithoutSweep) {
            let mut sweep = Sweep::default();
            self.sweep_page(&mut sweep, true).await;
        }
    }

    /// One listing from the beginning; whether the store answered.
    pub(super) async fn sweep_wide(&self) -> bool {
        self.sweep_page(&mut Sweep::default(), false)
            .await
            .is_some()
    }

    #[tracing::instrument(name = "sweep_for_work", level = "debug", skip_all, fields(queue = %self.queue))]
    async fn sweep(&self, sweep: &mut Sweep) {
        for _ in 0..PAGES {
            if self.sweep_page(sweep, false).await != Some(true) {
                return;
            }
        }
    }

    /// One page; whether another should follow, or nothing if there was no answer. At the `start` of
    /// many workers together all see the same first page of a long queue: then it is good for none.
    async fn sweep_page(&self, sweep: &mut Sweep, start: bool) -> Option<bool> {
        let list = self.state().sweep_begin(sweep);
        match self.root.list(&list).await {
            Ok(page) if start && page.value.next.is_some() => {
                self.state().sweep_failed(sweep);
                Some(false)
            }
            Ok(page) => {
                let now = self.now();
                let env = self.root.env();
                let more = self.state().absorb_sweep(sweep, &page.value, env, now);
                self.announce();
                self.look.notify_one();
                Some(more)
            }
            Err(e) => {
                tracing::warn!(queue = %self.queue, error = %e, "the queue could not be swept");
                self.state().sweep_failed(sweep);
                None
            }
        }
    }

    /// Looks for shards above the present number and adopts them until the next time.
    async fn find_folders(&self) {
        let live = prefix::live(&self.queue);
        let mut list = List::prefix(live.clone()).folded();
        let mut found = BTreeSet::new();
        let high = self.settings().shards_high;
        loop {
            let page = match self.root.list(&list).await {
                Ok(page) => page.value,
                Err(e) => {
                    tracing::warn!(queue = %self.queue, error = %e, "the shards could not be listed");
                    return;
                }
            };
            let codes = page.folders.iter().filter_map(|f| f.strip_prefix(&live));
            let shards = codes.filter_map(|c| Shard::from_code(c.trim_end_matches('/')));
            found.extend(shards.filter(|s| s.value() >= high));
            match page.next {
                Some(next) => list = list.after(next),
                None => break,
            }
        }
        self.fleet.lock().await.found = found;
        self.assign().await;
    }

    /// Reads the settings for the first time.
    pub(super) async fn read_settings(&self) {
        let mut failures = 0;
        while !self.read_settings_again(&mut None).await {
            failures += 1;
            self.pause(failures).await;
        }
    }

    /// Reads the settings if they have changed; whether there was an answer that makes sense.
    async fn read_settings_again(&self, last: &mut Option<Etag>) -> bool {
        let key = Key::Settings(self.queue.clone());
        if let Some(etag) = last.as_ref() {
            let answer = self.root.get_if_changed(&key.store_key(), etag).await;
            if matches!(answer.map(|a| a.value), Ok(Changed::Same)) {
                return true;
            }
        }
        let settings = match read::<Settings>(&self.root, &key).await {
            Ok(Some(seen)) => {
                *last = Some(seen.etag);
                std::sync::Arc::new(seen.record)
            }
            Ok(None) => self.initial.clone(),
            Err(e) => {
                tracing::warn!(queue = %self.queue, error = %e, "the settings could not be read");
                return false;
            }
        };
        let was = self.state().set_settings(settings.clone());
        if was.is_none_or(|was| was.shards_high != settings.shards_high) {
            self.assign().await;
        }
        self.look.notify_one();
        self.announce();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slots_of_all_workers_are_one_slot_apart() {
        let slot = Duration::from_secs(10);
        let date = StoreTime(1_700_000_003_000);
        let mut turns: Vec<u64> = (0..7)
            .map(|rank| date.plus(next_slot(date, rank, 7, slot)).as_millis())
            .collect();
        turns.sort_unstable();
        assert!(turns.windows(2).all(|w| w[1] - w[0] == 10_000), "{turns:?}");
        assert!(turns[0] > date.as_millis() && turns[6] <= date.as_millis() + 70_000);
    }
}
