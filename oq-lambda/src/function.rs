//! A function: from the document of an invocation to its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use oq_core::record::{MIN_LEASE, QueueName, TaskType};
use oq_core::worker::{Drain, Drained, Lead, LeadEnd, Stopped};
use oq_core::{Queue, Worker};

use crate::answer::{Answer, Failed, Report};
use crate::event::{DrainRequest, Event, Message, Source, What};
use crate::failures::{self, By};
use crate::http::{self, DEFAULT_MAX_BODY, Reply, Rules};
use crate::leads::{Asked, Ignored, asked};
use crate::repeat;
use crate::submit::Submit;
use crate::thaw::Thaw;
use crate::watch::Watch;

/// Kept back for the answer.
const RESERVE: Duration = Duration::from_millis(500);

/// With less nothing could be run.
pub const LEAST: Duration = Drain::LEAST.saturating_add(RESERVE);

/// A task whose event came later than this was not alone: there may be more to find.
const LATE: Duration = Duration::from_secs(10);

/// What becomes due so soon after its event is waited for.
const LINGER: Duration = Duration::from_secs(3);

/// A tick sweeps each shard with this chance: about once an hour with a tick a minute.
const SWEEP_ONE_IN: u64 = 60;

/// How much time an invocation has.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// Until it is stopped.
    pub left: Duration,
    /// Its deadline since 1970, by Lambda's clock, if that is known.
    pub deadline: Option<Duration>,
}

impl Time {
    /// So much is left.
    pub fn left(left: Duration) -> Time {
        Time {
            left,
            deadline: None,
        }
    }
}

/// A function on Lambda, or wherever its events come from.
///
/// ```
/// use std::time::Duration;
/// use oq_core::{Context, Queue, Task, TaskError, Worker};
/// use oq_lambda::Time;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let queue = Queue::connect("memory:").await?;
/// queue.submit(Task::new("double", &21)?).await?;
/// let worker = Worker::builder()
///     .queue(&queue)
///     .handler("double", |_: Context, n: i64| async move { Ok::<_, TaskError>(2 * n) })
///     .build()?;
/// let function = oq_lambda::handler(worker);
/// let answer = function.answer(r#"{ "drain": true }"#, Time::left(Duration::from_secs(60))).await?;
/// let answer = serde_json::to_value(answer)?;
/// assert_eq!((&answer["completed"], &answer["stopped"]), (&1.into(), &"empty".into()));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Function {
    worker: Option<Worker>,
    queue: Queue,
    rules: Option<Rules>,
    declared: BTreeMap<TaskType, Submit>,
    linger: Duration,
    thaw: Thaw,
    watch: Watch,
}

/// A function that runs the tasks of a worker's queues. It takes tasks by direct invocation, and by
/// HTTP after [`Function::open_to`].
///
/// # Panics
///
/// Never: a worker has a queue.
pub fn handler(worker: Worker) -> Function {
    #[allow(clippy::expect_used)] // `build` refuses a worker without a queue
    let queue = worker
        .queues()
        .next()
        .expect("a worker has a queue")
        .clone();
    Function::new(Some(worker.on_event(failures::log)), queue, None)
}

/// A function that only submits: by direct invocation, and by HTTP to this queue.
pub fn submitter(queue: Queue) -> Function {
    let rules = Rules {
        queues: vec![queue.name().clone()],
        max_body: DEFAULT_MAX_BODY,
    };
    Function::new(None, queue, Some(rules))
}

impl Function {
    fn new(worker: Option<Worker>, queue: Queue, rules: Option<Rules>) -> Function {
        Function {
            worker,
            queue,
            rules,
            declared: BTreeMap::new(),
            linger: LINGER,
            thaw: Thaw::default(),
            watch: Watch::default(),
        }
    }

    /// Takes tasks for these queues by HTTP, with bodies up to so many bytes.
    pub fn open_to(mut self, queues: impl IntoIterator<Item = QueueName>, max_body: usize) -> Self {
        self.rules = Some(Rules {
            queues: queues.into_iter().collect(),
            max_body,
        });
        self
    }

    /// Takes no tasks by HTTP.
    pub fn closed(mut self) -> Self {
        self.rules = None;
        self
    }

