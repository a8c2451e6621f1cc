//! The bucket itself: where it is, whether it keeps versions, and its lifecycle rules. For those who
//! lay out or check a bucket; queues and workers never ask for any of this.

use std::fmt;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketVersioningStatus,
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, TransitionStorageClass,
};
use serde::Serialize;

use super::S3Store;
use super::answer::Failure;
use super::witness::Witness;
use crate::store::{Filter, Rule, StoreError};

/// Whether a bucket keeps what is overwritten and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Versioning {
    /// It never did.
    Off,
    /// It does.
    On,
    /// It did.
    Suspended,
}

/// A bucket, seen by somebody who administers it.
pub struct Bucket {
    client: Client,
    name: String,
    root: String,
    amazon: bool,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("name", &self.name)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl S3Store {
    /// The bucket that this store is in.
    pub fn bucket(&self) -> Bucket {
        Bucket {
            client: self.client(),
            name: self.bucket.clone(),
            root: self.root.clone(),
            amazon: self.endpoint.is_none(),
        }
    }
}

impl Bucket {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Empty, or the prefix of everything that oq keeps in it, with a `/` at its end.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Whether it is addressed as Amazon's own, without an endpoint.
    pub fn is_amazon(&self) -> bool {
        self.amazon
    }

    /// The region that requests are signed for.
    pub fn signed_region(&self) -> String {
        let region = self.client.config().region();
        region.map_or(String::new(), ToString::to_string)
    }

    /// The region that it is in (GetBucketLocation).
    pub async fn region(&self) -> Result<String, StoreError> {
        let witness = Witness::default();
        let request = self.client.get_bucket_location().bucket(&self.name);
        let request = request.customize().interceptor(witness.clone());
        let (answer, _) = witness.judge(request.send().await);
        let answer = answer.map_err(Failure::into_error)?;
        // The oldest region has no name here, and the next one an old name.
        Ok(match answer.location_constraint().map(|l| l.as_str()) {
            None | Some("") => "us-east-1".to_owned(),
            Some("EU") => "eu-west-1".to_owned(),
            Some(region) => region.to_owned(),
        })
    }

    /// Whether it keeps versions (GetBucketVersioning).
    pub async fn versioning(&self) -> Result<Versioning, StoreError> {
        let witness = Witness::default();
        let request = self.client.get_bucket_versioning().bucket(&self.name);
        let request = request.customize().interceptor(witness.clone());
        let (answer, _) = witness.judge(request.send().await);
        Ok(match answer.map_err(Failure::into_error)?.status() {
            Some(BucketVersioningStatus::Enabled) => Versioning::On,
            Some(_) => Versioning::Suspended,
            None => Versioning::Off,
        })
    }

    /// Its lifecycle rules (GetBucketLifecycleConfiguration).
    pub async fn rules(&self) -> Result<Vec<Rule>, StoreError> {
        let raw = self.lifecycle().await?;
        Ok(raw.rules().iter().map(read).collect())
    }

    /// Sets these rules and leaves all others as they are (PutBucketLifecycleConfiguration). S3
    /// has no condition for it: somebody else's change within the same second may be lost.
    pub async fn set_rules(&self, ours: &[Rule]) -> Result<(), StoreError> {
        let before = self.lifecycle().await?;
        let others = before.rules().iter().filter(|rule| {
            let id = rule.id().unwrap_or_default();
            !ours.iter().any(|our| our.id == id)
        });
        let construction =
            |e: aws_sdk_s3::error::BuildError| StoreError::Misconfigured(e.to_string());
        let mut rules: Vec<LifecycleRule> = others.cloned().collect();
        for rule in ours {
            rules.push(written(rule).map_err(construction)?);
        }
        let after = BucketLifecycleConfiguration::builder()
            .set_rules(Some(rules))
            .build()
            .map_err(construction)?;
        let witness = Witness::default();
        let request = self
            .client
            .put_bucket_lifecycle_configuration()
            .bucket(&self.name)
            .lifecycle_configuration(after)
            .set_transition_default_minimum_object_size(before.minimum)
            .customize()
            .interceptor(witness.clone());
        let (answer, _) = witness.judge(request.send().await);
        answer.map_err(Failure::into_error)?;
        Ok(())
    }

