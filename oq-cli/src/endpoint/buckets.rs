//! Buckets: made, listed, deleted; their settings, of which there is one, the lifecycle.
//!
//! A lifecycle is remembered and shown, and never applied. What else S3 lets one ask of a bucket is
//! answered as S3 does where nothing is set; setting it is refused.

use oq_core::store::{Dated, List, Object};
use s3s::dto::{
    Bucket as Shown, BucketLifecycleConfiguration, BucketVersioningStatus, CreateBucketInput,
    CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput,
    GetBucketLifecycleConfigurationOutput, ListBucketsInput, ListBucketsOutput,
    PutBucketVersioningInput, PutBucketVersioningOutput,
};
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::clock::shown;
use super::conditions::Demand;
use super::errors::{conflict, lacking, said};
use super::keys::{BUCKETS, Bucket, HIDDEN};
use super::listing::owner;
use super::{Endpoint, REGION};

/// What is written down about a bucket.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Settings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifecycle: Option<BucketLifecycleConfiguration>,
}

impl Endpoint {
    /// The bucket of this name.
    pub(super) async fn bucket(&self, name: &str) -> S3Result<Bucket> {
        if name == self.0.main.name() {
            return Ok(self.0.main.clone());
        }
        let bucket = Bucket::beside(name);
        match self.get(&bucket.settings()).await? {
            Some(_) => Ok(bucket),
            None => Err(s3_error!(
                NoSuchBucket,
                "The specified bucket does not exist"
            )),
        }
    }

    pub(super) async fn create_bucket(
        &self,
        input: CreateBucketInput,
    ) -> S3Result<CreateBucketOutput> {
        if input.object_lock_enabled_for_bucket == Some(true) {
            return Err(lacking("object lock"));
        }
        let place = format!("/{}", input.bucket);
        if input.bucket != self.0.main.name() {
            let settings = Bucket::beside(&input.bucket).settings();
            let made = self.store().create(&settings, "{}".into()).await;
            // In us-east-1 making a bucket again that is one's own succeeds, and all are one's own.
            match made.map_err(said)? {
                oq_core::store::Write::Won { date, .. } => self.0.clock.saw(date),
                oq_core::store::Write::Lost => {}
                _ => return Err(conflict()),
            }
        }
        Ok(CreateBucketOutput {
            location: Some(place),
        })
    }

    pub(super) async fn delete_bucket(
        &self,
        input: DeleteBucketInput,
    ) -> S3Result<DeleteBucketOutput> {
        let bucket = self.bucket(&input.bucket).await?;
        if bucket.is_main() {
            return Err(s3_error!(
                AccessDenied,
                "this bucket is the store itself: end oq dev, then delete the store"
            ));
        }
        let one = List::prefix(bucket.prefix()).limit(1);
        let there = self.dated(self.store().list(&one).await)?;
        if !there.entries.is_empty() {
            return Err(s3_error!(
                BucketNotEmpty,
                "The bucket you tried to delete is not empty"
            ));
        }
        self.delete_below(&bucket.uploads()).await?;
        self.delete_below(&format!("{HIDDEN}parts/{}/", bucket.name()))
            .await?;
        self.delete_all(&[bucket.settings()]).await?;
        Ok(DeleteBucketOutput::default())
    }

    /// Deletes everything below a prefix of the store.
    pub(super) async fn delete_below(&self, prefix: &str) -> S3Result<()> {
        loop {
            let page = self.dated(self.store().list(&List::prefix(prefix)).await)?;
            if page.entries.is_empty() {
                return Ok(());
            }
            let keys: Vec<_> = page.entries.into_iter().map(|entry| entry.key).collect();
            self.delete_all(&keys).await?;
        }
    }

    pub(super) async fn list_buckets(
        &self,
        input: ListBucketsInput,
    ) -> S3Result<ListBucketsOutput> {
        let main = &self.0.main;
        let mut found = vec![(main.name().to_owned(), None)];
        let mut list = List::prefix(BUCKETS);
        loop {
            let Dated { date, value } = self.store().list(&list).await.map_err(said)?;
            self.0.clock.saw(date);
            for entry in value.entries {
                let name = entry.key.as_str()[BUCKETS.len()..].to_owned();
                if name != main.name() {
                    found.push((name, Some(shown(entry.last_modified))));
                }
            }
            match value.next {
                Some(next) => list = list.after(next),
                None => break,
            }
        }
        let prefix = input.prefix.as_deref().unwrap_or_default();
        found.retain(|(name, _)| name.starts_with(prefix));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let buckets = found.into_iter().map(|(name, made)| Shown {
            name: Some(name),
            // The main one is as old as the store, which does not tell; so it is as old as this.
            creation_date: Some(made.unwrap_or_else(|| shown(self.0.clock.began()))),
            bucket_region: Some(REGION.to_owned()),
        });
        Ok(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            owner: Some(owner()),
            prefix: input.prefix,
            continuation_token: None,
        })
    }

    /// Versioning can be suspended, which it is, and not enabled.
    pub(super) async fn put_versioning(
        &self,
        input: PutBucketVersioningInput,
    ) -> S3Result<PutBucketVersioningOutput> {
        self.bucket(&input.bucket).await?;
        let status = input.versioning_configuration.status;
        if status.as_ref().map(BucketVersioningStatus::as_str)
            == Some(BucketVersioningStatus::SUSPENDED)
        {
            return Ok(PutBucketVersioningOutput::default());
        }
        Err(lacking("versioning"))
    }

    pub(super) async fn lifecycle(
        &self,
        bucket: &str,
    ) -> S3Result<GetBucketLifecycleConfigurationOutput> {
        let bucket = self.bucket(bucket).await?;
        let (settings, _) = self.settings(&bucket).await?;
        let Some(lifecycle) = settings.lifecycle else {
            return Err(s3_error!(
                NoSuchLifecycleConfiguration,
                "The lifecycle configuration does not exist"
            ));
        };
        Ok(GetBucketLifecycleConfigurationOutput {
            rules: Some(lifecycle.rules),
            transition_default_minimum_object_size: None,
        })
    }

    /// Remembers a lifecycle, or forgets it.
    pub(super) async fn set_lifecycle(
        &self,
        bucket: &str,
        lifecycle: Option<BucketLifecycleConfiguration>,
    ) -> S3Result<()> {
        let bucket = self.bucket(bucket).await?;
        let (mut settings, there) = self.settings(&bucket).await?;
        settings.lifecycle = lifecycle;
        let text = serde_json::to_vec(&settings).map_err(S3Error::internal_error)?;
        let (key, body) = (bucket.settings(), bytes::Bytes::from(text));
        let demand = there.map_or(Demand::Absent, |object| Demand::Version(object.etag));
        let written = match &demand {
            Demand::Version(seen) => self.store().update(&key, body, seen).await,
            _ => self.store().create(&key, body).await,
        };
        self.settled(written, true, async || conflict()).await?;
        Ok(())
    }

    async fn settings(&self, bucket: &Bucket) -> S3Result<(Settings, Option<Object>)> {
        let there = self.get(&bucket.settings()).await?;
        let settings = match &there {
            Some(object) => {
                serde_json::from_slice(&object.body).map_err(S3Error::internal_error)?
            }
            None => Settings::default(),
        };
        Ok((settings, there))
    }
}
