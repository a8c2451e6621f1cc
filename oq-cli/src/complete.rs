//! Completion in the shell: words of the command line, and queues, types and ids from the store.
//!
//! A shell asks with every Tab, so nothing here takes longer than a second, makes more than a few
//! requests, says anything on stderr, or fails.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::queue::{Queue, names};
use oq_core::record::{Key, prefix};
use oq_core::store::{List, open};

use crate::args::{Args, GlobalArgs};
use crate::config::Layers;

/// The variable by which the shell's script asks.
pub const VARIABLE: &str = "OQ_COMPLETE";

/// After this time there are no candidates.
const LIMIT: Duration = Duration::from_secs(1);

/// So many ids are offered at most.
const IDS: u16 = 200;

/// Answers a shell that asks for completions; `false` if none does.
pub fn answered(args: &[OsString]) -> bool {
    if std::env::var_os(VARIABLE).is_none_or(|shell| shell.is_empty()) {
        return false;
    }
    let folder = std::env::current_dir().ok();
    let env = CompleteEnv::with_factory(Args::command).var(VARIABLE);
    // A shell of another kind, or one that hung up, gets nothing.
    let _none = env.try_complete(args.iter().cloned(), folder.as_deref());
    true
}

/// The queues of the store: 1 LIST.
pub fn queues() -> ArgValueCompleter {
    from_store(|root, _| async move {
        let names = names(&root).await?;
        Ok(names.iter().map(|name| name.to_string()).collect())
    })
}

/// The types that workers of the queue run: 2 GET, 1 LIST, and 1 GET for each worker.
pub fn types() -> ArgValueCompleter {
    from_store(|root, queue| async move {
        let queue = Queue::open(root, queue).await?;
        let workers = queue.workers().await?;
        let types = workers.iter().filter_map(|worker| worker.types());
        Ok(types.flatten().map(str::to_owned).collect())
    })
}

/// Ids of the queue's tasks, of live ones first: 2 LIST.
pub fn ids() -> ArgValueCompleter {
    from_store(|root, queue| async move {
        let mut ids = Vec::new();
        for prefix in [prefix::live(&queue), prefix::done(&queue)] {
            let page = root.list(&List::prefix(prefix).limit(IDS)).await?.value;
            ids.extend(page.entries.iter().filter_map(|entry| {
                match Key::parse(entry.key.as_str()) {
                    Some(Key::Live(_, id) | Key::Done(_, id)) => Some(id.task(0).to_string()),
                    _ => None,
                }
            }));
        }
        Ok(ids)
    })
}

fn from_store<F, Fut>(ask: F) -> ArgValueCompleter
where
    F: Fn(Root, oq_core::record::QueueName) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = oq_core::Result<Vec<String>>>,
{
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy().into_owned();
        let mut found = answers(ask.clone()).unwrap_or_default();
        found.sort_unstable();
        found.dedup();
        found.retain(|word| word.starts_with(&typed));
        found.into_iter().map(CompletionCandidate::new).collect()
    })
}

/// What the store that the line names has to offer.
fn answers<F, Fut>(ask: F) -> Option<Vec<String>>
where
    F: FnOnce(Root, oq_core::record::QueueName) -> Fut,
    Fut: Future<Output = oq_core::Result<Vec<String>>>,
{
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let layers = Layers::of_machine(&options(&words)).ok()?;
    layers.checked().ok()?;
    let text = |name: &str| layers.value(name).map(|value| value.text.clone());
    let url = text("url")?;
    // Asking must not make a file.
    if let Some(path) = url.strip_prefix("sqlite:")
        && !std::path::Path::new(path).is_file()
    {
        return None;
    }
    let queue = text("queue").unwrap_or_else(|| oq_core::queue::DEFAULT_QUEUE.to_owned());
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

/// The options that say which store and queue, in a line that may not be complete.
fn options(words: &[String]) -> GlobalArgs {
    let said = |long: &str, short: Option<&str>| {
        let at = words
            .iter()
            .position(|w| *w == format!("--{long}") || short == Some(w));
        let next = at.and_then(|at| words.get(at + 1)).cloned();
        let joined = words
            .iter()
            .find_map(|w| w.strip_prefix(&format!("--{long}=")));
        next.or(joined.map(str::to_owned)).filter(|w| !w.is_empty())
    };
    GlobalArgs {
        url: said("url", None),
        queue: said("queue", Some("-q")).and_then(|name| name.parse().ok()),
        profile: said("profile", None),
        ..GlobalArgs::default()
    }
}
