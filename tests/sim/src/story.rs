//! The story of one object, on one screen.

use std::time::Duration;

use oq_core::record::{Done, Key, Live, decode};
use oq_core::testing::sim_store::Applied;

use crate::check::{Name, Violation, name_of};
use crate::linear::Asked;
use crate::play::Played;
use crate::producer::queue_name;

/// The most lines that fit.
const SCREEN: usize = 60;

/// What is wrong with a run, and what happened to the object concerned.
pub fn tell(run: &Played, violations: &[Violation]) -> String {
    let Some(first) = violations.first() else {
        return "nothing is wrong".into();
    };
    let seed = run.scenario.seed;
    let mut text = format!(
        "seed {seed} ({:?} workers, {:?}): {} violations\n",
        run.scenario.kind,
        run.scenario.theme,
        violations.len()
    );
    for violation in violations.iter().take(5) {
        text.push_str(&format!("  {violation}\n"));
    }
    if let Some(name) = violations.iter().find_map(|v| v.object.as_ref()) {
        text.push_str(&format!("the story of {}/{}:\n", name.0, name.1));
        let mut lines = of(run, name);
        lines.push((first.at, format!("    ✗ {}", first.invariant)));
        lines.sort_by_key(|(at, _)| *at);
        let skipped = lines.len().saturating_sub(SCREEN);
        if skipped > 0 {
            // The end is where it goes wrong.
            let from = lines
                .iter()
                .position(|(at, _)| *at >= first.at)
                .unwrap_or(0);
            let start = from.saturating_sub(SCREEN * 2 / 3).min(skipped);
            lines = lines.into_iter().skip(start).take(SCREEN).collect();
            text.push_str(&format!("  (of {} lines)\n", skipped + SCREEN));
        }
        for (at, line) in lines {
            text.push_str(&format!("  {:>9.3} {line}\n", at.as_secs_f64()));
        }
    }
    if let Some(broken) = violations.iter().find(|v| v.invariant == "linear") {
        text.push_str(&requests(run, broken));
    }
    text.push_str(&format!(
        "replay: cargo run -p oq-sim --profile sim -- --seed {seed} --trace\n"
    ));
    text
}

/// What was asked and told of an object whose history cannot be explained.
fn requests(run: &Played, broken: &Violation) -> String {
    let mut text = String::new();
    let histories = crate::check::linear::histories(run);
    let key = histories
        .iter()
        .find(|(key, ..)| broken.what.starts_with(&format!("{key}:")));
    for call in key.into_iter().flat_map(|(_, calls, _)| calls) {
        let asked = match &call.asked {
            Asked::Read => "GET".into(),
            Asked::Create(body) => format!("create, {} bytes", body.len()),
            Asked::Update(body, seen) => format!("update of {seen:?}, {} bytes", body.len()),
            Asked::Delete => "DELETE".into(),
            Asked::DeleteIf(seen) => format!("DELETE of {seen:?}"),
        };
        let (sent, answered) = (call.sent.as_secs_f64(), call.answered);
        let answered = answered.map_or("-".into(), |t| format!("{:.3}", t.as_secs_f64()));
        let (client, saw) = (call.client, &call.saw);
        text.push_str(&format!(
            "  {sent:>9.3} {client:>3} {asked}: {saw:?} at {answered}\n"
        ));
    }
    text
}

