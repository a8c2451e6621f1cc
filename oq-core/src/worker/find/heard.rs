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

    /// There is no bell yet: whatever the first one says will be news.
    pub fn hear_silence(&mut self, silent: Bell) {
        self.bell.get_or_insert(silent);
    }

    /// What the bell says now, compared with what it said before.
    pub fn hear(&mut self, bell: Bell, now: Mono) -> Heard {
        let Some(old) = self.bell.replace(bell.clone()) else {
            return Heard::default();
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
