//! The live line of a command that takes long: count, share, rate, and how long it will still take.

use std::time::Duration;

use oq_core::env::{Clock, Mono, SystemClock};
use oq_core::span;

use super::Printer;

/// Not drawn more often than this.
const APART: Duration = Duration::from_millis(100);

/// How many characters the bar has.
const BAR: usize = 20;

/// Counts what is done of a command, and shows it on a terminal. The line goes when this is dropped.
pub struct Progress<'a> {
    printer: &'a Printer,
    what: &'static str,
    total: Option<u64>,
    done: u64,
    clock: SystemClock,
    began: Mono,
    drawn: Option<Mono>,
}

impl Printer {
    /// Begins to count; `what` is the word for what is done, as in `submitted`.
    pub fn progress(&self, what: &'static str, total: Option<u64>) -> Progress<'_> {
        let clock = SystemClock::default();
        Progress {
            printer: self,
            what,
            total,
            done: 0,
            began: clock.now(),
            clock,
            drawn: None,
        }
    }
}

impl Progress<'_> {
    /// So many more are done.
    pub fn add(&mut self, n: u64) {
        self.set(self.done + n);
    }

    /// So many are done in all.
    pub fn set(&mut self, done: u64) {
        self.done = done;
        if !self.printer.is_live() {
            return;
        }
        let now = self.clock.now();
        if self.drawn.is_none_or(|at| now.since(at) >= APART) {
            self.drawn = Some(now);
            let line = line(self.what, self.done, self.total, now.since(self.began));
            self.printer.set_live(line);
        }
    }

    /// There will be about so many.
    pub fn expect(&mut self, total: u64) {
        self.total = Some(total);
    }

    /// How many were done in a second, and how long it took.
    pub fn summary(&self) -> String {
        let took = self.clock.now().since(self.began);
        format!(
            "{} in {}{}",
            count(self.done),
            span::rough(took),
            rate(self.done, took, ", ")
        )
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.printer.clear();
    }
}

fn line(what: &str, done: u64, total: Option<u64>, took: Duration) -> String {
    let mut line = format!("{what} {}", count(done));
    if let Some(total) = total {
        let share = done as f64 / total.max(1) as f64;
        let full = ((share * BAR as f64) as usize).min(BAR);
        line.push_str(&format!(
            " of {}  [{}{}] {:3.0} %",
            count(total),
            "#".repeat(full),
            "·".repeat(BAR - full),
            share * 100.0
        ));
    }
    line.push_str(&rate(done, took, "  "));
    if let Some(total) = total.filter(|total| done > 0 && *total > done) {
        let left = took.mul_f64((total - done) as f64 / done as f64);
        line.push_str(&format!("  {} left", span::rough(left)));
    }
    line
}

fn rate(done: u64, took: Duration, before: &str) -> String {
    let seconds = took.as_secs_f64();
    if done == 0 || seconds < 0.001 {
        return String::new();
    }
    let rate = done as f64 / seconds;
    match rate < 10.0 {
        true => format!("{before}{rate:.1}/s"),
        false => format!("{before}{}/s", count(rate as u64)),
    }
}

/// A number with its thousands apart.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_much_how_fast_and_how_long() {
        assert_eq!(
            line("submitted", 2500, Some(10_000), Duration::from_secs(5)),
            "submitted 2,500 of 10,000  [#####···············]  25 %  500/s  15.0s left"
        );
        assert_eq!(
            line("read", 7, None, Duration::from_secs(2)),
            "read 7  3.5/s"
        );
        assert_eq!(
            line("read", 0, Some(0), Duration::ZERO),
            format!("read 0 of 0  [{}]   0 %", "·".repeat(20))
        );
    }
}
