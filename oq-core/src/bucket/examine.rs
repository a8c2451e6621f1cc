//! What is wrong with a bucket as a whole: where it is, versions, lifecycle rules.

use std::time::Duration;

use super::lifecycle::{Keep, judge};
use crate::record::QueueName;
use crate::store::StoreError;
use crate::store::probe::Finding;
use crate::store::s3::{Bucket, Versioning};

/// Looks at a bucket (3 requests): for this queue, whose outcomes are kept for `retention`.
pub async fn examine(bucket: &Bucket, queue: &QueueName, retention: Duration) -> Vec<Finding> {
    vec![region(bucket).await, versioning(bucket).await]
        .into_iter()
        .chain(lifecycle(bucket, queue, retention).await)
        .collect()
}

/// A compatible store need not know any of this, and a role need not be allowed to ask.
fn unknown(check: &'static str, error: &StoreError) -> Finding {
    match error {
        StoreError::Denied(_) => Finding::warning(
            check,
            format!("not checked: {error}"),
            "`oq iam --role operator` prints the policy that allows it",
        ),
        _ => Finding::note(check, format!("not checked: {error}")),
    }
}

async fn region(bucket: &Bucket) -> Finding {
    let check = "region";
    let signed = bucket.signed_region();
    if !bucket.is_amazon() {
        return Finding::ok(check, format!("requests are signed for {signed}"));
    }
    match bucket.region().await {
        Ok(region) if region == signed => Finding::ok(check, region),
        Ok(region) => Finding::fault(
            check,
            format!("the bucket is in {region}, requests are signed for {signed}"),
            format!("add ?region={region} to --url"),
        ),
        Err(e) => unknown(check, &e),
    }
}

async fn versioning(bucket: &Bucket) -> Finding {
    let check = "versioning";
    match bucket.versioning().await {
        Ok(Versioning::On) => Finding::warning(
            check,
            "the bucket keeps every version: each task leaves three or more that are paid for",
            "suspend versioning, or let `oq init` set a rule that deletes old versions after a day",
        ),
        Ok(Versioning::Off | Versioning::Suspended) => Finding::ok(check, "off"),
        Err(e) => unknown(check, &e),
    }
}

async fn lifecycle(bucket: &Bucket, queue: &QueueName, retention: Duration) -> Vec<Finding> {
    match bucket.rules().await {
        // How long tasks take is not known here: only what outcomes need is asked for.
        Ok(rules) => judge(
            &rules,
            bucket.root(),
            queue,
            Keep::of(retention, Duration::ZERO),
        ),
        Err(e) => vec![unknown("lifecycle rules", &e)],
    }
}
