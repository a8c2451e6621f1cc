//! What happened to the tasks of a world: when they were made, started and recorded.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oq_core::measure::{Count, Quantiles};
use oq_core::record::TaskId;

/// One moment in the life of a task.
#[derive(Debug, Clone, Copy)]
struct Moment {
    made: Duration,
    at: Duration,
}

#[derive(Default)]
pub struct Log {
    /// Tasks that came to their handler's end, once or more often.
    pub ran: Count,
    /// Tasks whose outcome is recorded.
    pub recorded: Count,
    /// Objects that were claimed.
    pub claimed: Count,
    moments: Mutex<Moments>,
}

#[derive(Default)]
struct Moments {
    /// Those that run: when they were made.
    made: BTreeMap<TaskId, Duration>,
    started: Vec<Moment>,
    recorded: Vec<Moment>,
    /// Seen by a client that waited for it.
    seen: Vec<Moment>,
}

impl Log {
    fn moments(&self) -> MutexGuard<'_, Moments> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handler begins with a task that was made then.
    pub fn started(&self, id: TaskId, made: Duration, at: Duration) {
        let mut moments = self.moments();
        moments.made.insert(id, made);
        moments.started.push(Moment { made, at });
    }

    pub fn recorded(&self, id: TaskId, at: Duration) {
        let mut moments = self.moments();
        if let Some(made) = moments.made.remove(&id) {
            moments.recorded.push(Moment { made, at });
        }
        self.recorded.add();
    }

    pub fn seen(&self, made: Duration, at: Duration) {
        self.moments().seen.push(Moment { made, at });
    }

    /// From the submission to the first line of the handler, of tasks made in that time.
    pub fn to_start(&self, within: &Range<Duration>) -> Quantiles {
        spread(&self.moments().started, within)
    }

    /// From the submission until the outcome was recorded.
    pub fn to_record(&self, within: &Range<Duration>) -> Quantiles {
        spread(&self.moments().recorded, within)
    }

    /// From the submission until a waiting client had the result.
    pub fn to_result(&self, within: &Range<Duration>) -> Quantiles {
        spread(&self.moments().seen, within)
    }
}

fn spread(moments: &[Moment], within: &Range<Duration>) -> Quantiles {
    let inside = moments.iter().filter(|m| within.contains(&m.made));
    let waits = inside.map(|m| m.at.saturating_sub(m.made).as_secs_f64());
    Quantiles::of(waits.collect())
}
