//! What is shown, and what keys do to it. No I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use oq_core::env::Mono;
use oq_core::record::QueueName;
use oq_core::store::{Prices, Requests};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::look::Snapshot;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Quit,
    /// Look at the store now.
    Look,
    /// Nothing but to draw again.
    Draw,
}

/// Everything that is drawn.
#[derive(Debug)]
pub struct Model {
    pub url: String,
    pub every: Duration,
    pub seen: Snapshot,
    /// Whether there was a look yet.
    pub looked: bool,
    /// Tasks that ended, in a second, for each queue: as far as two looks tell.
    pub rates: BTreeMap<QueueName, f64>,
    /// What the last look asked of the store.
    pub made: Requests,
    /// The row of the selected queue.
    pub selected: usize,
    pub open: Option<QueueName>,
    pub paused: bool,
    pub help: bool,
    /// Why the last look failed.
    pub error: Option<String>,
    at: Option<Mono>,
}

impl Model {
    pub fn new(url: String, every: Duration) -> Model {
        Model {
            url,
            every,
            seen: Snapshot::default(),
            looked: false,
            rates: BTreeMap::new(),
            made: Requests::default(),
            selected: 0,
            open: None,
            paused: false,
            help: false,
            error: None,
            at: None,
        }
    }

    /// Takes in what was seen.
    pub fn saw(&mut self, seen: Snapshot, made: Requests, now: Mono) {
        if let Some(before) = self.at.filter(|_| self.looked) {
            self.rates = self.rates_to(&seen, now.since(before));
        }
        self.selected = self.selected.min(seen.queues.len().saturating_sub(1));
        (self.seen, self.made) = (seen, made);
        (self.at, self.looked, self.error) = (Some(now), true, None);
    }

    /// A look failed; what was seen before stays.
    pub fn missed(&mut self, error: &oq_core::Error, now: Mono) {
        self.error = Some(error.to_string());
        self.at = Some(now);
    }

    fn rates_to(&self, seen: &Snapshot, passed: Duration) -> BTreeMap<QueueName, f64> {
        let seconds = passed.as_secs_f64().max(0.001);
        let both = seen.queues.iter().filter_map(|now| {
            let before = self.seen.queues.iter().find(|q| q.name == now.name)?;
            // Where counting stops early, or outcomes went, two counts say nothing of a rate.
            let ended = now.stats.done.checked_sub(before.stats.done)?;
            let known = !now.stats.more && !before.stats.more;
            known.then(|| (now.name.clone(), ended as f64 / seconds))
        });
        both.collect()
    }

    /// How long until the next look.
    pub fn due(&self, now: Mono) -> Duration {
        self.at
            .map_or(Duration::ZERO, |at| (at + self.every).since(now))
    }

    /// Requests in a minute, and dollars in a month of watching, as of the last look.
    pub fn cost(&self) -> (f64, f64) {
        let a_minute = 60.0 / self.every.as_secs_f64();
        let minutes = 60.0 * 24.0 * 30.0;
        let dollars = self.made.cost(&Prices::S3_STANDARD) * a_minute * minutes;
        (self.made.total() as f64 * a_minute, dollars)
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Wish {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Wish::Quit,
            _ if self.help => self.help = false,
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char('p') => {
                self.paused = !self.paused;
                if !self.paused {
                    return Wish::Look;
                }
            }
            KeyCode::Char('r') => return Wish::Look,
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => {
                let last = self.seen.queues.len().saturating_sub(1);
                self.selected = (self.selected + 1).min(last);
            }
            KeyCode::Enter | KeyCode::Right => {
                let queue = self.seen.queues.get(self.selected);
                self.open = queue.map(|queue| queue.name.clone());
                return Wish::Look;
            }
            KeyCode::Esc | KeyCode::Left | KeyCode::Backspace => {
                self.open = None;
                self.seen.open = None;
            }
            _ => {}
        }
        Wish::Draw
    }
}
