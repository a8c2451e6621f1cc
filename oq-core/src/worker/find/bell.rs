//! Listening to the doorbell, and calling for help through it.

use std::time::Duration;

use super::Finder;
use super::heard::Heard;
use crate::error::Result;
use crate::record::{Bell, Key, seen};
use crate::store::{Changed, Etag};

/// How soon the bell is asked again after something happened.
const SOON: Duration = Duration::from_millis(50);

/// While there is enough to do the bell can only tell of something more urgent.
const STOCKED: Duration = Duration::from_millis(500);

impl Finder {
    /// Asks the bell again and again: soon after something happened, then less and less often.
    pub(super) async fn run_bell(&self, mut seen: Option<Etag>) {
        let env = self.root.env();
        let soon = SOON.min(self.options.poll);
        let mut interval = soon;
        let mut failures = 0;
        let mut asked = env.now();
        loop {
            // Workers that started together should not ask together for ever.
            let least = interval.mul_f64(0.95);
            let spread = u64::try_from((interval - least).as_micros()).unwrap_or(0);
            let wait = least + Duration::from_micros(env.below(spread + 1));
            // From question to question, unless the store takes long to answer.
            let wait = wait - env.now().since(asked).min(wait / 2);
            let woken = tokio::select! {
                biased;
                () = self.listen.notified(), if interval > soon => true,
                () = env.sleep(wait) => false,
            };
            if woken {
                interval = soon;
                continue;
            }
            asked = env.now();
            // What this ring tells of is not in stock yet.
            let stocked = !self.state().buffer.is_empty();
            let (etag, heard) = self.ask(seen.clone()).await;
            seen = etag;
            let Ok(heard) = heard else {
                failures += 1;
                self.pause(failures).await;
                continue;
            };
            failures = 0;
            self.pass_on(&heard);
            let now = self.now();
            let (full, found, help) = {
                let mut state = self.state();
                let found = std::mem::take(&mut state.found);
                let help = state.call_for_help(now);
                (state.room == 0, found, help)
            };
            if let Some(shard) = help {
                self.ringer.help(shard);
            }
            interval = if full {
                self.options.poll
            } else if stocked {
                STOCKED.min(self.options.poll)
            } else if heard.changed || found {
                soon
            } else {
                interval.mul_f64(1.25).min(self.options.poll)
            };
        }
    }

    fn pass_on(&self, heard: &Heard) {
        if heard.changed {
            self.announce();
            self.look.notify_one();
        }
        if heard.view || heard.settings {
            self.settings.notify_one();
        }
        if heard.view {
            self.muster.notify_one();
        }
    }

    /// Asks the bell once. Returns the version to compare with the next time.
    pub(super) async fn ask(&self, last: Option<Etag>) -> (Option<Etag>, Result<Heard>) {
        let key = Key::Bell(self.queue.clone()).store_key();
        let answer = match &last {
            Some(etag) => self.root.get_if_changed(&key, etag).await.map(|a| a.value),
            None => self.root.get(&key).await.map(|a| match a.value {
                Some(object) => Changed::Now(object),
                None => Changed::Missing,
            }),
        };
        let object = match answer {
            Ok(Changed::Same) => return (last, Ok(Heard::default())),
            Ok(Changed::Missing) => {
                self.state().silent = true;
                return (None, Ok(Heard::default()));
            }
            Ok(Changed::Now(object)) => object,
            Err(e) => {
                tracing::warn!(queue = %self.queue, error = %e, "the bell could not be asked");
                return (last, Err(e));
            }
        };
        let etag = object.etag.clone();
        match seen::<Bell>(&key, object) {
            Ok(bell) => {
                let now = self.now();
                let heard = self.state().hear(bell.record, now);
                (Some(etag), Ok(heard))
            }
            Err(e) => {
                // Until somebody writes a readable one, the sweep has to do.
                tracing::warn!(queue = %self.queue, error = %e, "the bell cannot be read");
                (Some(etag), Ok(Heard::default()))
            }
        }
    }
}
