//! A worker whose handlers run in Python: attempts go to a mailbox in whatever number there are, and
//! Python takes them all at once.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use oq_core::env::Env;
use oq_core::record::Json;
use oq_core::worker::Drain;
use oq_core::{Context, Error, Result, TaskError, worker};
use pyo3::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::client::Store;
use crate::draft::seconds;
use crate::errors::raise;
use crate::events::Event;
use crate::job::Job;
use crate::logs::{Line, Listener, listen};
use crate::mailbox::Mailbox;
use crate::request::Request;
use crate::runtime::runtime;
use crate::silence::{self, Silence};

/// What Python says about a worker; durations in seconds.
#[derive(FromPyObject)]
pub struct WorkerOptions {
    /// Queues and their weights.
    queues: Vec<(String, u32)>,
    /// The task types that there are handlers for.
    tasks: Vec<String>,
    concurrency: usize,
    grace: f64,
    cancel_grace: f64,
    poll: f64,
    fleet: bool,
    /// What Python wants to be told of that became of tasks.
    events: Vec<String>,
}

/// What Python is told.
enum Letter {
    Start(Job),
    /// Somebody asked to cancel it.
    Cancel(u64),
    /// Nobody waits for its answer any more.
    Stop(u64),
    Event(Event),
    Log(Line),
    /// Nothing: it asks whether Python still reads its letters.
    Ping,
}

/// Everything that Python is to know now.
#[pyclass(frozen, get_all, module = "oq._oq")]
pub struct Letters {
    /// Attempts to start.
    jobs: Vec<Py<Job>>,
    /// Numbers of attempts that somebody asked to cancel.
    cancel: Vec<u64>,
    /// Numbers of attempts for whose answer nobody waits any more.
    stop: Vec<u64>,
    /// What became of tasks.
    events: Vec<Py<Event>>,
    /// What the core logged.
    logs: Vec<Line>,
    /// For how many seconds the oldest has been there.
    waited: f64,
    /// The tasks that ran while it was there, if that was long.
    meanwhile: Vec<String>,
}

struct Shared {
    letters: Mailbox<Letter>,
    silence: Silence,
    numbers: AtomicU64,
    stop: CancellationToken,
}

impl Shared {
    /// Sees to it that Python reads its letters; never ends.
    async fn watch(&self) -> Infallible {
        let env = Env::system();
        loop {
            env.sleep(silence::LOOK).await;
            match self.letters.waiting() {
                None => self.letters.put(Letter::Ping),
                Some(waiting) => self.silence.lasts(waiting),
            }
        }
    }
}

impl Listener for Shared {
    fn hear(&self, line: Line) {
        self.letters.put(Letter::Log(line));
    }
}

/// A worker of the core, with Python's handlers.
#[pyclass(frozen, module = "oq._oq")]
pub struct Worker {
    shared: Arc<Shared>,
    store: Arc<Store>,
    options: Arc<WorkerOptions>,
    running: Mutex<bool>,
}

impl Worker {
    /// The core's worker, with Python's handlers.
    pub fn build(&self) -> impl Future<Output = Result<worker::Worker>> + Send + use<> {
        let (shared, store) = (self.shared.clone(), self.store.clone());
        let options = self.options.clone();
        async move { build(&shared, &store, &options).await }
    }

    /// A worker that does not run yet.
    pub fn new(store: Arc<Store>, options: WorkerOptions) -> Result<Worker> {
        let shared = Shared {
            letters: Mailbox::new()?,
            silence: Silence::default(),
            numbers: AtomicU64::new(0),
            stop: CancellationToken::new(),
        };
        let shared = Arc::new(shared);
        let listener: Weak<dyn Listener> = Arc::downgrade(&(shared.clone() as Arc<dyn Listener>));
        listen(listener);
        Ok(Worker {
            shared,
            store,
            options: Arc::new(options),
            running: Mutex::new(false),
        })
    }
}

#[pymethods]
impl Worker {
    /// The descriptor that becomes readable when there are letters.
    fn fileno(&self) -> i32 {
        self.shared.letters.fileno()
    }

    /// Everything that came since the last call.
    fn letters(&self, py: Python<'_>) -> PyResult<Letters> {
        let (letters, waited) = self.shared.letters.take();
        let mut sorted = Letters {
            jobs: Vec::with_capacity(letters.len()),
            cancel: Vec::new(),
            stop: Vec::new(),
            events: Vec::new(),
            logs: Vec::new(),
            waited,
            meanwhile: self.shared.silence.ends(),
        };
        for letter in letters {
            match letter {
                Letter::Start(job) => {
                    self.shared.silence.taken(job.number);
                    sorted.jobs.push(Py::new(py, job)?);
                }
                Letter::Cancel(number) => sorted.cancel.push(number),
                Letter::Stop(number) => sorted.stop.push(number),
                Letter::Event(event) => sorted.events.push(Py::new(py, event)?),
                Letter::Log(line) => sorted.logs.push(line),
                Letter::Ping => {}
            }
        }
        Ok(sorted)
    }

