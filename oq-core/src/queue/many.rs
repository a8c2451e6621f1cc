//! Submitting many tasks: packed into objects, several objects at a time, from a stream.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use futures::future::FutureExt;
use futures::stream::{FuturesUnordered, Stream, StreamExt};

use super::Queue;
use super::groups::{Groups, Pack};
use super::task::Task;
use crate::env::{BoxFuture, Mono};
use crate::error::{Error, Result};
use crate::record::{MAX_PACK, TaskId};

/// How many objects are being written at a time, unless set otherwise.
pub const DEFAULT_IN_FLIGHT: usize = 32;

/// More is of no use to any store.
const MAX_IN_FLIGHT: usize = 10_000;

/// Objects that are being written hold no more bytes of inputs than this, whatever their number; a
/// single one may. While one is written there are a few copies of it.
const IN_FLIGHT_BYTES: usize = 64 << 20;

/// How long tasks wait for others to be packed with when the stream has none to give…
const LINGER: Duration = Duration::from_millis(100);

/// …and while it gives them slowly.
const LONGEST_LINGER: Duration = Duration::from_secs(1);

/// What became of some of the tasks of a stream.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Their places in the stream, counted from 0; none in an error about the whole submission.
    pub places: Vec<u64>,
    /// Their ids, in the same order; or why they have none. [`Error::InDoubt`] names the ids that
    /// they have if they were accepted; after any other error they were not and never will be.
    pub ids: Result<Vec<TaskId>>,
    /// They were there already, under their key.
    pub existing: bool,
}

/// What became of all the tasks of a stream.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How many were accepted.
    pub accepted: u64,
    /// How many were there already, under their key.
    pub existing: u64,
    /// How many were not accepted, of those that were read from the stream.
    pub failed: u64,
    /// The tasks whose answer was lost: look them up.
    pub in_doubt: Vec<TaskId>,
    /// The first error. Unless it is about one task ([`Error::Invalid`]) or in doubt, the rest of
    /// the stream was not read; nor was anything if the submission itself was not acceptable.
    pub error: Option<Error>,
}

impl Summary {
    /// Whether every task was accepted or there already.
    pub fn is_complete(&self) -> bool {
        self.error.is_none()
    }

    /// Adds what became of a batch.
    pub fn add(&mut self, batch: &Batch) {
        let n = batch.places.len() as u64;
        match &batch.ids {
            Ok(_) if batch.existing => self.existing += n,
            Ok(_) => self.accepted += n,
            Err(Error::InDoubt { ids }) => self.in_doubt.extend(ids),
            Err(_) => self.failed += n,
        }
        if let (Err(e), None) = (&batch.ids, &self.error) {
            self.error = Some(e.clone());
        }
    }
}

/// A submission of many tasks. It does something only while [`SubmitMany::next`],
/// [`SubmitMany::run`] or [`SubmitMany::ids`] is awaited; when it is dropped before its end, the
/// objects being written are in doubt.
pub struct SubmitMany<'a> {
    queue: Queue,
    tasks: Pin<Box<dyn Stream<Item = Task> + Send + 'a>>,
    in_flight: usize,
    read: u64,
    /// The stream has ended, or is not read any further.
    ended: bool,
    /// The store failed: nothing more is sent.
    broken: Option<Error>,
    groups: Groups,
    /// Since when there is something in the groups.
    waiting: Option<Mono>,
    ready: VecDeque<Pack>,
    writing: FuturesUnordered<BoxFuture<'static, (usize, Batch)>>,
    /// How many bytes of inputs are being written.
    writing_bytes: usize,
    refused: VecDeque<Batch>,
}

impl Queue {
    /// Submits many tasks, packed: tasks of the same type, options, priority and due time share an
    /// object, which is written, claimed and finished as one. A million tasks are written in ten
    /// thousand PUT; they are read from the iterator as they are needed.
    ///
    /// Tasks with a key are never packed. The tasks of a pack run on one worker, so small numbers
    /// are spread over more objects than would be needed (see [`SubmitMany::pack`]).
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let tasks = (0..10_000).map(|n| Task::new("resize", &n).unwrap());
    /// let summary = queue.submit_many(tasks).run().await;
    /// assert!(summary.is_complete());
    /// assert_eq!(summary.accepted, 10_000);
    /// # Ok(()) }
    /// ```
    pub fn submit_many<'a, I>(&self, tasks: I) -> SubmitMany<'a>
    where
        I: IntoIterator<Item = Task>,
        I::IntoIter: Send + 'a,
    {
        self.submit_stream(futures::stream::iter(tasks))
    }

