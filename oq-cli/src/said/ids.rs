//! Ids: whole ones, unique beginnings, and lists of them on stdin.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use oq_core::Error;
use oq_core::queue::Queue;
use oq_core::record::TaskId;

use super::input::Lines;
use crate::failed::Failed;

/// How many beginnings are looked for at a time.
const AT_A_TIME: usize = 4;

/// Ids as arguments.
#[derive(Debug, clap::Args)]
pub struct Ids {
    /// Ids of tasks, or unique beginnings of 6 characters and more; - reads them from stdin, one a
    /// line, also from what `oq list` prints.
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
}

impl Ids {
    /// The tasks that are meant, each once, in the order given.
    pub async fn find(&self, queue: &Queue) -> Result<Vec<TaskId>, Failed> {
        ids(&self.ids, queue).await
    }

    /// Whether exactly one was named.
    pub fn is_one(&self) -> bool {
        self.ids.len() == 1 && self.ids[0] != "-"
    }
}

/// The tasks that these texts mean, each once, in the order given.
pub async fn ids(said: &[String], queue: &Queue) -> Result<Vec<TaskId>, Failed> {
    let mut texts = Vec::new();
    for text in said {
        if text == "-" {
            texts.extend(from_stdin().await?);
        } else {
            texts.push(text.clone());
        }
    }
    let finds = texts
        .iter()
        .map(|text| async move { queue.find(text).await.map_err(|e| told(text, e)) });
    let found: Vec<TaskId> = stream::iter(finds)
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    let mut seen = BTreeSet::new();
    Ok(found.into_iter().filter(|id| seen.insert(*id)).collect())
}

fn told(text: &str, e: Error) -> Failed {
    let next = match &e {
        Error::Invalid { why, .. } if why.starts_with("it is a pack") || text.ends_with('.') => {
            let whole = text.trim_end_matches('.');
            Some(format!("name one task of it, as in {whole}.0"))
        }
        Error::Invalid { .. } => Some("oq list shows ids".to_owned()),
        Error::Conflict(_) => Some("give more characters".to_owned()),
        _ => None,
    };
    let failed = Failed::from(e);
    match next {
        Some(next) => failed.next(next),
        None => failed,
    }
}

/// Ids on stdin: one a line, or JSON objects that have one, as `oq list` prints them in a pipe.
async fn from_stdin() -> Result<Vec<String>, Failed> {
    let mut lines = Lines::open("-")?;
    let mut ids = Vec::new();
    while let Some((number, line)) = lines.next().await? {
        let line = line.map_err(|why| {
            Failed::usage(
                format!("stdin, line {number}: {why}"),
                "pipe ids in, one a line, or the output of oq list",
            )
        })?;
        let line = line.trim();
        if line.starts_with('{') {
            let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
            let id = value.as_ref().and_then(|v| v.get("id")?.as_str());
            let id = id.ok_or_else(|| {
                Failed::usage(
                    format!("stdin, line {number}: a JSON object without an id"),
                    "pipe ids in, one a line, or the output of oq list",
                )
            })?;
            ids.push(id.to_owned());
        } else if !line.is_empty() {
            ids.push(line.to_owned());
        }
    }
    Ok(ids)
}
