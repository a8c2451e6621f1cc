//! What happened so far, to be judged. Nobody in the model acts on it.

use oq_core::record::{Data, Done, Ending, Json, Live, LiveState};
use oq_core::state::record_outcome::dead_tasks;

use crate::world::{ATTEMPTS, Kept, id};

/// What must not be, one bit each; the first is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    OutcomeChanged,
    OutcomeNotRun,
    StartAfterOutcome,
    StartOutOfOrder,
    StartUndeclared,
    StartAfterCancel,
    TooManyAttempts,
    StartsShrank,
    FlagLost,
    DeletedUnrecorded,
    NoDeadLetter,
    LetterUnrecorded,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Ghost {
    /// An outcome was recorded.
    recorded: bool,
    /// The delivery of the last start of each task.
    started: [u8; 2],
    /// Deliveries in which a task's handler succeeded, one bit each.
    succeeded: [u8; 2],
    /// Tasks whose cancellation was answered as done.
    cancelled: u8,
    /// What went wrong.
    wrong: u32,
    /// What may happen and should be seen to, for the model to be worth something.
    pub seen: u8,
}

/// What the model must come to at least once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saw {
    TakenOver,
    Adopted,
    LateAfterOutcome,
    SealRefused,
    Recovered,
    Retried,
}

impl Ghost {
    pub fn has(&self, wrong: Wrong) -> bool {
        self.wrong & (1 << wrong as u32) != 0
    }

    pub fn saw(&self, what: Saw) -> bool {
        self.seen & (1 << what as u8) != 0
    }

    pub fn see(&mut self, what: Saw) {
        self.seen |= 1 << what as u8;
    }

    fn note(&mut self, wrong: Wrong, is: bool) {
        self.wrong |= u32::from(is) << wrong as u32;
    }

    pub fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// A live record was written.
    pub fn live(&mut self, old: Option<&Kept<Live>>, new: &Kept<Live>) {
        let recorded = self.is_recorded();
        for (n, slot) in new.record.tasks.iter().enumerate() {
            self.note(Wrong::TooManyAttempts, slot.attempts() > ATTEMPTS);
            let Some(old) = old.and_then(|o| o.record.tasks.get(n)) else {
                continue;
            };
            self.note(Wrong::StartsShrank, slot.starts < old.starts);
            let lost = old.cancel_requested && !slot.cancel_requested && slot.outcome.is_none();
            self.note(Wrong::FlagLost, lost && !recorded);
        }
    }

    /// An outcome or a seal was written.
    pub fn done(&mut self, old: Option<&Kept<Done>>, new: &Kept<Done>) {
        let over = old.is_some_and(|o| !o.record.is_seal());
        self.note(Wrong::OutcomeChanged, over);
        if new.record.is_seal() || over {
            return;
        }
        self.recorded = true;
        for (n, task) in new.record.tasks.iter().enumerate() {
            if task.outcome.ending == Ending::Completed {
                let delivery = match &task.outcome.output {
                    Some(Data::Json(json)) => json.to().unwrap_or(0u8),
                    _ => 0,
                };
                let ran = self.succeeded[n] & (1 << delivery) != 0;
                self.note(Wrong::OutcomeNotRun, !ran);
            }
        }
    }

    /// Dead letters were written.
    pub fn dead(&mut self, done: Option<&Kept<Done>>, tasks: u8) {
        let asked = done.map_or(0, |d| letters(&d.record));
        self.note(Wrong::LetterUnrecorded, tasks & !asked != 0);
    }

    /// The live record was deleted.
    pub fn deleted(&mut self, done: Option<&Kept<Done>>, dead: u8) {
        let recorded = done.filter(|d| !d.record.is_seal());
        self.note(Wrong::DeletedUnrecorded, recorded.is_none());
        let missing = recorded.is_some_and(|d| letters(&d.record) & !dead != 0);
        self.note(Wrong::NoDeadLetter, missing);
    }

    /// A handler starts.
    pub fn start(&mut self, task: usize, live: &Live) {
        let delivery = live.delivery as u8;
        self.note(Wrong::StartAfterOutcome, self.is_recorded());
        self.note(Wrong::StartOutOfOrder, delivery < self.started[task]);
        self.note(Wrong::StartAfterCancel, self.cancelled & (1 << task) != 0);
        self.started[task] = self.started[task].max(delivery);
    }

    /// The starts that a worker wants must stand in the record that it wrote.
    pub fn declared(&mut self, is: bool) {
        self.note(Wrong::StartUndeclared, !is);
    }

    /// A handler succeeded; what it returns says in which delivery.
    pub fn succeed(&mut self, task: usize, live: &Live) -> Option<Data> {
        self.succeeded[task] |= 1 << (live.delivery as u8);
        Json::of(&live.delivery).ok().map(Data::Json)
    }

    /// Somebody was told that these tasks are cancelled.
    pub fn cancel(&mut self, live: &Live) {
        if live.state == LiveState::Terminal {
            for (n, slot) in live.tasks.iter().enumerate() {
                let cancelled = slot.outcome.as_ref().map(|o| o.ending) == Some(Ending::Cancelled);
                self.cancelled |= u8::from(cancelled) << n;
            }
        }
    }
}

/// The dead letters that an outcome asks for, one bit each.
pub fn letters(done: &Done) -> u8 {
    let all = dead_tasks(id(done.tasks.len()), done);
    all.iter()
        .fold(0, |bits, (task, _)| bits | (1 << task.index()))
}
