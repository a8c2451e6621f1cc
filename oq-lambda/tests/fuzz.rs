//! Bent events: nothing panics, and what is not understood is said in a few words.

#![allow(missing_docs)]

use oq_fuzz::{Target, check};
use oq_lambda::event::Event;

/// So many at least; an unoptimised build does them in some seconds.
const EXECUTIONS: u64 = 20_000;

fn events(bytes: &[u8]) -> String {
    match Event::read(&String::from_utf8_lossy(bytes)) {
        Ok(Event::Tick) => "a tick".into(),
        Ok(Event::Drain(_)) => "a drain".into(),
        Ok(Event::Submit(_)) => "a task".into(),
        Ok(Event::Http(request)) => format!("a request, {:?}", request.text().is_ok()),
        Ok(Event::Objects(source, messages)) => {
            let bad = messages.iter().filter(|m| m.notices.is_err()).count();
            format!("{source:?} {}", bad > 0)
        }
        Err(why) => {
            let why = why.to_string();
            assert!(why.len() < 1000, "{why}");
            why
        }
    }
}

#[test]
fn bent_events_are_read_or_refused() {
    let target = Target {
        name: "events",
        corpus: "../../oq-lambda/tests/events",
        run: events,
    };
    check(&target, EXECUTIONS);
}
