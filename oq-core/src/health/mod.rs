//! How a queue is, seen by somebody who wants to know what is wrong with it: format, settings,
//! workers, leases, dead letters, objects that cannot be read, and what the fleet costs.
//!
//! It reads only, and a bounded number of objects. Whether the *store* can be used at all is the
//! business of [`crate::store::probe`].

use std::time::Duration;

use crate::error::{Error, Result};
use crate::protocol::Root;
use crate::protocol::lookup::read_done;
use crate::protocol::pages::Pages;
use crate::protocol::write::read;
use crate::record::{Format, Hint, Key, Live, LiveState, QueueName, Settings, prefix};
use crate::store::probe::Finding;
use crate::store::{List, Listed, MAX_PAGE, Prices};
use crate::time::StoreTime;
use crate::worker::{Idle, PRESENT};

/// How much of a queue is looked at: so many pages of a listing.
const PAGES: usize = 10;

/// So many objects of a kind are read.
const SAMPLE: usize = 25;

/// A lease may be over for this long before somebody should have taken the object over: the margin
/// of a take-over, and a few rounds of the workers' sweep.
const LATE: Duration = Duration::from_secs(60);

/// The poll interval that workers have unless they are told otherwise.
const POLL: Duration = Duration::from_secs(2);

/// What there is in a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Whether it has oq's mark.
    pub marked: bool,
    /// Its queues, up to a thousand.
    pub queues: Vec<QueueName>,
}

/// Looks at a root: whether it is oq's, and which queues are in it (1 GET, 1 LIST).
pub async fn layout(root: &Root) -> Result<Layout> {
    let marked = read::<Format>(root, &Key::Format).await?.is_some();
    let folders = root.list(&List::prefix("").folded()).await?.value.folders;
    let names = folders.iter().map(|f| f.trim_end_matches('/'));
    Ok(Layout {
        marked,
        queues: names.filter_map(|name| QueueName::new(name).ok()).collect(),
    })
}

/// Looks at one queue. Errors are those of the store; what is wrong with the queue is in the
/// findings.
pub async fn examine(root: &Root, queue: &QueueName) -> Result<Vec<Finding>> {
    let mut found = vec![format(root).await?];
    let settings = settings(root, queue, &mut found).await?;
    let workers = workers(root, queue).await?;
    let live = some(root, prefix::live(queue)).await?;
    let (idle, due) = (workers == 0, runnable(&live));
    found.push(fleet(workers, settings.as_ref(), due));
    found.push(stale_leases(root, queue, &live, idle).await?);
    found.push(unreadable(root, queue, &live).await?);
    found.push(dead_letters(root, queue).await?);
    found.push(cost(workers));
    Ok(found)
}

async fn format(root: &Root) -> Result<Finding> {
    let name = "format";
    match read::<Format>(root, &Key::Format).await {
        Ok(Some(_)) => Ok(Finding::ok(name, "version 1")),
        Ok(None) => Ok(Finding::note(
            name,
            "nothing is laid out here yet; `oq init` does, and so does the first task",
        )),
        Err(Error::Unreadable { key, why }) => Ok(Finding::fault(
            name,
            format!("{key}: {why}"),
            "use a newer oq, or name the right prefix in --url",
        )),
        Err(e) => Err(e),
    }
}

