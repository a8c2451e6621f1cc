//! `oq init`.

use std::time::Duration;

use oq_core::bucket::layout::{self, Around, Change, Layout, Wish};
use oq_core::bucket::policy;
use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::record::Role;
use oq_core::store::probe::{Plan, probe};
use oq_core::store::s3::{Bucket, Named, S3Store, Versioning};
use oq_core::store::{StoreError, machine_time};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::commands::iam::Partition;
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

    /// Print the AWS policies for this queue, the least that each role needs, as one JSON object;
    /// what is changed is told on stderr.
    #[arg(long)]
    policies: bool,

    #[command(flatten)]
    partition: Partition,
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
        if self.policies && !url.starts_with("s3:") {
            return Err(Failed::usage(
                "policies are for buckets",
                "add --url s3://BUCKET/PREFIX, or leave --policies out",
            ));
        }
        let root = oq.root().await?;
        if !self.unchecked && !self.dry_run {
            let probing = probe(
                root.store().clone(),
                Env::system(),
                Plan::QUICK,
                machine_time(),
            );
            let (put, get, list) = Plan::QUICK.at_most();
            let report = oq.watched(Some(put + get + list), probing).await;
            layout::check(&report).map_err(|e| {
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
        if self.policies {
            for Change { what, then } in &layout.changes {
                oq.print.note(&format!("{what}: {then}"));
            }
        } else {
            let mut rows = oq.print.rows();
            for change in &layout.changes {
                rows.push(&Shown(change))?;
            }
            rows.end()?;
        }
        let laid_out = self
            .lay_out(oq, &root, &wish, &layout, bucket.as_ref())
            .await?;
        if self.policies {
            self.print_policies(oq, url)?;
        }
        if laid_out {
            self.next(oq, url);
        }
        Ok(Exit::Ok)
    }

    /// Makes the changes, unless they are not wanted; whether all is as it should be then.
    async fn lay_out(
        &self,
        oq: &Session<'_>,
        root: &Root,
        wish: &Wish,
        layout: &Layout,
        bucket: Option<&Bucket>,
    ) -> Result<bool, Failed> {
        if layout.changes.is_empty() {
            oq.print.note("everything is as it should be");
            return Ok(true);
        }
        if self.dry_run || !self.agreed(oq, layout, bucket).await? {
            oq.print.note("nothing was changed");
            return Ok(false);
        }
        layout::write(root, &oq.global.queue, wish, layout).await?;
        if let Some(bucket) = bucket.filter(|_| !layout.rules.is_empty()) {
            bucket
                .set_rules(&layout.rules)
                .await
                .map_err(|e| no_rules(&e))?;
        }
        oq.print.note("done");
        Ok(true)
    }

    /// The rules of a bucket are for everybody who uses it, so they are not changed unasked.
    async fn agreed(
        &self,
        oq: &Session<'_>,
        layout: &Layout,
        bucket: Option<&Bucket>,
    ) -> Result<bool, Failed> {
        let Some(bucket) = bucket.filter(|_| !layout.rules.is_empty()) else {
            return Ok(true);
        };
        let (name, rules) = (bucket.name(), layout.rules.len());
        let question = format!("Set {rules} lifecycle rules of the bucket {name}?");
        let agreed = oq.print.agreed(&question, self.yes).await;
        agreed.map_err(|nobody| {
            nobody.next("add --yes to do it, --no-lifecycle to do the rest, or --dry-run")
        })
    }

    /// Policies are data, and what was changed is told beside them.
    fn print_policies(&self, oq: &Session<'_>, url: &str) -> Result<(), Failed> {
        let named = Named::by(url).map_err(oq_core::Error::from)?;
        let place = self.partition.place(&named);
        let only = [oq.global.queue.clone()];
        let mut all: Map<String, Value> = Role::ALL
            .iter()
            .map(|role| (role.to_string(), policy::role(place, *role, &only)))
            .collect();
        all.insert("bucket".to_owned(), policy::bucket(place));
        oq.print.line(&format!("{:#}", Value::Object(all)))
    }

    fn next(&self, oq: &Session<'_>, url: &str) {
        let queue = &oq.global.queue;
        let mut next = format!(
            "next:\n  export OQ_URL='{url}'\n  oq submit echo '\"hello\"' -q {queue}\n  oq doctor -q {queue}"
        );
        if url.starts_with("s3:") {
            next.push_str("\npolicies, the least that each needs (all of them: --policies):");
            for role in Role::ALL {
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
