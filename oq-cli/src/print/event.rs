//! What a worker tells, as a line for people or as JSON.

use std::time::Duration;

use oq_core::record::Failure;
use oq_core::worker::Event;
use serde_json::{Map, Value};

/// One thing that happened in a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct EventLine {
    event: &'static str,
    /// Names and values, in the order in which they are shown.
    fields: Vec<(&'static str, Value)>,
}

impl EventLine {
    /// The line for an event, if there is one to print.
    pub fn of(event: &Event) -> Option<EventLine> {
        let line = match event {
            Event::Started { worker } => EventLine::new("started").with("worker", worker),
            Event::Claimed {
                queue,
                id,
                task_type,
                delivery,
                taken_over,
            } => EventLine::new(if *taken_over { "taken_over" } else { "claimed" })
                .with("id", id)
                .with("type", task_type)
                .with("queue", queue)
                .with_value("delivery", (*delivery).into()),
            Event::Finished {
                queue,
                id,
                task_type,
                ending,
                attempts,
                ran,
                failure,
            } => {
                let line = EventLine::new(ending.as_str())
                    .with("id", id)
                    .with("type", task_type)
                    .with("queue", queue)
                    .with_value("attempts", (*attempts).into());
                let line = match ran {
                    Some(ran) => line.with_value("ran_s", seconds(*ran)),
                    None => line,
                };
                line.failed(failure.as_ref())
            }
            Event::Retried {
                queue,
                id,
                task_type,
                attempt,
                delay,
                failure,
            } => EventLine::new("retried")
                .with("id", id)
                .with("type", task_type)
                .with("queue", queue)
                .with_value("attempt", (*attempt).into())
                .with_value("delay_s", seconds(*delay))
                .failed(Some(failure)),
            Event::Rescheduled {
                queue,
                id,
                task_type,
                delay,
            } => EventLine::new("rescheduled")
                .with("id", id)
                .with("type", task_type)
                .with("queue", queue)
                .with_value("delay_s", seconds(*delay)),
            Event::Released { queue, id, tasks } => EventLine::new("released")
                .with("id", id)
                .with("queue", queue)
                .with_value("tasks", (*tasks).into()),
            Event::Lost { queue, id } => EventLine::new("lost").with("id", id).with("queue", queue),
            Event::Unreadable { queue, why } => EventLine::new("unreadable")
                .with("queue", queue)
                .with("why", why),
            Event::StoreFailing { error } => EventLine::new("outage").with("why", error),
            Event::StoreRecovered { after } => {
                EventLine::new("answers").with_value("after_s", seconds(*after))
            }
            Event::Stopping => EventLine::new("stopping"),
            Event::Stopped => EventLine::new("stopped"),
            // A newer core tells more than this program knows.
            _ => return None,
        };
        Some(line)
    }

    /// A line of this name, without fields yet.
    pub fn new(event: &'static str) -> EventLine {
        EventLine {
            event,
            fields: Vec::new(),
        }
    }

    /// Adds a field.
    pub fn with(self, name: &'static str, value: impl ToString) -> EventLine {
        self.with_value(name, value.to_string().into())
    }

    fn with_value(mut self, name: &'static str, value: Value) -> EventLine {
        self.fields.push((name, value));
        self
    }

    fn failed(self, failure: Option<&Failure>) -> EventLine {
        match failure {
            Some(failure) => self
                .with("error", &failure.kind)
                .with("message", &failure.message),
            None => self,
        }
    }

    /// One line of JSON.
    pub fn json(&self) -> String {
        let mut object = Map::new();
        object.insert("event".into(), self.event.into());
        // Always there, so that whoever looks for a task need not ask first.
        object.insert("id".into(), Value::Null);
        for (name, value) in &self.fields {
            object.insert((*name).into(), value.clone());
        }
        Value::Object(object).to_string()
    }

    /// One line for people: what a task says of itself cannot steer their terminal, and only the
    /// first line of it is shown.
    pub fn text(&self) -> String {
        let mut text = format!("{:<11}", self.event.replace('_', " "));
        for (name, value_of) in &self.fields {
            let value = match value_of {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let first = Failure::first_line(&value);
            let more = match first.len() < value.trim().len() {
                true => " …",
                false => "",
            };
            let shown = super::safe(first);
            match *name {
                "id" | "type" | "error" | "message" | "why" | "text" => {
                    text.push_str(&format!("  {}{more}", super::shortened(&shown)))
                }
                "queue" if shown == oq_core::queue::DEFAULT_QUEUE => {}
                "delivery" | "attempts" | "attempt" if shown == "1" => {}
                "ran_s" => {}
                "after_s" => text.push_str(&format!("  again after {}", span(value_of))),
                "delay_s" => text.push_str(&format!("  in {}", span(value_of))),
                name => text.push_str(&format!("  {name} {shown}{more}")),
            }
        }
        text
    }
}

/// Seconds as they are written in JSON: no finer than a millisecond.
fn seconds(span: Duration) -> Value {
    (span.as_millis() as f64 / 1000.0).into()
}

/// The same for people.
fn span(seconds: &Value) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.as_f64().unwrap_or_default());
    oq_core::span::rough(seconds.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        let line = |delay| EventLine::new("retried").with_value("delay_s", seconds(delay));
        let odd = line(Duration::from_nanos(1_559_000_123));
        assert_eq!(odd.text(), "retried      in 1.5s");
        assert_eq!(
            odd.json(),
            r#"{"delay_s":1.559,"event":"retried","id":null}"#
        );
        let long = line(Duration::from_secs(366 * 86_400));
        assert_eq!(long.text(), "retried      in 366d");
    }

    #[test]
    fn people_see_one_clean_line_and_programs_all_of_it() {
        let line = EventLine::new("failed")
            .with("id", "01X")
            .with("queue", "default")
            .with("message", "no\u{1b}[2J disk\nat line 3");
        assert_eq!(line.text(), r"failed       01X  no\u001b[2J disk …");
        let json: Value = serde_json::from_str(&line.json()).unwrap();
        assert_eq!(json["message"], "no\u{1b}[2J disk\nat line 3");
        assert_eq!(json["event"], "failed");
    }
}
