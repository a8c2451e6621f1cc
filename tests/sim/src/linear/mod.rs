//! Linearizability, object by object: what clients sent and were told must be explained by one
//! compare-and-set register that each request reaches at one moment between its send and its answer.
//!
//! The search is Wing and Gong's with Lowe's memory of what was tried. It knows nothing of oq.

mod calls;
pub mod checked;
pub mod mutate;
mod register;

use std::collections::BTreeSet;
use std::time::Duration;

pub use calls::{Asked, Call, Calls, Recorder, Saw};
pub use register::Register;
use register::State;

/// So many positions are looked at before a history counts as too hard. A thousand times what the
/// simulation needs.
const PATIENCE: usize = 200_000;

/// What became of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// One register explains it.
    Linear,
    /// None does; this call is the first that could not be placed on the way that came farthest.
    Broken(usize),
    /// Nobody knows: the search was given up.
    TooHard,
}

/// Judges the history of one object that was not there at first. The calls are in the order of
/// their sends.
pub fn judge(calls: &[Call], register: &Register) -> Verdict {
    let mut search = Search {
        calls,
        register,
        tried: BTreeSet::new(),
        farthest: (0, 0),
    };
    match search.from(Placed::none(calls.len()), None) {
        Some(true) => Verdict::Linear,
        Some(false) => Verdict::Broken(search.farthest.1),
        None => Verdict::TooHard,
    }
}

/// Which calls have their moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Placed {
    bits: Vec<u64>,
    /// All before this one are placed.
    from: usize,
    count: usize,
}

impl Placed {
    fn none(len: usize) -> Placed {
        Placed {
            bits: vec![0; len.div_ceil(64)],
            from: 0,
            count: 0,
        }
    }

    fn has(&self, n: usize) -> bool {
        self.bits[n / 64] & (1 << (n % 64)) != 0
    }

    fn add(&mut self, n: usize) {
        self.bits[n / 64] |= 1 << (n % 64);
        self.count += 1;
        while self.from < self.bits.len() * 64 && self.has(self.from) {
            self.from += 1;
        }
    }
}

struct Search<'a> {
    calls: &'a [Call],
    register: &'a Register,
    tried: BTreeSet<(Placed, State)>,
    farthest: (usize, usize),
}

impl Search<'_> {
    /// Whether the rest can be placed; `None` when that takes too long.
    fn from(&mut self, mut placed: Placed, state: State) -> Option<bool> {
        let window = loop {
            let Some((window, urgent)) = self.window(&placed) else {
                return Some(true);
            };
            if placed.count >= self.farthest.0 {
                self.farthest = (placed.count, urgent);
            }
            // What never changes anything and fits now may have its moment now: nothing is lost by it.
            let fits = |n: &&usize| {
                let call = &self.calls[**n];
                call.changes_nothing() && !self.register.step(call, &state).is_empty()
            };
            match window.iter().find(fits) {
                Some(n) => placed.add(*n),
                None => break window,
            }
        };
        if !self.tried.insert((placed.clone(), state.clone())) {
            return Some(false);
        }
        if self.tried.len() > PATIENCE {
            return None;
        }
        let mut next: Vec<usize> = window;
        next.sort_by_key(|n| (!self.calls[*n].must_be_placed(), self.calls[*n].ends()));
        for n in next {
            for after in self.register.step(&self.calls[n], &state) {
                let mut placed = placed.clone();
                placed.add(n);
                if self.from(placed, after)? {
                    return Some(true);
                }
            }
        }
        Some(false)
    }

    /// The calls that may have their moment next, and the one whose answer came first; `None` when
    /// every call that was answered has its moment.
    fn window(&self, placed: &Placed) -> Option<(Vec<usize>, usize)> {
        let mut first: Option<(Duration, usize)> = None;
        let mut window = Vec::new();
        for n in placed.from..self.calls.len() {
            let call = &self.calls[n];
            if first.is_some_and(|(end, _)| call.sent > end) {
                break;
            }
            if placed.has(n) {
                continue;
            }
            window.push(n);
            if call.must_be_placed() && first.is_none_or(|(end, _)| call.ends() < end) {
                first = Some((call.ends(), n));
            }
        }
        let (end, urgent) = first?;
        window.retain(|n| self.calls[*n].sent <= end);
        Some((window, urgent))
    }
}

#[cfg(test)]
mod tests;
