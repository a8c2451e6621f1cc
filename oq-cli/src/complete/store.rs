//! What a store has to offer to somebody who types: at most a few requests, at most a second.

use std::path::Path;
use std::time::Duration;

use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::queue::{DEFAULT_QUEUE, Filter, Listed, Queue, names};
use oq_core::record::{Key, QueueName, prefix};
use oq_core::store::{List, open};

use crate::args::GlobalArgs;
use crate::config::Layers;

/// After this time there are no candidates.
const LIMIT: Duration = Duration::from_secs(1);

/// So many ids are offered at most, of live tasks and of those that are over.
const IDS: u16 = 200;

/// The queues of the store: 1 LIST.
pub fn queues(said: &GlobalArgs) -> Vec<String> {
    ask(said, |root, _| async move {
        let names = names(&root).await?;
        Ok(names.iter().map(|name| name.to_string()).collect())
    })
}

/// So many tasks are read for their types where no worker is present.
const READ: usize = 20;

/// The types that workers of the queue run: 2 GET, 1 LIST, and 1 GET for each worker. If there are none,
/// those of some tasks: 1 LIST and 20 GET.
pub fn types(said: &GlobalArgs) -> Vec<String> {
    ask(said, |root, queue| async move {
        let queue = Queue::open_existing(root, queue).await?;
        let workers = queue.workers().await?;
        let types = workers.iter().filter_map(|worker| worker.types());
        let mut types: Vec<String> = types.flatten().map(str::to_owned).collect();
        if types.is_empty() {
            let mut tasks = queue.list(Filter::new())?;
            while types.len() < READ
                && let Some(listed) = tasks.next().await?
            {
                if let Listed::Task(view) = listed {
                    types.push(view.task_type.to_string());
                }
            }
        }
        Ok(types)
    })
}

/// Ids of the queue's tasks: 2 LIST.
pub fn ids(said: &GlobalArgs) -> Vec<String> {
    ask(said, |root, queue| async move {
        let mut ids = Vec::new();
        for prefix in [prefix::live(&queue), prefix::done(&queue)] {
            let page = root.list(&List::prefix(prefix).limit(IDS)).await?.value;
            for entry in &page.entries {
                if let Some(Key::Live(_, id) | Key::Done(_, id)) = Key::parse(entry.key.as_str()) {
                    ids.push(id.task(0).to_string());
                }
            }
        }
        Ok(ids)
    })
}

fn ask<F, Fut>(said: &GlobalArgs, ask: F) -> Vec<String>
where
    F: FnOnce(Root, QueueName) -> Fut,
    Fut: Future<Output = oq_core::Result<Vec<String>>>,
{
    answers(said, ask).unwrap_or_default()
}

fn answers<F, Fut>(said: &GlobalArgs, ask: F) -> Option<Vec<String>>
where
    F: FnOnce(Root, QueueName) -> Fut,
    Fut: Future<Output = oq_core::Result<Vec<String>>>,
{
    let layers = Layers::of_machine(said).ok()?;
    layers.checked().ok()?;
    let text = |name: &str| layers.value(name).map(|value| value.text.clone());
    let url = text("url")?;
    // Asking must not make a file.
    if let Some(path) = url.strip_prefix("sqlite:")
        && !Path::new(path).is_file()
    {
        return None;
    }
    let queue = text("queue").unwrap_or_else(|| DEFAULT_QUEUE.to_owned());
    let queue = queue.parse().ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let env = Env::system();
    let found = runtime.block_on(async {
        let asked = async {
            let root = Root::new(open(&url).await?, env.clone());
            ask(root, queue).await
        };
        env.within(LIMIT, asked).await
    });
    runtime.shutdown_background();
    found?.ok()
}