    /// What tasks of these types say where their events do not, whether they come directly or by HTTP:
    /// the queue, priority, timeout, lease, retry policy, expiry, retention and reschedules. Tasks of
    /// other types are as they come.
    pub fn declare(mut self, types: impl IntoIterator<Item = Submit>) -> Self {
        let types = types.into_iter();
        self.declared
            .extend(types.map(|submit| (submit.task.task_type.clone(), submit)));
        self
    }

    /// Waits so long for a task that an event tells of and that is not due yet, such as a second
    /// attempt; 3 s unless set. Waiting is time that Lambda bills; otherwise the schedule finds it.
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// Answers an invocation that ends at a time of day, as Lambda says it, since 1970, and that it knows
    /// by a request's id (see [`Function::answer_as`]); logs one line.
    ///
    /// # Errors
    ///
    /// As [`Function::answer`].
    pub async fn answer_by(
        &self,
        document: &str,
        deadline: Duration,
        request: Option<&str>,
    ) -> Result<Answer, Failed> {
        let time = self.watch.read(deadline);
        let answer = self.answer_as(document, time, request).await;
        match &answer {
            Ok(answer) => {
                let answer = serde_json::to_string(answer).unwrap_or_default();
                tracing::info!(answer, "answered");
            }
            Err(failed) => tracing::error!(code = failed.code(), error = %failed, "failed"),
        }
        answer
    }

    /// Answers an invocation.
    ///
    /// # Errors
    ///
    /// [`Failed`] where the invocation is to fail, so that Lambda repeats it or tells somebody.
    pub async fn answer(&self, document: &str, time: Time) -> Result<Answer, Failed> {
        self.answer_as(document, time, None).await
    }

    /// Answers an invocation that its sender knows by an id, and repeats under the same id if it fails:
    /// a task that it submits directly and without a key is accepted once for it.
    ///
    /// # Errors
    ///
    /// As [`Function::answer`].
    pub async fn answer_as(
        &self,
        document: &str,
        time: Time,
        request: Option<&str>,
    ) -> Result<Answer, Failed> {
        if let Some(deadline) = time.deadline {
            self.thaw.invoked(self.queue.root(), deadline);
        }
        let event = Event::read(document).map_err(|unknown| Failed::Event(unknown.0))?;
        match event {
            Event::Http(request) => Ok(Answer::Reply(match &self.rules {
                Some(rules) => {
                    let declared = |submit| self.declared(submit);
                    http::reply(&self.queue, rules, declared, &request).await
                }
                None => Reply::closed(),
            })),
            Event::Submit(submit) => {
                let submit = self.declared(*submit).once_for(request);
                Ok(Answer::Accepted(
                    failures::submit(&self.queue, submit, By::Event).await?,
                ))
            }
            Event::Tick => {
                let how = Drain::all().sweep_one_in(SWEEP_ONE_IN);
                self.drained(how, time).await
            }
            Event::Drain(request) => {
                let how = self.requested(request)?;
                self.drained(how, time).await
            }
            Event::Objects(source, messages) => self.objects(source, &messages, time).await,
        }
    }

    /// As it is submitted: with what its type declares.
    fn declared(&self, submit: Submit) -> Submit {
        match self.declared.get(&submit.task.task_type) {
            Some(declared) => submit.or(declared),
            None => submit,
        }
    }

    fn requested(&self, request: DrainRequest) -> Result<Drain, Failed> {
        let linger = request.linger();
        let mut how = match request.drain {
            What::All => Drain::all(),
            What::These(ids) => {
                let queues = request.queues.clone().unwrap_or_default();
                let queue = match queues.as_slice() {
                    [] => self.queue.name().clone(),
                    [queue] => queue.clone(),
                    _ => {
                        let why = "ids are of one queue: name one in \"queues\"";
                        return Err(Failed::Event(why.into()));
                    }
                };
                let lead = |id| Lead::new(queue.clone(), id);
                Drain::leads(ids.into_iter().map(lead))
            }
        };
        if let Some(queues) = request.queues {
            how = how.only(queues);
        }
        if let Some(tasks) = request.max_tasks {
            how = how.max_tasks(tasks);
        }
        Ok(how.linger(linger))
    }

