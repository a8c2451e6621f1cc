//! Laying out a root for a queue: what is to be written, told before it is, and written once.

use std::time::Duration;

use serde::Serialize;

use super::lifecycle::{Keep, missing, wanted};
use crate::error::{Error, Result};
use crate::protocol::Root;
use crate::protocol::write::read;
use crate::queue::Queue;
use crate::record::{Format, Key, QueueName, Settings};
use crate::store::Rule;

/// What is asked for; what is not set stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// How many shards producers use.
    pub shards: Option<u16>,
    /// How long outcomes are kept.
    pub retention: Option<Duration>,
    /// The longest time from a task's submission to its outcome.
    pub longest: Duration,
}

/// One thing that is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which object, or the bucket's lifecycle rule.
    pub what: String,
    /// How it is to be.
    pub then: String,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Everything that changes, for people.
    pub changes: Vec<Change>,
    /// The bucket's rules among them.
    pub rules: Vec<Rule>,
    mark: bool,
    settings: bool,
}

/// What a bucket has beside objects, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The prefix of everything, empty or with a `/` at its end.
    pub root: &'a str,
    /// The lifecycle rules.
    pub rules: &'a [Rule],
    /// Whether it keeps versions.
    pub versioned: bool,
}

/// What must be written to lay out a root for this queue: 2 GET, and nothing is written. `around` is
/// there for buckets only.
pub async fn plan(
    root: &Root,
    queue: &QueueName,
    wish: &Wish,
    around: Option<Around<'_>>,
) -> Result<Layout> {
    let mark = read::<Format>(root, &Key::Format).await?.is_none();
    let key = Key::Settings(queue.clone());
    let there = read::<Settings>(root, &key).await?.map(|seen| seen.record);
    let mut changes = Vec::new();
    if mark {
        changes.push(Change {
            what: Key::Format.to_string(),
            then: "format version 1".into(),
        });
    }
    let now = match &there {
        Some(settings) => settings.clone(),
        None => Settings::initial(crate::record::Stamp::first(
            root.now(),
            root.env().entropy.as_ref(),
        )),
    };
    let mut then = now.clone();
    apply(wish, &mut then);
    then.shards_high = then.shards_high.max(then.shards);
    then.check()?;
    let settings = there.is_none() || then != now;
    if settings {
        changes.push(Change {
            what: key.to_string(),
            then: format!(
                "{} shards{}, outcomes kept for {}",
                then.shards,
                match &there {
                    Some(was) if was.shards != then.shards => {
                        format!(" instead of {}", was.shards)
                    }
                    _ => String::new(),
                },
                spoken(then.defaults.retention)
            ),
        });
    }
    let rules = around.map_or(Vec::new(), |around| {
        let keep = Keep::of(then.defaults.retention, wish.longest);
        let wanted = wanted(around.root, queue, keep, around.versioned);
        missing(&wanted, around.rules)
    });
    changes.extend(rules.iter().map(|rule| Change {
        what: format!("lifecycle rule '{}'", rule.id),
        then: rule.to_string(),
    }));
    Ok(Layout {
        changes,
        rules,
        mark,
        settings,
    })
}

/// Writes the mark and the settings; the rules are the bucket's business.
pub async fn write(root: &Root, queue: &QueueName, wish: &Wish, layout: &Layout) -> Result<()> {
    if !layout.mark && !layout.settings {
        return Ok(());
    }
    let queue = Queue::open(root.clone(), queue.clone()).await?;
    if layout.settings {
        queue
            .change_settings(|settings| apply(wish, settings))
            .await?;
    }
    Ok(())
}

fn apply(wish: &Wish, settings: &mut Settings) {
    if let Some(shards) = wish.shards {
        settings.shards = shards;
    }
    if let Some(retention) = wish.retention {
        settings.defaults.retention = retention;
    }
}

/// Refuses to lay out what nobody should use.
pub fn check(report: &crate::store::probe::Report) -> Result<()> {
    use crate::store::probe::Verdict;
    let worst = report.findings.iter().max_by_key(|found| found.verdict);
    match worst {
        Some(found) if found.verdict >= Verdict::Fault => {
            Err(Error::Unusable(format!("{}: {}", found.check, found.what)))
        }
        _ => Ok(()),
    }
}

fn spoken(span: Duration) -> String {
    match span.as_secs() {
        s if s % 86_400 == 0 => format!("{} d", s / 86_400),
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::env::Env;
    use crate::store::MemoryStore;

    fn wish() -> Wish {
        Wish {
            shards: Some(32),
            retention: Some(Duration::from_secs(5 * 86_400)),
            longest: Duration::from_secs(30 * 86_400),
        }
    }

    #[tokio::test]
    async fn a_layout_is_told_then_written_once() {
        let root = Root::new(Arc::new(MemoryStore::new()), Env::system());
        let mail = QueueName::new("mail").unwrap();
        let none = Around {
            root: "jobs/",
            rules: &[],
            versioned: false,
        };
        let layout = plan(&root, &mail, &wish(), Some(none)).await.unwrap();
        let what: Vec<&str> = layout.changes.iter().map(|c| c.what.as_str()).collect();
        assert_eq!(what[..2], ["oq.json", "mail/queue.json"]);
        assert_eq!(layout.changes[1].then, "32 shards, outcomes kept for 5 d");
        assert_eq!(layout.rules.len(), 4);
        let page = root.list(&crate::store::List::prefix("")).await.unwrap();
        assert!(page.value.entries.is_empty(), "a plan wrote something");

        write(&root, &mail, &wish(), &layout).await.unwrap();
        let there = Around {
            rules: &layout.rules,
            ..none
        };
        let again = plan(&root, &mail, &wish(), Some(there)).await.unwrap();
        assert_eq!(again.changes, []);
        // What is not asked for stays.
        let other = Wish {
            longest: wish().longest,
            ..Wish::default()
        };
        let again = plan(&root, &mail, &other, Some(there)).await.unwrap();
        assert_eq!(again.changes, []);
    }

    #[tokio::test]
    async fn impossible_wishes_are_refused_before_anything_is_written() {
        let root = Root::new(Arc::new(MemoryStore::new()), Env::system());
        let mail = QueueName::new("mail").unwrap();
        let wish = Wish {
            shards: Some(0),
            ..wish()
        };
        assert!(plan(&root, &mail, &wish, None).await.is_err());
    }
}