    async fn lifecycle(&self) -> Result<Lifecycle, StoreError> {
        let witness = Witness::default();
        let request = self
            .client
            .get_bucket_lifecycle_configuration()
            .bucket(&self.name)
            .customize()
            .interceptor(witness.clone());
        let (answer, _) = witness.judge(request.send().await);
        match answer {
            Ok(output) => Ok(Lifecycle {
                rules: output.rules().to_vec(),
                minimum: output.transition_default_minimum_object_size().cloned(),
            }),
            Err(failure) if failure.says("NoSuchLifecycleConfiguration") => {
                Ok(Lifecycle::default())
            }
            Err(failure) => Err(failure.into_error()),
        }
    }
}

#[derive(Default)]
struct Lifecycle {
    rules: Vec<LifecycleRule>,
    minimum: Option<aws_sdk_s3::types::TransitionDefaultMinimumObjectSize>,
}

impl Lifecycle {
    fn rules(&self) -> &[LifecycleRule] {
        &self.rules
    }
}

fn days(days: Option<i32>) -> u32 {
    days.and_then(|days| u32::try_from(days).ok()).unwrap_or(0)
}

fn read(rule: &LifecycleRule) -> Rule {
    let filter = rule.filter();
    let and = filter.and_then(LifecycleRuleFilter::and);
    // Old rules have their prefix beside the filter.
    #[allow(deprecated)]
    let prefix = filter
        .and_then(LifecycleRuleFilter::prefix)
        .or_else(|| and.and_then(|and| and.prefix()))
        .or_else(|| rule.prefix());
    let tagged =
        filter.is_some_and(|f| f.tag().is_some()) || and.is_some_and(|a| !a.tags().is_empty());
    let archive = |class: Option<&TransitionStorageClass>| {
        matches!(
            class,
            Some(TransitionStorageClass::Glacier | TransitionStorageClass::DeepArchive)
        )
    };
    let archives = rule
        .transitions()
        .iter()
        .filter(|t| archive(t.storage_class()));
    Rule {
        id: rule.id().unwrap_or_default().to_owned(),
        enabled: *rule.status() == ExpirationStatus::Enabled,
        filter: Filter {
            prefix: prefix.unwrap_or_default().to_owned(),
            tagged,
        },
        expires: rule
            .expiration()
            .filter(|e| e.days().is_some() || e.date().is_some())
            .map(|e| days(e.days())),
        archives: archives.map(|t| days(t.days())).min(),
        aborts: rule
            .abort_incomplete_multipart_upload()
            .map(|a| days(a.days_after_initiation())),
        old_versions: rule
            .noncurrent_version_expiration()
            .map(|n| days(n.noncurrent_days())),
    }
}

fn written(rule: &Rule) -> Result<LifecycleRule, aws_sdk_s3::error::BuildError> {
    let number = |days: u32| i32::try_from(days).unwrap_or(i32::MAX);
    let filter = LifecycleRuleFilter::builder().prefix(&rule.filter.prefix);
    let expiration = rule
        .expires
        .map(|days| LifecycleExpiration::builder().days(number(days)).build());
    let abort = rule.aborts.map(|days| {
        AbortIncompleteMultipartUpload::builder()
            .days_after_initiation(number(days))
            .build()
    });
    let old = rule.old_versions.map(|days| {
        NoncurrentVersionExpiration::builder()
            .noncurrent_days(number(days))
            .build()
    });
    LifecycleRule::builder()
        .id(&rule.id)
        .status(if rule.enabled {
            ExpirationStatus::Enabled
        } else {
            ExpirationStatus::Disabled
        })
        .filter(filter.build())
        .set_expiration(expiration)
        .set_abort_incomplete_multipart_upload(abort)
        .set_noncurrent_version_expiration(old)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::{LifecycleRuleAndOperator, Tag, Transition};

    #[test]
    fn what_is_written_reads_back() {
        let rule = Rule {
            expires: Some(10),
            aborts: Some(7),
            old_versions: Some(1),
            ..Rule::new("oq", "jobs/mail/done/")
        };
        assert_eq!(read(&written(&rule).unwrap()), rule);
    }

    #[test]
    fn rules_of_others_are_understood() {
        let tag = Tag::builder().key("a").value("b").build().unwrap();
        let and = LifecycleRuleAndOperator::builder().prefix("x/").tags(tag);
        let glacier = Transition::builder()
            .days(3)
            .storage_class(TransitionStorageClass::Glacier);
        let rule = LifecycleRule::builder()
            .id("theirs")
            .status(ExpirationStatus::Disabled)
            .filter(LifecycleRuleFilter::builder().and(and.build()).build())
            .transitions(glacier.build())
            .build()
            .unwrap();
        let read = read(&rule);
        assert!(!read.enabled && read.filter.tagged);
        assert_eq!(
            (read.filter.prefix.as_str(), read.archives),
            ("x/", Some(3))
        );
        assert_eq!(read.expires, None);
    }

    #[test]
    #[allow(deprecated)]
    fn the_old_form_of_a_prefix_counts() {
        let rule = LifecycleRule::builder()
            .id("old")
            .status(ExpirationStatus::Enabled)
            .prefix("logs/")
            .expiration(LifecycleExpiration::builder().days(3).build())
            .build()
            .unwrap();
        let read = read(&rule);
        assert_eq!(read.filter.prefix, "logs/");
        assert!(read.touches("logs/a") && !read.touches("jobs/"));
    }
}