    /// Works until it is told to stop; the answer comes when everything is finished or given back.
    fn run(&self, py: Python<'_>) -> PyResult<Request> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *running, true) {
            let twice = Error::Unusable("this worker was started before".into());
            return Err(raise(py, twice));
        }
        let (shared, store) = (self.shared.clone(), self.store.clone());
        let options = self.options.clone();
        Ok(Request::new(async move {
            let worker = build(&shared, &store, &options).await?;
            let stop = shared.stop.clone();
            // A task of its own: nobody who stops waiting for it stops it.
            let work = runtime()?.spawn(async move {
                tokio::select! {
                    ended = worker.run(stop.cancelled_owned()) => ended,
                    never = shared.watch() => match never {},
                }
            });
            let ended = |e| Error::Unusable(format!("a defect of oq: the worker ended: {e}"));
            work.await.map_err(ended)?
        }))
    }

    /// Runs what is due and returns; the answer is what it did, as a JSON text, and the code of the
    /// error if the store kept failing.
    #[pyo3(signature = (within=None))]
    fn drain(&self, py: Python<'_>, within: Option<f64>) -> PyResult<Request> {
        let within = within.map(|s| seconds("time to drain", s)).transpose();
        let within = within.map_err(|e| raise(py, e))?;
        let (shared, store) = (self.shared.clone(), self.store.clone());
        let options = self.options.clone();
        Ok(Request::new(async move {
            let worker = build(&shared, &store, &options).await?;
            let mut how = Drain::all();
            if let Some(within) = within {
                how = how.within(within);
            }
            let stop = shared.stop.clone();
            let drained = tokio::select! {
                drained = worker.drain_until(how, stop.cancelled_owned()) => drained?,
                never = shared.watch() => match never {},
            };
            let text = serde_json::to_string(&drained)
                .map_err(|e| Error::Unusable(format!("a defect of oq: {e}")))?;
            Ok((text, drained.error.map(|error| error.code())))
        }))
    }

    /// Tells it to stop: nothing more is claimed, and what runs may go on for the grace period.
    fn stop(&self) {
        self.shared.stop.cancel();
    }
}

async fn build(
    shared: &Arc<Shared>,
    store: &Store,
    options: &WorkerOptions,
) -> Result<worker::Worker> {
    let mut builder = worker::Worker::builder()
        .concurrency(options.concurrency)
        .grace(seconds("grace", options.grace)?)
        .cancel_grace(seconds("cancel_grace", options.cancel_grace)?)
        .poll(seconds("poll", options.poll)?)
        .fleet(options.fleet);
    for (name, weight) in &options.queues {
        builder = builder.weighted_queue(&store.queue(name).await?, *weight);
    }
    for task in &options.tasks {
        let shared = shared.clone();
        builder = builder.json_handler(task, move |context, input| {
            attempt(shared.clone(), context, input)
        });
    }
    let (letters, wanted) = (shared.clone(), options.events.clone());
    builder = builder.on_event(move |event| {
        let is_wanted = |what: &str| wanted.iter().any(|wanted| wanted == what);
        if Event::what(event).is_some_and(is_wanted)
            && let Some(event) = Event::of(event)
        {
            letters.letters.put(Letter::Event(event));
        }
    });
    builder.build()
}

/// Hands an attempt to Python and waits for its answer.
async fn attempt(
    shared: Arc<Shared>,
    context: Context,
    input: Json,
) -> std::result::Result<Json, TaskError> {
    let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
    let (job, mut answer) = Job::new(number, context.clone(), input);
    shared.silence.given(number, context.task_type().clone());
    shared.letters.put(Letter::Start(job));
    let mut waiting = Waiting {
        shared: &shared,
        number,
        answered: false,
    };
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered,
        () = context.cancelled() => {
            shared.letters.put(Letter::Cancel(number));
            answer.await
        }
    };
    waiting.answered = true;
    let unanswered = |_| TaskError::of_kind("lost", "its worker's Python side gave no answer");
    let output = answered.map_err(unanswered)??;
    Json::parse(output).map_err(|e| TaskError::of_kind("result", e).into_fatal())
}

/// Tells Python when nobody waits for an attempt any more: its time is over, its lease was lost, or
/// the worker ends.
struct Waiting<'a> {
    shared: &'a Shared,
    number: u64,
    answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.silence.over(self.number);
        if !self.answered {
            self.shared.letters.put(Letter::Stop(self.number));
        }
    }
}
