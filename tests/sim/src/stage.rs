//! What handlers do in a run: play the script that their input names.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oq_core::Context;
use oq_core::env::Env;
use oq_core::record::{Json, TaskId, Token};
use oq_core::testing::sim_clock::SimHost;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use crate::observe::{End, Notebook, Running, Start, What};
use crate::parcel::Parcel;
use crate::scenario::{Scenario, Script, Way};

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
    pub input: Parcel,
    /// What it can say while it runs; the small worker has no ear for it.
    pub context: Option<Context>,
}

/// What a handler answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It succeeded; the number is its run's, so that the recorded result tells which run it is of.
    Done(Parcel),
    Fail,
    Fatal,
    /// It is to panic.
    Panic,
    Later(Duration),
    Cancelled,
}

/// What handlers save: how many steps they have behind them, and which run took the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub step: u32,
    pub by: usize,
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
        let number = call.input.number();
        let Some(script) = self.scenario.scripts.get(number).copied() else {
            return Reply::Fail;
        };
        let saved: Option<Cursor> = call.context.as_ref().and_then(Context::saved);
        let running = self.book.start(Start {
            at: self.book.store.elapsed(),
            client: call.host.id(),
            queue: call.queue,
            task: call.task,
            script: number,
            whole: call.input.is_whole(script.load),
            attempt: call.attempt,
            delivery: call.delivery,
            token: call.token.clone(),
            saved,
            said: Vec::new(),
            ended: None,
        });
        let long = |inline| Json::of(&call.input).is_ok_and(|json| json.as_str().len() > inline);
        if self.scenario.inline.is_some_and(long) {
            self.book.trouble(call.host.id(), What::Unpacked);
        }
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
            () = self.work(&call, &script, saved, &running) => true,
        };
        let (reply, end) = if !ran {
            (Reply::Cancelled, End::Cancelled)
        } else if self.says_later(call.task, script.later) {
            let delay = script.run + Duration::from_millis(500);
            (Reply::Later(delay), End::Later)
        } else if call.attempt <= script.fail {
            self.fails(&call, script.way)
        } else {
            let result = Parcel::new(running.serial, script.result);
            (Reply::Done(result), End::Completed)
        };
        if call.host.is_starved() {
            self.book.trouble(call.host.id(), What::EndedStarved);
        }
        running.end(end);
        reply
    }

    /// What a handler does until it has something to answer. It goes on where an earlier one was.
    async fn work(&self, call: &Call, script: &Script, saved: Option<Cursor>, running: &Running) {
        let client = call.host.id();
        let Some(context) = &call.context else {
            return call.env.sleep(script.run).await;
        };
        if script.extends {
            self.book.trouble(client, What::Extended);
            context.extend(script.extension());
        }
        if script.steps == 0 {
            return call.env.sleep(script.run).await;
        }
        let behind = saved.map_or(0, |cursor| cursor.step).min(script.steps);
        if behind > 0 {
            self.book.trouble(client, What::Resumed);
        }
        // One that fails leaves something to do.
        let last = script.steps - u32::from(call.attempt <= script.fail);
        for step in behind + 1..=last {
            call.env.sleep(script.run / script.steps).await;
            running.says(step);
            let cursor = Cursor {
                step,
                by: running.serial,
            };
            context.save(&cursor).expect("a cursor is short");
            context.progress(step.into(), script.steps.into());
            if script.flushes {
                context.flush();
            }
        }
        // What was saved last is to be written down sometimes.
        call.env.sleep(script.run / script.steps).await;
    }

    fn fails(&self, call: &Call, way: Way) -> (Reply, End) {
        let client = call.host.id();
        match way {
            Way::Error => (Reply::Fail, End::Failed),
            Way::Fatal => {
                self.book.trouble(client, What::Fatal);
                (Reply::Fatal, End::Fatal)
            }
            Way::Panic => {
                self.book.trouble(client, What::Panicked);
                (Reply::Panic, End::Panicked)
            }
        }
    }

    fn says_later(&self, task: TaskId, wanted: u32) -> bool {
        let mut laters = self.laters.lock().unwrap_or_else(PoisonError::into_inner);
        let said = laters.entry(task).or_default();
        let again = *said < wanted;
        *said += u32::from(again);
        again
    }
}
