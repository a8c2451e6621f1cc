//! The producer's side: submit tasks, look them up, wait for them, list, cancel, try again; and the
//! settings of a queue.

mod cancel;
mod cancel_ids;
mod dead;
mod drain;
mod filter;
mod find;
mod get;
mod groups;
mod list;
mod many;
mod names;
mod purge;
mod retry;
mod settings;
mod skip;
mod spec;
mod stats;
mod submit;
mod tail;
mod task;
mod view;
mod why;
mod workers;

use std::sync::{Arc, Mutex};

pub use cancel::{Cancelled, CancelledMany};
pub use dead::{DeadGroup, DeadLetter, DeadLetters, group_dead};
pub use drain::{Draining, Left};
pub use filter::Filter;
pub use find::MIN_ID_PREFIX;
pub use list::{Listed, Listing};
pub use many::{Batch, DEFAULT_IN_FLIGHT, SubmitMany, Summary};
pub use names::names;
pub use purge::Purged;
pub use spec::{Moment, RetrySpec, Span, TaskSpec};
pub use stats::Stats;
pub use submit::Submitted;
pub use tail::{Cursor, Happened, Subject, Tail, TailEvent, Told, Watch};
pub use task::{DEFAULT_KEY_WINDOW, MAX_KEY, MAX_NESTING, Task};
pub use view::{TaskState, TaskView};
pub use why::WhyWaits;
pub use workers::WorkerView;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::metric::{self, Metric};
use crate::protocol::Root;
use crate::protocol::bell::{Ringer, bump_view};
use crate::protocol::payload::{DEFAULT_INLINE, MAX_INLINE};
use crate::protocol::write::{Settled, create, read};
use crate::record::{Format, Key, ObjectId, QueueName, V1};
use crate::store::{self, List, Requests};

/// The queue that a program uses which names none.
pub const DEFAULT_QUEUE: &str = "default";

/// One queue of a store, seen by a program that submits and looks up tasks. Cheap to clone.
///
/// ```
/// use oq_core::queue::{Queue, Task};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> oq_core::Result<()> {
/// let queue = Queue::connect("memory:").await?;
/// let task = queue.submit(Task::new("resize", "cat.png")?).await?;
/// println!("{} is {}", task.id, queue.get(task.id).await?.state);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Queue {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: Root,
    name: QueueName,
    /// The name as a metric's label.
    label: Arc<str>,
    /// Longer inputs get an object of their own.
    inline: usize,
    settings: Mutex<settings::Cached>,
    /// Held while the settings are read again.
    refreshing: tokio::sync::Mutex<()>,
    ringer: Ringer,
    rings: bool,
}

impl Queue {
    /// Opens the store that a URL names (`memory:`, `sqlite:path`, `s3://bucket/prefix`) and the
    /// queue `default` in it.
    pub async fn connect(url: &str) -> Result<Queue> {
        let root = Root::new(store::open(url).await?, Env::system());
        Queue::open(root, QueueName::new(DEFAULT_QUEUE)?).await
    }

    /// The same for programs that only look things up: nothing is made or written. Fails with
    /// [`Error::Unusable`] if there is no store of oq at this URL, which is what a mistyped path or
    /// prefix looks like.
    ///
    /// ```
    /// # use oq_core::queue::Queue;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = Queue::connect_existing("sqlite:no-such.db").await.unwrap_err();
    /// assert!(error.to_string().contains("no oq store there"));
    /// assert!(!std::path::Path::new("no-such.db").exists());
    /// # }
    /// ```
    pub async fn connect_existing(url: &str) -> Result<Queue> {
        let root = Root::new(store::open_existing(url).await?, Env::system());
        Queue::open_existing(root, QueueName::new(DEFAULT_QUEUE)?).await
    }

    /// A queue in an opened store that must be one of oq's already: nothing is written.
    pub async fn open_existing(root: Root, name: QueueName) -> Result<Queue> {
        if read::<Format>(&root, &Key::Format).await?.is_none() {
            return Err(Error::Unusable(
                "there is no oq store there (no object oq.json); correct the URL, or submit a \
                 task, which makes it"
                    .into(),
            ));
        }
        Queue::with(root, name, DEFAULT_INLINE, true).await
    }

    /// A queue in an opened store: checks or writes the mark `oq.json` and reads the settings,
    /// which also tells the store's time.
    pub async fn open(root: Root, name: QueueName) -> Result<Queue> {
        check_format(&root).await?;
        Queue::with(root, name, DEFAULT_INLINE, true).await
    }

    /// Another queue of the same store.
    ///
    /// ```
    /// # use oq_core::queue::Queue;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let mail = queue.named("mail").await?;
    /// assert_eq!(mail.name().as_str(), "mail");
    /// assert!(queue.named("../mail").await.is_err());
    /// # Ok(()) }
    /// ```
    pub async fn named(&self, name: &str) -> Result<Queue> {
        let name = QueueName::new(name)?;
        self.like(name, self.inner.inline, self.inner.rings).await
    }

    /// The same queue, but submissions ring no bell: for queues whose workers are started by events
    /// of the bucket. It saves 1 GET + 1 PUT for up to half a second of submissions; workers that
    /// stay find such tasks up to 15 s later.
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?.silent().await?;
    /// let before = queue.requests();
    /// queue.submit(Task::new("resize", "cat.png")?).await?;
    /// queue.flush().await;
    /// assert_eq!((queue.requests() - before).total(), 1);
    /// # Ok(()) }
    /// ```
    pub async fn silent(&self) -> Result<Queue> {
        self.like(self.inner.name.clone(), self.inner.inline, false)
            .await
    }

