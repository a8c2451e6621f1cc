//! What handlers do in a run: play the script that their input names.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oq_core::env::Env;
use oq_core::record::{TaskId, Token};
use oq_core::testing::sim_clock::SimHost;
use tokio::sync::mpsc::UnboundedSender;

use crate::observe::{End, Notebook, Start, What};
use crate::scenario::Scenario;

/// What the handlers of a run share.
#[derive(Debug)]
pub struct Stage {
    pub scenario: Arc<Scenario>,
    pub book: Notebook,
    /// Asks for the death of a worker.
    pub crash: UnboundedSender<u16>,
    quiet: AtomicBool,
    laters: Mutex<BTreeMap<TaskId, u32>>,
}

/// One call of a handler.
#[derive(Debug)]
pub struct Call {
    pub host: Arc<SimHost>,
    pub env: Env,
    pub queue: usize,
    pub task: TaskId,
    pub attempt: u32,
    pub delivery: u32,
    pub token: Token,
    pub script: usize,
}

/// What a handler answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It succeeded; the number is its run's, so that the recorded result tells which run it is of.
    Done(usize),
    Fail,
    Later(Duration),
    Cancelled,
}

impl Stage {
    pub fn new(scenario: Arc<Scenario>, book: Notebook, crash: UnboundedSender<u16>) -> Stage {
        Stage {
            scenario,
            book,
            crash,
            quiet: AtomicBool::new(false),
            laters: Mutex::default(),
        }
    }

    /// From now on poison is harmless.
    pub fn quiet(&self) {
        self.quiet.store(true, Ordering::Relaxed);
    }

    /// Plays one call. `cancelled` completes when the task is to stop.
    pub async fn play(&self, call: Call, cancelled: impl Future<Output = ()>) -> Reply {
        let Some(script) = self.scenario.scripts.get(call.script).copied() else {
            return Reply::Fail;
        };
        let running = self.book.start(Start {
            at: self.book.store.elapsed(),
            client: call.host.id(),
            queue: call.queue,
            task: call.task,
            script: call.script,
            attempt: call.attempt,
            delivery: call.delivery,
            token: call.token,
            ended: None,
        });
        if script.poison && !self.quiet.load(Ordering::Relaxed) {
            self.book.trouble(call.host.id(), What::Poisoned);
            // The run is over when nobody listens any more, and then this is dropped as well.
            let _ = self.crash.send(call.host.id());
            return std::future::pending().await;
        }
        let stop = async {
            cancelled.await;
            if !script.heeds_cancel {
                std::future::pending::<()>().await;
            }
        };
        let ran = tokio::select! {
            biased;
            () = stop => false,
            () = call.env.sleep(script.run) => true,
        };
        let (reply, end) = if !ran {
            (Reply::Cancelled, End::Cancelled)
        } else if self.says_later(call.task, script.later) {
            (
                Reply::Later(script.run + Duration::from_millis(500)),
                End::Later,
            )
        } else if call.attempt <= script.fail {
            (Reply::Fail, End::Failed)
        } else {
            (Reply::Done(running.serial), End::Completed)
        };
        running.end(end);
        reply
    }

    fn says_later(&self, task: TaskId, wanted: u32) -> bool {
        let mut laters = self.laters.lock().unwrap_or_else(PoisonError::into_inner);
        let said = laters.entry(task).or_default();
        let again = *said < wanted;
        *said += u32::from(again);
        again
    }
}
