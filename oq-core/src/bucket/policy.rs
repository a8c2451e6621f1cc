//! AWS policies: for a role, the least that it needs; for the bucket, what nobody may do.
//!
//! The table of who asks what is [`crate::record::Space::grants`].

use serde_json::{Value, json};

use crate::record::{Access, QueueName, Role, Space};

/// Where a queue is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The bucket's name.
    pub bucket: &'a str,
    /// Empty, or a prefix that ends in `/`.
    pub root: &'a str,
    /// `aws`, or `aws-cn`, `aws-us-gov`.
    pub partition: &'a str,
}

impl Place<'_> {
    fn objects(&self, pattern: &str) -> String {
        format!("{}/{}{pattern}", self.arn(), self.root)
    }

    fn arn(&self) -> String {
        format!("arn:{}:s3:::{}", self.partition, self.bucket)
    }
}

/// What a role may do, as an IAM policy; for these queues, or for all if none is named.
pub fn role(place: Place<'_>, role: Role, queues: &[QueueName]) -> Value {
    let mut statements = Vec::new();
    for (access, action, sid) in [
        (Access::Read, "s3:GetObject", "Read"),
        (Access::Write, "s3:PutObject", "Write"),
        (Access::Delete, "s3:DeleteObject", "Delete"),
    ] {
        let patterns = patterns(role, access, queues);
        if !patterns.is_empty() {
            let resources: Vec<String> = patterns.iter().map(|p| place.objects(p)).collect();
            statements.push(json!({
                "Sid": sid,
                "Effect": "Allow",
                "Action": action,
                "Resource": resources,
            }));
        }
    }
    let prefixes = patterns(role, Access::List, queues);
    if !prefixes.is_empty() {
        let prefixes: Vec<String> = prefixes
            .iter()
            .map(|p| format!("{}{p}", place.root))
            .collect();
        statements.push(json!({
            "Sid": "List",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": place.arn(),
            "Condition": { "StringLike": { "s3:prefix": prefixes } },
        }));
    }
    // S3 answers a read of a key that is not there with 404 only to those who may list, and such a
    // read has no prefix. Every role reads keys that may not be there.
    statements.push(json!({
        "Sid": "TellThatAKeyIsMissing",
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": place.arn(),
        "Condition": { "Null": { "s3:prefix": "true" } },
    }));
    if role == Role::Operator {
        statements.push(json!({
            "Sid": "CheckAndLayOut",
            "Effect": "Allow",
            "Action": [
                "s3:GetBucketLocation",
                "s3:GetBucketVersioning",
                "s3:GetLifecycleConfiguration",
                "s3:PutLifecycleConfiguration",
            ],
            "Resource": place.arn(),
        }));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn patterns(role: Role, access: Access, queues: &[QueueName]) -> Vec<String> {
    let mut patterns = Vec::new();
    for space in Space::ALL {
        if !space.grants(role).contains(&access) {
            continue;
        }
        if queues.is_empty() {
            patterns.push(space.pattern("*"));
        }
        patterns.extend(queues.iter().map(|q| space.pattern(q.as_str())));
    }
    patterns.dedup();
    patterns
}

/// What nobody may do in the bucket: write below the root without a condition, or talk to it
/// without TLS.
///
/// S3 knows the condition keys `s3:if-none-match` and `s3:if-match` for PutObject and
/// CompleteMultipartUpload; `s3:ObjectCreationOperation` exempts the parts of an upload, which
/// cannot carry a condition. Copies into the root are refused, too.
pub fn bucket(place: Place<'_>) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "RefuseWritesWithoutACondition",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:PutObject",
                "Resource": place.objects("*"),
                "Condition": {
                    "Null": { "s3:if-none-match": "true", "s3:if-match": "true" },
                    "Bool": { "s3:ObjectCreationOperation": "true" },
                },
            },
            {
                "Sid": "RefuseWithoutTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [place.arn(), format!("{}/*", place.arn())],
                "Condition": { "Bool": { "aws:SecureTransport": "false" } },
            },
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place {
        bucket: "acme",
        root: "jobs/",
        partition: "aws",
    };

    fn statement<'a>(policy: &'a Value, sid: &str) -> Option<&'a Value> {
        let all = policy["Statement"].as_array().unwrap();
        all.iter().find(|s| s["Sid"] == sid)
    }

    #[test]
    fn a_viewer_writes_and_deletes_nothing() {
        let policy = role(PLACE, Role::Viewer, &[]);
        assert!(statement(&policy, "Write").is_none() && statement(&policy, "Delete").is_none());
        let read = statement(&policy, "Read").unwrap();
        let live = json!("arn:aws:s3:::acme/jobs/*/live/*");
        assert!(read["Resource"].as_array().unwrap().contains(&live));
        let list = statement(&policy, "List").unwrap();
        let prefixes = &list["Condition"]["StringLike"]["s3:prefix"];
        assert!(
            prefixes
                .as_array()
                .unwrap()
                .contains(&json!("jobs/*/live/*"))
        );
    }

    #[test]
    fn a_queue_that_is_named_keeps_others_out() {
        let mail = QueueName::new("mail").unwrap();
        let policy = role(PLACE, Role::Worker, &[mail]).to_string();
        assert!(policy.contains("acme/jobs/mail/live/*"));
        assert!(!policy.contains("jobs/*"));
    }

    #[test]
    fn every_policy_fits_where_aws_keeps_it() {
        for r in Role::ALL {
            let size = role(PLACE, r, &[]).to_string().len();
            assert!(
                size < 6144,
                "{r}: {size} characters, a managed policy may have 6144"
            );
        }
        assert!(bucket(PLACE).to_string().len() < 20 * 1024);
    }
}
