//! What the doorbell said, compared with what it said before.

use super::state::State;
use crate::env::Mono;
use crate::record::Bell;

/// What the bell said that matters to other parts than this one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Read the settings and the fleet again.
    pub view: bool,
    /// A shard beyond those known was rung: read the settings again.
    pub settings: bool,
    pub changed: bool,
}

impl State {
    /// The view number that the bell last told.
    pub fn view(&self) -> Option<u64> {
        self.bell.as_ref().map(|b| b.view)
    }

    /// What the bell says now, compared with what it said before.
    pub fn hear(&mut self, bell: Bell, now: Mono) -> Heard {
        let old = match self.bell.replace(bell.clone()) {
            Some(old) => old,
            // It was written since the last look: all that it says is news.
            None if self.silent => Bell::silent(bell.write.clone()),
            None => return Heard::default(),
        };
        let mut heard = Heard {
            view: old.view != bell.view,
            ..Heard::default()
        };
        for (shard, count) in &bell.rings {
            if old.rings.get(shard) == Some(count) {
                continue;
            }
            heard.changed = true;
            if self.own.contains(shard) {
                self.shards.entry(*shard).or_default().rung = true;
            }
            let high = self.settings.as_ref().map_or(u16::MAX, |s| s.shards_high);
            heard.settings |= shard.value() >= high;
        }
        if let Some(help) = bell.help
            && old.help != bell.help
        {
            heard.changed = true;
            self.help.heard = Some(now);
            if !self.own.contains(&help.shard) {
                self.steal.start(now, Some(help.shard));
            }
        }
        heard.changed |= heard.view;
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemEntropy;
    use crate::record::{QueueName, Shard, Stamp};
    use crate::time::StoreTime;

    fn rung() -> Bell {
        let mut bell = Bell::silent(Stamp::first(StoreTime(5), &SystemEntropy));
        bell.ring(Shard::new(3).unwrap());
        bell
    }

    #[test]
    fn the_ring_that_makes_the_bell_is_heard() {
        let mut state = State::new(QueueName::new("mail").unwrap());
        state.silent = true;
        assert!(state.hear(rung(), Mono::default()).changed);
    }

    #[test]
    fn what_was_rung_before_the_first_look_is_not_news() {
        let mut state = State::new(QueueName::new("mail").unwrap());
        assert!(!state.hear(rung(), Mono::default()).changed);
    }
}