fn of(run: &Played, name: &Name) -> Vec<(Duration, String)> {
    let mut lines = Vec::new();
    let mut clients = Vec::new();
    for change in &run.log {
        let key = Key::parse(change.key.as_str());
        if key.as_ref().and_then(name_of).as_ref() != Some(name) {
            continue;
        }
        clients.push(change.client);
        let late = (change.at - change.sent).as_secs_f64();
        let late = if late > 1.0 {
            format!(" ({late:.1} s late)")
        } else {
            String::new()
        };
        let what = match key {
            Some(Key::Live(..)) => format!("live {}", live(change)),
            Some(Key::Done(..)) => format!("done {}", done(change)),
            _ => format!(
                "{} {}",
                change.key,
                if change.new.is_some() {
                    "written"
                } else {
                    "deleted"
                }
            ),
        };
        lines.push((change.at, format!("{:>3} {what}{late}", change.client)));
    }
    for (serial, start) in run.observed.starts.iter().enumerate() {
        if start.task.object() != name.1 || queue_name(start.queue) != name.0 {
            continue;
        }
        clients.push(start.client);
        let index = start.task.index();
        let text = format!(
            "{:>3} ▶ run {serial} of task {index}: attempt {} delivery {}",
            start.client, start.attempt, start.delivery
        );
        lines.push((start.at, text));
        if let Some((at, how)) = start.ended {
            lines.push((at, format!("{:>3} ■ run {serial} {how:?}", start.client)));
        }
    }
    for submit in &run.observed.submits {
        let text = format!("{:?}", submit.answer);
        if text.contains(&name.1.to_string()) {
            clients.push(submit.client);
            lines.push((
                submit.at,
                format!(
                    "{:>3} submission {} answered {text}",
                    submit.client, submit.submission
                ),
            ));
        }
    }
    for look in run
        .observed
        .looks
        .iter()
        .filter(|l| l.task.object() == name.1)
    {
        lines.push((
            look.at,
            format!("    task {} looks {:?}", look.task.index(), look.seen),
        ));
    }
    for cancel in run
        .observed
        .cancels
        .iter()
        .filter(|c| c.task.object() == name.1)
    {
        lines.push((
            cancel.at,
            format!(
                "    cancel of task {}: {:?}",
                cancel.task.index(),
                cancel.answer
            ),
        ));
    }
    for trouble in run
        .observed
        .troubles
        .iter()
        .filter(|t| clients.contains(&t.client))
    {
        lines.push((
            trouble.at,
            format!("{:>3} ! {:?}", trouble.client, trouble.what),
        ));
    }
    lines.push((run.scenario.quiet_at, "    the faults stop".into()));
    lines
}

fn live(change: &Applied) -> String {
    let Some(object) = &change.new else {
        return "deleted".into();
    };
    let Ok(live) = decode::<Live>(&change.key, &object.body) else {
        return "unreadable".into();
    };
    let token = live.lease.as_ref().map_or("", |l| l.token.as_str());
    let slots: String = live.tasks.iter().map(slot).collect();
    let what = live
        .history
        .last()
        .map_or("created".into(), |e| format!("{:?}", e.what));
    let wait = live.available_at.map_or(String::new(), |_| " waits".into());
    format!(
        "{:?}{wait} d{} {token} [{slots}] {what} by {}",
        live.state,
        live.delivery,
        live.write.last()
    )
}

/// One task in two or three characters: how it stands, and its attempts.
fn slot(slot: &oq_core::record::Slot) -> String {
    let state = match &slot.outcome {
        Some(outcome) => outcome
            .ending
            .as_str()
            .chars()
            .next()
            .unwrap_or('?')
            .to_ascii_uppercase(),
        None if slot.running => '▶',
        None if slot.available_at.is_some() => 'w',
        None => '·',
    };
    let flag = if slot.cancel_requested { "!" } else { "" };
    format!("{state}{}{flag} ", slot.attempts())
}

fn done(change: &Applied) -> String {
    let Some(object) = &change.new else {
        return "deleted".into();
    };
    let Ok(done) = decode::<Done>(&change.key, &object.body) else {
        return "unreadable".into();
    };
    match done.open {
        Some(delivery) => format!("seal of d{delivery} {}", done.token),
        None => {
            let endings: Vec<_> = done
                .tasks
                .iter()
                .map(|t| t.outcome.ending.as_str())
                .collect();
            format!("OUTCOME {} {}", done.token, endings.join(" "))
        }
    }
}