    /// The same from a stream. When the stream has nothing to give for 100 ms, what was read is
    /// submitted.
    pub fn submit_stream<'a>(&self, tasks: impl Stream<Item = Task> + Send + 'a) -> SubmitMany<'a> {
        SubmitMany {
            queue: self.clone(),
            tasks: Box::pin(tasks),
            in_flight: DEFAULT_IN_FLIGHT,
            read: 0,
            ended: false,
            broken: None,
            groups: Groups::new(),
            waiting: None,
            ready: VecDeque::new(),
            writing: FuturesUnordered::new(),
            writing_bytes: 0,
            refused: VecDeque::new(),
        }
    }
}

impl SubmitMany<'_> {
    /// How many tasks an object holds at most, 1 to 1024. Another number is an error: nothing is read
    /// or sent then.
    ///
    /// Unless set: up to 100 tasks and 64 KiB of inputs, and fewer when there are few tasks in
    /// all: about a thirty-second of them, at least eight.
    pub fn pack(mut self, tasks: usize) -> Self {
        if (1..=MAX_PACK).contains(&tasks) {
            self.groups.fix(tasks);
            return self;
        }
        self.mistaken(
            format!("a pack of {tasks} tasks"),
            format!("use 1 to {MAX_PACK}"),
        )
    }

    /// How many objects are written at a time, 1 to 10,000; 32 unless set, and fewer where their
    /// inputs have more than 64 MiB together. Another number is an error: nothing is read or sent
    /// then.
    pub fn in_flight(mut self, objects: usize) -> Self {
        if (1..=MAX_IN_FLIGHT).contains(&objects) {
            self.in_flight = objects;
            return self;
        }
        self.mistaken(
            format!("{objects} objects written at a time"),
            format!("use 1 to {MAX_IN_FLIGHT}"),
        )
    }

    fn mistaken(mut self, what: String, why: String) -> Self {
        self.ended = true;
        self.refused.push_back(Batch {
            places: Vec::new(),
            ids: Err(Error::invalid(what, why)),
            existing: false,
        });
        self
    }

    /// What became of the next tasks, in the order of the answers; `None` at the end.
    ///
    /// A task that is not acceptable is reported and the others go on. When the store fails
    /// nothing more is read or sent; what was read is still reported, each task exactly once.
    pub async fn next(&mut self) -> Option<Batch> {
        loop {
            if let Some(batch) = self.refused.pop_front() {
                return Some(batch);
            }
            if let Some(e) = self.broken.clone() {
                self.groups.close(&mut self.ready);
                if let Some(pack) = self.ready.pop_front() {
                    return Some(Batch {
                        places: pack.places,
                        ids: Err(e),
                        existing: false,
                    });
                }
            }
            while self.has_room()
                && let Some(pack) = self.ready.pop_front()
            {
                let (queue, bytes) = (self.queue.clone(), pack.bytes());
                self.writing_bytes += bytes;
                self.writing
                    .push(Box::pin(async move { (bytes, write(queue, pack).await) }));
            }
            if self.is_over() {
                return None;
            }
            // What is there already is taken without setting up a timer for each.
            while self.may_read()
                && let Some(task) = self.tasks.next().now_or_never()
            {
                self.take(task);
            }
            let room = self.may_read();
            // What was read just now may be sent or reported before there is anything to wait for.
            let can_write = !self.ready.is_empty() && self.has_room();
            if can_write || !self.refused.is_empty() || self.is_over() {
                continue;
            }
            let linger = self.linger();
            tokio::select! {
                biased;
                Some((bytes, batch)) = self.writing.next(), if !self.writing.is_empty() => {
                    self.writing_bytes -= bytes;
                    if let Err(e) = &batch.ids && stops(e) {
                        self.broken = Some(e.clone());
                        self.ended = true;
                    }
                    return Some(batch);
                }
                task = self.tasks.next(), if room => self.take(task),
                () = linger, if room && self.waiting.is_some() => {
                    self.groups.close(&mut self.ready);
                    self.waiting = None;
                }
            }
        }
    }

    /// Whether the next pack may be sent: not too many objects, and not too many bytes.
    fn has_room(&self) -> bool {
        let next = self.ready.front().map_or(0, Pack::bytes);
        let fits = self.writing.is_empty() || self.writing_bytes + next <= IN_FLIGHT_BYTES;
        self.writing.len() < self.in_flight && fits
    }

    fn is_over(&self) -> bool {
        let unsent = self.groups.is_empty() && self.ready.is_empty() && self.refused.is_empty();
        self.ended && unsent && self.writing.is_empty()
    }

    /// Nothing more is read while there are packs to be sent or refusals to be reported.
    fn may_read(&self) -> bool {
        !self.ended && self.ready.is_empty() && self.refused.is_empty()
    }

    fn linger(&self) -> BoxFuture<'static, ()> {
        let env = self.queue.root().env();
        let waited = self
            .waiting
            .map_or(Duration::ZERO, |at| env.now().since(at));
        env.clock
            .sleep(LINGER.min(LONGEST_LINGER.saturating_sub(waited)))
    }

    fn take(&mut self, task: Option<Task>) {
        let Some(task) = task else {
            self.ended = true;
            self.groups.close(&mut self.ready);
            return;
        };
        let place = self.read;
        self.read += 1;
        match task.check() {
            Ok(()) => self.groups.add(place, task, &mut self.ready),
            Err(e) => self.refused.push_back(Batch {
                places: vec![place],
                ids: Err(e),
                existing: false,
            }),
        }
        if self.groups.is_empty() {
            self.waiting = None;
        } else if self.waiting.is_none() {
            self.waiting = Some(self.queue.root().env().now());
        }
    }

    /// Submits them all. Whatever fails, what was accepted is counted.
    pub async fn run(self) -> Summary {
        self.run_with(|_| {}).await
    }

    /// The same, and shows each batch on the way, for progress or for its ids.
    pub async fn run_with(mut self, mut each: impl FnMut(&Batch)) -> Summary {
        let mut summary = Summary::default();
        while let Some(batch) = self.next().await {
            summary.add(&batch);
            each(&batch);
        }
        summary
    }

    /// Submits them all and returns their ids in the order of the tasks, or the first error. For
    /// numbers that fit in memory.
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let tasks = [Task::new("resize", "a.png")?, Task::new("resize", "b.png")?];
    /// let ids = queue.submit_many(tasks).ids().await?;
    /// assert_eq!(ids.len(), 2);
    /// # Ok(()) }
    /// ```
    pub async fn ids(self) -> Result<Vec<TaskId>> {
        let mut ids: Vec<(u64, TaskId)> = Vec::new();
        let summary = self
            .run_with(|batch| {
                if let Ok(batch_ids) = &batch.ids {
                    ids.extend(batch.places.iter().copied().zip(batch_ids.iter().copied()));
                }
            })
            .await;
        if let Some(e) = summary.error {
            return Err(e);
        }
        ids.sort_unstable();
        Ok(ids.into_iter().map(|(_, id)| id).collect())
    }

    /// The batches as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Batch> {
        futures::stream::unfold(self, |mut many| async move {
            let batch = many.next().await?;
            Some((batch, many))
        })
    }
}

