//! `oq init`.

use std::time::Duration;

use oq_core::bucket::layout::{self, Around, Change, Layout, Wish};
use oq_core::env::Env;
use oq_core::store::probe::{Plan, probe};
use oq_core::store::s3::{Bucket, S3Store, Versioning};
use oq_core::store::{StoreError, machine_time};
use serde::Serialize;

use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::Row;
use crate::said;
use crate::session::Session;

/// Lay out a bucket or a file for a queue: check it, write the settings, set lifecycle rules.
///
/// What is there already stays, and a second run changes nothing. Lifecycle rules delete what is
/// left of tasks that are over when no worker runs any more; they never reach tasks that are not,
/// and the rules of others are kept.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// How many parts the queue has, 1 to 1024; 16 unless set. Workers share them.
    #[arg(long)]
    shards: Option<u16>,

    /// How long outcomes are kept; 3d unless set.
    #[arg(long, value_parser = said::duration)]
    retention: Option<Duration>,

    /// The longest time that a task may take from its submission to its outcome, delays and retries
    /// included: payloads are kept that much longer by the lifecycle rules.
    #[arg(long, value_parser = said::duration, default_value = "30d")]
    longest: Duration,

    /// Set no lifecycle rules.
    #[arg(long)]
    no_lifecycle: bool,

    /// Do not check the store first.
    #[arg(long)]
    unchecked: bool,

    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// Do not ask before the bucket's lifecycle is changed.
    #[arg(long, short)]
    yes: bool,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Shown<'a>(&'a Change);

impl Row for Shown<'_> {
    const HEADS: &'static [&'static str] = &["what", "then"];

    fn cells(&self) -> Vec<String> {
        vec![self.0.what.clone(), self.0.then.clone()]
    }

    fn id(&self) -> String {
        self.0.what.clone()
    }
}

impl Init {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let url = oq.url()?;
        let root = oq.root().await?;
        if !self.unchecked && !self.dry_run {
            let report = probe(
                root.store().clone(),
                Env::system(),
                Plan::QUICK,
                machine_time(),
            );
            layout::check(&report.await).map_err(|e| {
                Failed::unusable(
                    e.to_string(),
                    "`oq doctor` tells more, and what to do about it",
                )
            })?;
        }
        let bucket = match url.starts_with("s3:") && !self.no_lifecycle {
            true => {
                let store = S3Store::connect(url).await.map_err(oq_core::Error::from)?;
                Some(store.bucket())
            }
            false => None,
        };
        let wish = Wish {
            shards: self.shards,
            retention: self.retention,
            longest: self.longest,
        };
        let queue = &oq.global.queue;
        let layout = match &bucket {
            Some(bucket) => {
                let rules = bucket.rules().await.map_err(|e| no_rules(&e))?;
                let versioned = match bucket.versioning().await {
                    Ok(versioning) => versioning != Versioning::Off,
                    Err(e @ StoreError::Denied(_)) => return Err(no_rules(&e)),
                    // A compatible store need not know versions.
                    Err(_) => false,
                };
                let around = Around {
                    root: bucket.root(),
                    rules: &rules,
                    versioned,
                };
                layout::plan(&root, queue, &wish, Some(around)).await?
            }
            None => layout::plan(&root, queue, &wish, None).await?,
        };
        let mut rows = oq.print.rows();
        for change in &layout.changes {
            rows.push(&Shown(change))?;
        }
        rows.end()?;
        if layout.changes.is_empty() {
            oq.print.note("everything is as it should be");
        } else if self.dry_run {
            oq.print.note("nothing was changed");
            return Ok(Exit::Ok);
        } else {
            self.agreed(oq, &layout, bucket.as_ref())?;
            layout::write(&root, queue, &wish, &layout).await?;
            if let Some(bucket) = bucket.as_ref().filter(|_| !layout.rules.is_empty()) {
                bucket
                    .set_rules(&layout.rules)
                    .await
                    .map_err(|e| no_rules(&e))?;
            }
            oq.print.note("done");
        }
        self.next(oq, url);
        Ok(Exit::Ok)
    }

    /// The rules of a bucket are for everybody who uses it, so they are not changed unasked.
    fn agreed(
        &self,
        oq: &Session<'_>,
        layout: &Layout,
        bucket: Option<&Bucket>,
    ) -> Result<(), Failed> {
        let Some(bucket) = bucket.filter(|_| !layout.rules.is_empty() && !self.yes) else {
            return Ok(());
        };
        let (name, rules) = (bucket.name(), layout.rules.len());
        let question = format!("set {rules} lifecycle rules of the bucket {name}?");
        let next = "add --yes to do it, --no-lifecycle to do the rest, or --dry-run";
        match oq.print.agreed(&question, false) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failed::usage("nothing was changed", next)),
            Err(nobody) => Err(nobody.next(next)),
        }
    }

    fn next(&self, oq: &Session<'_>, url: &str) {
        let queue = &oq.global.queue;
        let mut next = format!(
            "next:\n  export OQ_URL='{url}'\n  oq submit echo '\"hello\"' -q {queue}\n  oq doctor -q {queue}"
        );
        if url.starts_with("s3:") {
            next.push_str("\npolicies, the least that each needs:");
            for role in oq_core::record::Role::ALL {
                next.push_str(&format!("\n  oq iam --role {role} --only {queue}"));
            }
            next.push_str("\n  oq iam --bucket-policy");
        }
        oq.print.note(&next);
    }
}

fn no_rules(e: &StoreError) -> Failed {
    Failed::from(oq_core::Error::from(e.clone())).next(
        "`oq iam --role operator` prints the policy that allows it; --no-lifecycle does without",
    )
}
