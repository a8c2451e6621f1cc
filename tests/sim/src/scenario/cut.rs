//! A scenario with something left out: what shrinking tries, and what a replay is told.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use oq_core::testing::sim_store::Fault;

use super::{Event, Scenario};

/// What is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    pub faults: BTreeSet<Fault>,
    /// Kinds of events, by [`Event::kind`].
    pub events: BTreeSet<&'static str>,
    /// Submissions.
    pub submissions: BTreeSet<usize>,
}

impl Event {
    /// The kinds of events that can be left out.
    pub const KINDS: &[&str] = &[
        "crash", "stop", "stall", "starve", "cut", "bereave", "vanish", "undelete", "again",
        "retry", "cancel", "list", "look", "purge", "pause", "shards", "sweep",
    ];

    /// Which kind it is; `None`: without it there is nothing to play.
    pub fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Event::Start(_) | Event::Submit(_) => return None,
            Event::Crash(_) => "crash",
            Event::Stop(_) | Event::Kill(_) => "stop",
            Event::Stall(..) => "stall",
            Event::Starve(..) => "starve",
            Event::CutOut(..) | Event::CutBack(..) => "cut",
            Event::Bereave(_) => "bereave",
            Event::Vanish => "vanish",
            Event::Undelete => "undelete",
            Event::Again(_) => "again",
            Event::Retry(..) => "retry",
            Event::Cancel(..) | Event::CancelMany(..) => "cancel",
            Event::List(..) => "list",
            Event::Look(..) | Event::Wait(..) => "look",
            Event::Purge(_) => "purge",
            Event::Pause(..) => "pause",
            Event::Shards(..) | Event::Shrink(_) => "shards",
            Event::Sweep(..) => "sweep",
        })
    }

    /// The submission that it is about.
    fn submission(&self) -> Option<usize> {
        match self {
            Event::Submit(n) | Event::Again(n) => Some(*n),
            Event::Retry(n, _) | Event::Cancel(n, _) | Event::Look(n, _) | Event::Wait(n, _) => {
                Some(*n)
            }
            _ => None,
        }
    }
}

impl Scenario {
    /// The same scenario with this left out. What stays happens at the same moments.
    pub fn without(mut self, cut: &Cut) -> Scenario {
        for fault in &cut.faults {
            self.plan.set(*fault, 0.0);
        }
        self.events.retain(|(_, event)| {
            let kind = event.kind().is_some_and(|k| cut.events.contains(k));
            let of = event
                .submission()
                .is_some_and(|n| cut.submissions.contains(&n));
            !kind && !of
        });
        self
    }
}

/// As in `faults=zombie+409;events=crash;tasks=1+4`; `-` for nothing.
impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |fault: &Fault| fault.name().replace([' ', ','], "");
        let faults: Vec<String> = self.faults.iter().map(name).collect();
        let events: Vec<String> = self.events.iter().map(ToString::to_string).collect();
        let tasks: Vec<String> = self.submissions.iter().map(ToString::to_string).collect();
        let parts = [("faults", faults), ("events", events), ("tasks", tasks)];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| format!("{name}={}", list.join("+")))
            .collect();
        match parts.is_empty() {
            true => f.write_str("-"),
            false => f.write_str(&parts.join(";")),
        }
    }
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Cut, String> {
        let mut cut = Cut::default();
        for part in text.split(';').filter(|p| *p != "-" && !p.is_empty()) {
            let (name, list) = part.split_once('=').ok_or(format!("{part}: no value"))?;
            for word in list.split('+') {
                let unknown = || format!("{word}: not one of the {name}");
                match name {
                    "faults" => {
                        let named = |f: &&Fault| f.name().replace([' ', ','], "") == word;
                        let fault = Fault::ALL.iter().find(named).ok_or_else(unknown)?;
                        cut.faults.insert(*fault);
                    }
                    "events" => {
                        let kind = Event::KINDS.iter().find(|k| **k == word);
                        cut.events.insert(kind.ok_or_else(unknown)?);
                    }
                    "tasks" => {
                        cut.submissions.insert(word.parse().map_err(|_| unknown())?);
                    }
                    _ => return Err(format!("{name}: use faults, events or tasks")),
                }
            }
        }
        Ok(cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_written_and_read() {
        for text in [
            "-",
            "faults=zombie+appliedthen500;events=crash+pause;tasks=1+14",
        ] {
            let cut: Cut = text.parse().unwrap();
            assert_eq!(cut.to_string().parse(), Ok(cut));
        }
        assert!("faults=rain".parse::<Cut>().is_err());
    }

    #[test]
    fn what_is_left_out_does_not_happen() {
        let cut: Cut = "faults=zombie;events=crash;tasks=0".parse().unwrap();
        let whole = Scenario::of(1);
        let less = whole.clone().without(&cut);
        assert_eq!(less.plan.rate(Fault::Zombie), 0.0);
        let gone = |(_, e): &(_, Event)| matches!(e, Event::Crash(_) | Event::Submit(0));
        assert!(whole.events.iter().any(gone) && !less.events.iter().any(gone));
    }
}
