//! From a record that was read to the events in it that were not told yet.

use super::place::{Known, Look};
use super::{Happened, Subject, Tail, TailEvent};
use crate::error::{Error, Result};
use crate::protocol::lookup::outcome;
use crate::queue::Queue;
use crate::record::{Done, Event, Key, Live, ObjectId, TaskType};
use crate::time::StoreTime;

/// What a look found.
pub(super) enum Found {
    Live(ObjectId, Box<Live>),
    Done(ObjectId, Box<Done>, Option<Known>),
    /// Purged, past its retention, or unreadable.
    Nothing,
}

/// Reads one record: 1 GET, or 2 when a live one is over meanwhile.
pub(super) async fn read(queue: Queue, look: Look) -> Result<Found> {
    let (root, name) = (queue.root(), queue.name());
    let (id, known) = match look {
        Look::Live(id) => {
            let key = Key::Live(name.clone(), id).store_key();
            let object = readable(root.get(&key).await)?.and_then(|got| got.value);
            match object {
                Some(object) => {
                    return readable(Live::in_object(id, &key, object)).map(|live| {
                        live.map_or(Found::Nothing, |l| Found::Live(id, Box::new(l.record)))
                    });
                }
                // Unreadable, or gone: then the next look at the shard knows what was told of it.
                None => return Ok(Found::Nothing),
            }
        }
        Look::Done(id, known) => (id, known),
    };
    let done = readable(outcome(root, name, id).await)?.flatten();
    Ok(match done.filter(|done| !done.record.is_seal()) {
        Some(done) => Found::Done(id, Box::new(done.record), known),
        None => Found::Nothing,
    })
}

/// What cannot be understood is passed over: `oq doctor` reports it.
fn readable<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(Error::Unreadable { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The steps that were not told: those behind the last one told, or, if that was dropped from the
/// history or none was told, those from its time on.
fn untold<'a>(history: &'a [Event], last: Option<&Event>, from: StoreTime) -> &'a [Event] {
    if let Some(last) = last
        && let Some(at) = history.iter().rposition(|event| event == last)
    {
        return &history[at + 1..];
    }
    let from = last.map_or(from, |last| last.at.max(from));
    let first = history.iter().position(|event| event.at >= from);
    &history[first.unwrap_or(history.len())..]
}

impl Tail {
    pub(super) fn tell(&mut self, found: Found, events: &mut Vec<TailEvent>) {
        match found {
            Found::Live(id, live) => self.tell_live(id, &live, events),
            Found::Done(id, done, known) => self.tell_done(id, &done, known.as_ref(), events),
            Found::Nothing => {}
        }
    }

    fn tell_live(&mut self, id: ObjectId, live: &Live, events: &mut Vec<TailEvent>) {
        let key = Key::Live(self.queue.name().clone(), id).to_string();
        let from = self.from;
        let Some(known) = self
            .places
            .get_mut(&id.shard())
            .and_then(|place| place.known.get_mut(&key))
        else {
            return;
        };
        let submitted = !known.submitted && live.write.created >= from;
        let steps = untold(&live.history, known.last.as_ref(), from).to_vec();
        known.submitted = true;
        known.last = live.history.last().cloned();
        let wanted = live
            .tasks
            .iter()
            .any(|slot| self.watch.wants_tags(&slot.tags));
        if wanted {
            let submitted = submitted.then_some(live.write.created);
            self.tell_steps(id, &live.task_type, submitted, &steps, events);
        }
    }

    fn tell_done(
        &mut self,
        id: ObjectId,
        done: &Done,
        known: Option<&Known>,
        events: &mut Vec<TailEvent>,
    ) {
        let told = known.is_some_and(|known| known.submitted);
        let submitted = (!told && done.submitted >= self.from).then_some(done.submitted);
        let last = known.and_then(|known| known.last.as_ref());
        let steps = untold(&done.history, last, self.from);
        if done.tasks.iter().any(|t| self.watch.wants_tags(&t.tags)) {
            self.tell_steps(id, &done.task_type, submitted, steps, events);
        }
        if !self.watch.wants_type(&done.task_type) {
            return;
        }
        let end = done.history.last();
        for (task, slot) in id.tasks().zip(&done.tasks) {
            let event = Happened::from(slot.outcome.ending);
            if !self.watch.wants(event) || !self.watch.wants_tags(&slot.tags) {
                continue;
            }
            let failure = slot.outcome.failure.as_ref();
            events.push(TailEvent {
                cursor: self.cursor,
                at: slot.outcome.at,
                event,
                id: Subject::Task(task),
                task_type: done.task_type.clone(),
                tasks: 1,
                delivery: end.map_or(0, |e| e.delivery),
                worker: end.and_then(|e| e.worker.clone()),
                reason: failure.map(|f| format!("{}: {}", f.kind, f.message)),
            });
        }
    }

    fn tell_steps(
        &self,
        id: ObjectId,
        task_type: &TaskType,
        submitted: Option<StoreTime>,
        steps: &[Event],
        events: &mut Vec<TailEvent>,
    ) {
        if !self.watch.wants_type(task_type) {
            return;
        }
        let event = |event, at| TailEvent {
            cursor: self.cursor,
            at,
            event,
            id: Subject::Object(id),
            task_type: task_type.clone(),
            tasks: id.count(),
            delivery: 0,
            worker: None,
            reason: None,
        };
        if let Some(at) = submitted.filter(|_| self.watch.wants(Happened::Submitted)) {
            events.push(event(Happened::Submitted, at));
        }
        for step in steps {
            if let Some(what) = Happened::of_step(step.what).filter(|what| self.watch.wants(*what))
            {
                events.push(TailEvent {
                    delivery: step.delivery,
                    worker: step.worker.clone(),
                    reason: step.reason.clone(),
                    ..event(what, step.at)
                });
            }
        }
    }
}
