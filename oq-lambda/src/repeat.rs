//! What is to be delivered again: whole invocations to Lambda, messages to SQS.

use std::collections::BTreeMap;

use oq_core::Error;
use oq_core::worker::{Drained, LeadEnd};

use crate::answer::{Failed, ItemFailure};
use crate::leads::{Asked, Object};

/// An invocation whose store failed is to be repeated.
pub fn invocation(drained: &Drained) -> Result<(), Failed> {
    if let Some(error) = &drained.error {
        return Err(Failed::Oq(error.clone()));
    }
    let failed = drained.leads.iter().find_map(|(lead, end)| match end {
        LeadEnd::Failed(why) => Some(Error::Unavailable(format!("task {}: {why}", lead.id))),
        _ => None,
    });
    failed.map_or(Ok(()), |error| Err(Failed::Oq(error)))
}

/// Which messages SQS is to deliver again: those that cannot be read, which end in its dead-letter
/// queue, and those about something that failed or was not tried.
pub fn messages(asked: &Asked, drained: &Drained) -> Vec<ItemFailure> {
    let ends: BTreeMap<_, _> = drained
        .leads
        .iter()
        .map(|(lead, end)| ((lead.queue.clone(), lead.id), end))
        .collect();
    let again = |object: &Object| match ends.get(object) {
        Some(LeadEnd::Failed(_)) => true,
        // What is paused is found by the schedule when it goes on.
        Some(LeadEnd::Untried) => !drained.paused.contains(&object.0),
        _ => false,
    };
    let failed = asked.messages.iter().filter_map(|(id, said)| {
        let failed = match said {
            Ok(objects) => objects.iter().any(again),
            Err(why) => {
                tracing::error!(%why, message = id, "a message cannot be read");
                true
            }
        };
        id.clone().filter(|_| failed)
    });
    failed.map(|id| ItemFailure { id }).collect()
}
