//! The log of side effects: what handlers appended, outside of everything that oq knows of.

use std::collections::BTreeMap;
use std::path::Path;

/// What a handler did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    Start,
    /// It failed, or answered "later".
    Turn,
    /// It returned its result.
    End,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// Seconds since 1970, by this machine's clock.
    pub at: f64,
    pub did: Did,
    pub worker: usize,
    /// The process of the handler, if it has one of its own.
    pub process: u32,
    pub task: String,
    pub delivery: u32,
    pub token: String,
}

/// Reads the log. A line that was not written to its end is left out: its writer was killed.
pub fn read(path: &Path) -> Vec<Effect> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Effect> {
    let words: Vec<&str> = line.split(' ').collect();
    let [at, what, worker, process, task, delivery, token] = words[..] else {
        return None;
    };
    Some(Effect {
        at: at.parse().ok()?,
        did: match what {
            "start" => Did::Start,
            "turn" => Did::Turn,
            "end" => Did::End,
            _ => return None,
        },
        worker: worker.parse().ok()?,
        process: process.parse().ok()?,
        task: task.to_owned(),
        delivery: delivery.parse().ok()?,
        token: token.to_owned(),
    })
}

/// This machine's clock, as the handlers read it.
#[allow(clippy::disallowed_methods)] // what real processes write down carries real time
pub fn wall() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// The effects of each task, in their order.
pub fn by_task(effects: &[Effect]) -> BTreeMap<&str, Vec<&Effect>> {
    let mut by_task: BTreeMap<&str, Vec<&Effect>> = BTreeMap::new();
    for effect in effects {
        by_task.entry(&effect.task).or_default().push(effect);
    }
    by_task
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_read_and_others_left() {
        let good = line("1700000000.25 end 3 77 01A 2 TOKEN").unwrap();
        assert_eq!(
            (good.at, good.did, good.worker, good.process),
            (1_700_000_000.25, Did::End, 3, 77)
        );
        assert_eq!((good.delivery, good.token.as_str()), (2, "TOKEN"));
        for cut in [
            "",
            "1700000000.25 end 3 77 01A 2",
            "x end 3 7 01A 2 T",
            "1.0 ends 3 7 01A 2 T",
        ] {
            assert_eq!(line(cut), None, "{cut}");
        }
    }
}