impl std::fmt::Debug for SubmitMany<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubmitMany")
            .field("queue", self.queue.name())
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

/// Whether the next tasks would meet the same error. A lost answer is one object's bad luck.
fn stops(e: &Error) -> bool {
    !matches!(
        e,
        Error::Invalid { .. }
            | Error::InDoubt { .. }
            | Error::Conflict(_)
            | Error::Unreadable { .. }
    )
}

async fn write(queue: Queue, pack: Pack) -> Batch {
    let Pack { places, tasks } = pack;
    let (ids, existing) = match queue.put_pack(tasks).await {
        Ok((ids, existing)) => (Ok(ids), existing),
        Err(e) => (Err(e), false),
    };
    Batch {
        places,
        ids,
        existing,
    }
}

impl Queue {
    /// Writes tasks that may share an object as one.
    async fn put_pack(&self, mut tasks: Vec<Task>) -> Result<(Vec<TaskId>, bool)> {
        if tasks.len() == 1
            && tasks.first().is_some_and(Task::is_keyed)
            && let Some(task) = tasks.pop()
        {
            let submitted = self.submit(task).await?;
            return Ok((vec![submitted.id], submitted.existing));
        }
        let Some(first) = tasks.first() else {
            return Ok((Vec::new(), false));
        };
        let settings = self.current().await;
        let (draft, due) = first.shape.resolve(&settings, self.submit_time())?;
        let shared: Vec<&Task> = tasks.iter().collect();
        let id = self.put(&settings, &draft, due, &shared, None).await?;
        self.accepted(id, due);
        Ok((id.tasks().collect(), false))
    }
}
