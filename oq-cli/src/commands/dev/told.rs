//! What the worker of `oq dev` tells, a line each.

use std::sync::atomic::{AtomicU64, Ordering};

use oq_core::worker::Event;
use tokio::sync::mpsc;

use crate::failed::Failed;
use crate::print::{EventLine, Format, Printer};

/// Whether programs read what is printed.
pub fn as_json(print: &Printer) -> bool {
    matches!(print.format(), Format::Json | Format::Jsonl)
}

/// Prints what the worker tells, until it is gone.
pub async fn tell(
    print: &Printer,
    mut told: mpsc::Receiver<Event>,
    missed: &AtomicU64,
) -> Result<(), Failed> {
    while let Some(event) = told.recv().await {
        let Some(line) = EventLine::of(&event) else {
            continue;
        };
        match as_json(print) {
            true => print.line(&line.json())?,
            false => print.line(&line.text())?,
        }
        let missed = missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            print.note(&format!("{missed} events came too fast to be printed"));
        }
    }
    Ok(())
}