    /// The same queue, but inputs longer than this many bytes get an object of their own; 128 KiB
    /// unless set, at most 4 MiB.
    pub async fn inline_up_to(&self, bytes: usize) -> Result<Queue> {
        if bytes > MAX_INLINE {
            return Err(Error::invalid(
                format!("inputs of {bytes} bytes in their record"),
                format!("use at most {MAX_INLINE}"),
            ));
        }
        self.like(self.inner.name.clone(), bytes, self.inner.rings)
            .await
    }

    /// A queue of the same store; of this one the settings are known.
    async fn like(&self, name: QueueName, inline: usize, rings: bool) -> Result<Queue> {
        let settings = match name == self.inner.name {
            true => self.cached(),
            false => settings::Cached::read(self.root(), &name).await?,
        };
        let root = self.inner.root.clone();
        Ok(Queue::of(root, name, inline, rings, settings))
    }

    async fn with(root: Root, name: QueueName, inline: usize, rings: bool) -> Result<Queue> {
        metric::describe();
        let settings = settings::Cached::read(&root, &name).await?;
        Ok(Queue::of(root, name, inline, rings, settings))
    }

    fn of(
        root: Root,
        name: QueueName,
        inline: usize,
        rings: bool,
        settings: settings::Cached,
    ) -> Queue {
        Queue {
            inner: Arc::new(Inner {
                label: name.as_str().into(),
                inline,
                rings,
                settings: Mutex::new(settings),
                refreshing: tokio::sync::Mutex::default(),
                ringer: Ringer::new(root.clone(), name.clone()),
                root,
                name,
            }),
        }
    }

    /// Its name.
    pub fn name(&self) -> &QueueName {
        &self.inner.name
    }

    /// Whether anything was ever written for it. Nothing is asked if it had settings when they were read
    /// last, else 1 LIST.
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let mail = Queue::connect("memory:").await?.named("mail").await?;
    /// assert!(!mail.exists().await?);
    /// mail.submit(Task::new("welcome", "a@x.io")?).await?;
    /// assert!(mail.exists().await?);
    /// # Ok(()) }
    /// ```
    pub async fn exists(&self) -> Result<bool> {
        if self.cached().is_written() {
            return Ok(true);
        }
        let list = List::prefix(format!("{}/", self.name())).limit(1);
        Ok(!self.root().list(&list).await?.value.entries.is_empty())
    }

    /// The store it is in.
    pub fn root(&self) -> &Root {
        &self.inner.root
    }

    /// The requests made so far by this queue and by all others of the same [`Root`], which are those
    /// that came of it by [`Queue::named`] and its like, and the workers that were given one of them.
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task};
    /// # use oq_core::store::Prices;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// let before = queue.requests();
    /// queue.submit(Task::new("resize", "cat.png")?).await?;
    /// let used = queue.requests() - before;
    /// println!("{} requests, ${}", used.total(), used.cost(&Prices::S3_STANDARD));
    /// # Ok(()) }
    /// ```
    pub fn requests(&self) -> Requests {
        self.root().requests()
    }

    /// Tells the owner of its shard of a new object, in the background. Lost rings are found by
    /// sweeps.
    fn ring(&self, id: ObjectId) {
        if self.inner.rings {
            self.inner.ringer.announce(id);
        }
    }

    /// Tells workers that the settings changed; if that fails they look by themselves later.
    async fn bump(&self) {
        if let Err(e) = bump_view(self.root(), self.name()).await {
            tracing::debug!(queue = %self.name(), error = %e, "the bell could not be told of new settings");
        }
    }

    /// Waits until what goes on in the background is done; call it before the program ends.
    /// Otherwise workers may notice the last tasks up to 15 s later.
    ///
    /// ```
    /// # use oq_core::queue::{Queue, Task};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> oq_core::Result<()> {
    /// let queue = Queue::connect("memory:").await?;
    /// queue.submit(Task::new("resize", "cat.png")?).await?;
    /// queue.flush().await;
    /// # Ok(()) }
    /// ```
    pub async fn flush(&self) {
        self.inner.ringer.flush().await;
    }

    /// Counts into a metric of this queue; free when no recorder is installed.
    fn count(&self, metric: Metric, n: u64) {
        metrics::counter!(metric.name, "queue" => self.inner.label.clone()).increment(n);
    }
}

/// A root that another program marked is used as it is; a new one gets its mark.
async fn check_format(root: &Root) -> Result<()> {
    if read::<Format>(root, &Key::Format).await?.is_some() {
        return Ok(());
    }
    let make = |write| Format {
        v: V1,
        write,
        extra: Default::default(),
    };
    match create(root, &Key::Format, make).await? {
        Settled::Won { .. } => Ok(()),
        // Others connect for the first time too; what they wrote must be readable.
        Settled::Lost(_) => read::<Format>(root, &Key::Format).await.map(|_| ()),
        Settled::Doubt => Err(Error::Unavailable("no answer to the first write".into())),
    }
}

#[cfg(test)]
mod tests;
