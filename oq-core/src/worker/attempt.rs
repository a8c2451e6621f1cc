//! One attempt of one task: loads its input, runs its handler within its limits, stores its output,
//! and says what came of it. Never panics and never outlives its runner.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::context::{Attempt, Context};
use super::error::{Answer, TaskError};
use super::registry::Handler;
use super::watch::panic_message;
use crate::error::Error;
use crate::protocol::{Root, payload};
use crate::record::{Data, Failure, Json, Part, Token};
use crate::state::run::Verdict;
use crate::testing::mutant::{Mutant, mutated};

/// What an attempt needs beyond its context.
pub(super) struct Work {
    pub root: Root,
    pub attempt: Arc<Attempt>,
    pub handler: Handler,
    pub input: Data,
    pub inline_limit: usize,
    pub cancel_grace: Duration,
}

/// Runs the attempt to a verdict.
pub(super) async fn run(work: Work) -> Verdict {
    let root = work.root.clone();
    // Dropping a handler that ran out of time may panic as well.
    match AssertUnwindSafe(to_verdict(work)).catch_unwind().await {
        Ok(verdict) => verdict,
        Err(panic) => panicked(&root, &*panic),
    }
}

async fn to_verdict(work: Work) -> Verdict {
    let Work {
        root,
        attempt,
        handler,
        input,
        inline_limit,
        cancel_grace,
    } = work;
    let (queue, id) = (&attempt.queue, attempt.id);
    let asked = attempt.env.now();
    let input = match payload::load(&root, queue, id.object(), &input).await {
        Ok(input) => input,
        Err(e) => return failed(&root, payload_failure("its input cannot be read", &e)),
    };
    // The handler's time begins with the handler.
    let late = attempt.env.now().since(asked);
    {
        let mut said = attempt.said();
        if attempt.env.now() >= said.lease_until && !mutated(Mutant::StartWithoutLease) {
            // Somebody else may have run it to its end meanwhile.
            return Verdict::Released;
        }
        said.deadline = said.deadline + late;
    }
    let context = Context {
        shared: attempt.clone(),
    };
    // A handler may panic when it is called, not only when it is awaited.
    let call = AssertUnwindSafe(async move { handler(context, input).await }).catch_unwind();
    let answer = tokio::select! {
        biased;
        answer = call => answer,
        () = deadline(&attempt) => {
            let why = "it did not finish within its timeout";
            return failed(&root, Failure::new(Failure::TIMEOUT, why));
        }
        () = grace(&attempt, cancel_grace) => return Verdict::Cancelled,
    };
    match answer {
        Ok(Ok(output)) => complete(&root, &attempt, output, inline_limit).await,
        Ok(Err(TaskError(Answer::Failed(failure)))) => failed(&root, failure),
        Ok(Err(TaskError(Answer::Later(delay)))) => Verdict::Later(delay),
        Ok(Err(TaskError(Answer::Cancelled))) => Verdict::Cancelled,
        Err(panic) => panicked(&root, &*panic),
    }
}

fn panicked(root: &Root, panic: &(dyn std::any::Any + Send)) -> Verdict {
    if mutated(Mutant::PanicNotCharged) {
        return Verdict::Released;
    }
    let message = format!("the handler panicked: {}", panic_message(panic));
    failed(root, Failure::new(Failure::PANIC, message))
}

async fn complete(root: &Root, attempt: &Attempt, output: Json, inline_limit: usize) -> Verdict {
    if output.as_str() == "null" {
        return Verdict::Completed(None);
    }
    let part = Part::Output(u16::try_from(attempt.id.index()).unwrap_or(u16::MAX));
    let (queue, id) = (&attempt.queue, attempt.id.object());
    // Not the lease's: under one lease a task may be tried again, while the write of an earlier
    // attempt's result is still on its way to the same key.
    let token = &Token::new(root.env().entropy.as_ref());
    let place = payload::Place {
        queue,
        id,
        token,
        part,
    };
    match payload::store(root, place, &output, inline_limit).await {
        Ok(data) => Verdict::Completed(Some(data)),
        Err(e) => failed(root, payload_failure("its result cannot be stored", &e)),
    }
}

/// What is wrong with the payload itself stays wrong; refused access and silence may pass.
fn payload_failure(what: &str, e: &Error) -> Failure {
    let failure = Failure::new("payload", format!("{what}: {e}"));
    match e {
        Error::Invalid { .. } | Error::Unreadable { .. } => failure.fatal(),
        _ => failure,
    }
}

pub(super) fn failed(root: &Root, failure: Failure) -> Verdict {
    let unit = (root.env().entropy.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    Verdict::Failed(failure, unit)
}

/// Completes at the attempt's deadline, which the handler may move.
async fn deadline(attempt: &Attempt) {
    loop {
        let left = attempt.said().deadline.since(attempt.env.now());
        if left.is_zero() {
            return;
        }
        attempt.env.sleep(left).await;
    }
}

/// Completes when a cancelled handler had its time to stop by itself.
async fn grace(attempt: &Attempt, grace: Duration) {
    attempt.cancel.cancelled().await;
    attempt.env.sleep(grace).await;
}