async fn settings(
    root: &Root,
    queue: &QueueName,
    found: &mut Vec<Finding>,
) -> Result<Option<Settings>> {
    let name = "settings";
    match read::<Settings>(root, &Key::Settings(queue.clone())).await {
        Ok(Some(seen)) => {
            let settings = seen.record;
            let shards = settings.shards;
            found.push(if settings.paused {
                Finding::warning(
                    name,
                    format!("the queue {queue} is paused: nothing is claimed"),
                    format!("`oq queue resume -q {queue}`"),
                )
            } else {
                Finding::ok(name, format!("{shards} shards"))
            });
            Ok(Some(settings))
        }
        Ok(None) => {
            found.push(Finding::ok(name, "the defaults; nobody changed any"));
            Ok(None)
        }
        Err(Error::Unreadable { key, why }) => {
            let cure = "use a newer oq, or restore the object";
            found.push(Finding::fault(name, format!("{key}: {why}"), cure));
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// Up to so many pages of a listing, and the store's time.
struct Part {
    entries: Vec<Listed>,
    more: bool,
    date: StoreTime,
}

async fn some(root: &Root, prefix: String) -> Result<Part> {
    let mut pages = Pages::new(root, prefix);
    let mut some = Part {
        entries: Vec::new(),
        more: false,
        date: root.now(),
    };
    for _ in 0..PAGES {
        let Some(page) = pages.next().await? else {
            break;
        };
        some.date = page.date;
        some.entries.extend(page.value);
    }
    some.more = pages.has_more();
    Ok(some)
}

async fn workers(root: &Root, queue: &QueueName) -> Result<usize> {
    let fleet = some(root, prefix::fleet(queue)).await?;
    let here = |entry: &&Listed| fleet.date.since(entry.last_modified) < PRESENT;
    Ok(fleet.entries.iter().filter(here).count())
}

fn runnable(live: &Part) -> usize {
    let due = |entry: &&Listed| {
        matches!(Key::parse(entry.key.as_str()), Some(Key::Live(_, id)) if id.due() <= live.date)
            && Hint::of_size(entry.size) == Hint::Runnable
    };
    live.entries.iter().filter(due).count()
}

fn fleet(workers: usize, settings: Option<&Settings>, due: usize) -> Finding {
    let name = "workers";
    let shards = usize::from(settings.map_or(crate::record::DEFAULT_SHARDS, |s| s.shards));
    if workers == 0 && due > 0 {
        let what = format!("no worker is there, and {due} objects with tasks are due");
        return Finding::warning(name, what, "start a worker");
    }
    if workers > shards {
        return Finding::warning(
            name,
            format!("{workers} workers share {shards} shards: some find work only by helping"),
            format!(
                "`oq queue set --shards {}`",
                workers.next_power_of_two().min(1024)
            ),
        );
    }
    Finding::ok(name, format!("{workers} present, {shards} shards"))
}

async fn stale_leases(root: &Root, queue: &QueueName, live: &Part, idle: bool) -> Result<Finding> {
    let name = "leases";
    let mut suspects = live.entries.iter().filter(|entry| {
        let age = live.date.since(entry.last_modified);
        matches!(Hint::of_size(entry.size), Hint::Running(least) if age > least + LATE)
    });
    let (mut stale, mut oldest) = (0usize, Duration::ZERO);
    for entry in suspects.by_ref().take(SAMPLE) {
        let Some(Key::Live(_, id)) = Key::parse(entry.key.as_str()) else {
            continue;
        };
        let key = Key::Live(queue.clone(), id).store_key();
        let object = match root.get(&key).await {
            Ok(got) => got.value,
            Err(Error::Unreadable { .. }) => None,
            Err(e) => return Err(e),
        };
        // What cannot be read is reported as such.
        let Some(Ok(seen)) = object.map(|object| Live::in_object(id, &key, object)) else {
            continue;
        };
        let silent = live.date.since(seen.last_modified.unwrap_or(live.date));
        if let (LiveState::Running, Some(lease)) = (seen.record.state, seen.record.lease)
            && silent > lease.length + LATE
        {
            stale += 1;
            oldest = oldest.max(silent);
        }
    }
    if stale == 0 {
        return Ok(Finding::ok(
            name,
            "none is held by a worker that fell silent",
        ));
    }
    let more = if suspects.next().is_some() {
        " or more"
    } else {
        ""
    };
    let what = format!(
        "{stale}{more} objects are held by workers that fell silent, up to {} s ago, and nobody took them over",
        oldest.as_secs()
    );
    let cure = if idle {
        "start a worker: it takes them over within a minute"
    } else {
        "see that the workers there have handlers for these types (`oq list --state running`)"
    };
    Ok(Finding::fault(name, what, cure))
}

/// So many of them, evenly spread.
fn sample(entries: &[Listed]) -> impl Iterator<Item = &Listed> {
    let step = entries.len().div_ceil(SAMPLE).max(1);
    entries.iter().step_by(step)
}

async fn unreadable(root: &Root, queue: &QueueName, live: &Part) -> Result<Finding> {
    let name = "objects";
    let done = root
        .list(&List::prefix(prefix::done(queue)).limit(MAX_PAGE))
        .await?;
    let done = done.value.entries;
    let (mut read, mut bad) = (0usize, Vec::new());
    for entry in sample(&live.entries).chain(sample(&done)) {
        let key = entry.key.clone();
        read += 1;
        let parsed = Key::parse(key.as_str());
        let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
        if size > crate::store::MAX_BODY {
            bad.push(format!("{key} has {size} bytes"));
            continue;
        }
        let Some(object) = root.get_sized(&key, size).await?.value else {
            continue;
        };
        let judged = match parsed {
            Some(Key::Live(_, id)) => Live::in_object(id, &key, object).map(|_| ()),
            Some(Key::Done(_, id)) => read_done(id, &key, Some(object)).map(|_| ()),
            _ => Err(Error::Unreadable {
                key: key.to_string(),
                why: "its key is not one that oq writes".into(),
            }),
        };
        if let Err(Error::Unreadable { key, why }) = judged {
            bad.push(format!("{key}: {why}"));
        }
    }
    Ok(match bad.first() {
        None => Finding::ok(name, format!("{read} were read and understood")),
        Some(first) => Finding::fault(
            name,
            format!(
                "{} of {read} that were read cannot be understood, such as {first}",
                bad.len()
            ),
            "use a newer oq if they are of a newer version; else look who else writes here, and \
             restore or delete them: oq leaves them as they are",
        ),
    })
}

async fn dead_letters(root: &Root, queue: &QueueName) -> Result<Finding> {
    let name = "dead letters";
    let dead = some(root, prefix::dead(queue)).await?;
    let (count, more) = (dead.entries.len(), if dead.more { " or more" } else { "" });
    if count == 0 {
        return Ok(Finding::ok(name, "none"));
    }
    Ok(Finding::warning(
        name,
        format!("{count}{more} failed tasks wait for somebody to look at them"),
        format!("`oq dead list -q {queue}`"),
    ))
}

fn cost(workers: usize) -> Finding {
    let month = Idle::of(workers, POLL).month(&Prices::S3_STANDARD);
    Finding::note(
        "cost",
        format!(
            "{workers} workers that wait cost about ${month:.2} a month at S3 Standard's list price; tasks and storage come on top"
        ),
    )
}

#[cfg(test)]
mod tests;