    async fn drained(&self, how: Drain, time: Time) -> Result<Answer, Failed> {
        let drained = self.drain(how, time.left).await?;
        repeat::invocation(&drained)?;
        Ok(Answer::Drained(Box::new(Report::new(
            &drained,
            Ignored::default(),
        ))))
    }

    /// Runs a drain that ends in time.
    async fn drain(&self, how: Drain, left: Duration) -> Result<Drained, Failed> {
        let worker = self.worker.as_ref().ok_or(Failed::NoHandlers)?;
        if left < LEAST {
            return Err(Failed::TooShort(left.as_secs()));
        }
        let drained = worker.drain(how.within(left - RESERVE)).await?;
        tell_passed_over(&drained);
        Ok(drained)
    }

    /// Tries what notifications tell of; then looks for more if they came late.
    async fn objects(
        &self,
        source: Source,
        messages: &[Message],
        time: Time,
    ) -> Result<Answer, Failed> {
        let clock = self.queue.root().env();
        let began = clock.now();
        let asked = asked(messages, self.queue.root().store().place().as_ref());
        let elsewhere = Ignored {
            unreadable: 0,
            ..asked.ignored
        };
        if !elsewhere.is_none() {
            tracing::warn!(ignored = ?elsewhere, "notices of what is not a live object of this store; see the notification's filter");
        }
        let mut drained = Drained::default();
        if !asked.leads.is_empty() {
            let how = Drain::leads(asked.leads.clone()).linger(self.linger);
            drained = self.drain(how, time.left).await?;
            let left = time.left.saturating_sub(clock.now().since(began));
            if self.came_late(&asked, &drained) && left >= MIN_LEASE * 2 {
                drained = and(drained, self.drain(Drain::all(), left).await?);
            }
        }
        match source {
            Source::Sqs => Ok(Answer::Failures {
                failures: repeat::messages(&asked, &drained),
            }),
            Source::Whole => {
                // Repeating the event would not make them readable.
                for why in asked
                    .messages
                    .iter()
                    .filter_map(|(_, said)| said.as_ref().err())
                {
                    tracing::error!(%why, "a record cannot be read");
                }
                repeat::invocation(&drained)?;
                Ok(Answer::Drained(Box::new(Report::new(
                    &drained,
                    asked.ignored,
                ))))
            }
        }
    }

    /// Whether something was run whose event had been under way for long: there is a backlog.
    fn came_late(&self, asked: &Asked, drained: &Drained) -> bool {
        let now = self.queue.root().now();
        drained.stopped == Stopped::Empty
            && drained.leads.iter().any(|(lead, end)| {
                let written = asked.written.get(&(lead.queue.clone(), lead.id));
                *end == LeadEnd::Ran && written.is_some_and(|at| now.since(*at) > LATE)
            })
    }
}

/// What nobody here runs waits, and nothing else would say so.
fn tell_passed_over(drained: &Drained) {
    if !drained.no_handler.is_empty() {
        let types = &drained.no_handler;
        tracing::warn!(
            ?types,
            "tasks were left: this function has no handler for their types"
        );
    }
    let other = |(lead, end): &(Lead, LeadEnd)| match end {
        LeadEnd::OtherQueue => Some(lead.queue.clone()),
        _ => None,
    };
    let queues: BTreeSet<QueueName> = drained.leads.iter().filter_map(other).collect();
    if !queues.is_empty() {
        tracing::warn!(
            ?queues,
            "objects were left: this function does not take from their queues; see the notification's filter"
        );
    }
}

/// One report of two drains.
fn and(first: Drained, then: Drained) -> Drained {
    let mut both = then;
    both.claimed += first.claimed;
    both.taken_over += first.taken_over;
    both.repaired += first.repaired;
    both.completed += first.completed;
    both.failed += first.failed;
    both.cancelled += first.cancelled;
    both.expired += first.expired;
    both.retried += first.retried;
    both.rescheduled += first.rescheduled;
    both.released += first.released;
    both.lost += first.lost;
    both.unreadable += first.unreadable;
    both.errors += first.errors;
    // Both met the same objects.
    for (task_type, n) in first.no_handler {
        let most = both.no_handler.entry(task_type).or_default();
        *most = n.max(*most);
    }
    both.leads = first.leads;
    both
}
