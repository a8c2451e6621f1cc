//! The table from S3's operations to what answers them.
//!
//! What is not in it, `s3s` answers with `NotImplemented`.

use std::pin::Pin;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::errors::named;
use super::listing::owner;
use super::objects::check_version;
use super::{Endpoint, REGION};

/// An answer under way, as `async_trait` has it: it does not look into macros.
type Answering<'a, T> = Pin<Box<dyn Future<Output = S3Result<S3Response<T>>> + Send + 'a>>;

/// Operations that one of the endpoint's functions answers from the input alone.
macro_rules! operations {
    ($($name:ident: $input:ident => $output:ident by $answer:ident;)*) => { $(
        fn $name<'a, 't>(&'a self, request: S3Request<$input>) -> Answering<'t, $output>
        where
            'a: 't,
            Self: 't,
        {
            Box::pin(async move {
                let bucket = request.input.expected_bucket_owner.clone();
                check_owner(bucket.as_deref())?;
                Ok(S3Response::new(self.$answer(request.input).await?))
            })
        }
    )* };
}

/// Settings that S3 has and nobody can set here, answered as S3 does where nothing is set.
macro_rules! unset {
    ($($name:ident: $input:ident => $output:ident is $code:ident $message:literal;)*) => { $(
        fn $name<'a, 't>(&'a self, request: S3Request<$input>) -> Answering<'t, $output>
        where
            'a: 't,
            Self: 't,
        {
            Box::pin(async move {
                self.bucket(&request.input.bucket).await?;
                let mut error = s3_error!($code, $message);
                // For some of these codes `s3s` has another status than S3.
                error.set_status_code(http::StatusCode::NOT_FOUND);
                Err(error)
            })
        }
    )* };
}

/// Settings whose unset state S3 shows as an empty answer.
macro_rules! empty {
    ($($name:ident: $input:ident => $output:ident;)*) => { $(
        fn $name<'a, 't>(&'a self, request: S3Request<$input>) -> Answering<'t, $output>
        where
            'a: 't,
            Self: 't,
        {
            Box::pin(async move {
                self.bucket(&request.input.bucket).await?;
                Ok(S3Response::new($output::default()))
            })
        }
    )* };
}

/// The one account there is.
fn check_owner(expected: Option<&str>) -> S3Result<()> {
    match expected {
        None | Some(super::OWNER) => Ok(()),
        Some(_) => Err(s3_error!(
            AccessDenied,
            "the bucket belongs to account {}",
            super::OWNER
        )),
    }
}

#[async_trait::async_trait]
impl S3 for Endpoint {
    operations! {
        get_object: GetObjectInput => GetObjectOutput by get_object;
        head_object: HeadObjectInput => HeadObjectOutput by head_object;
        delete_object: DeleteObjectInput => DeleteObjectOutput by delete_object;
        delete_objects: DeleteObjectsInput => DeleteObjectsOutput by delete_objects;
        copy_object: CopyObjectInput => CopyObjectOutput by copy_object;
        list_objects: ListObjectsInput => ListObjectsOutput by list_objects;
        list_objects_v2: ListObjectsV2Input => ListObjectsV2Output by list_objects_v2;
        list_object_versions: ListObjectVersionsInput => ListObjectVersionsOutput by list_object_versions;
        create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput by create_upload;
        upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput by upload_part_copy;
        complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput by complete_upload;
        abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput by abort_upload;
        list_parts: ListPartsInput => ListPartsOutput by list_parts;
        list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput by list_uploads;
        delete_bucket: DeleteBucketInput => DeleteBucketOutput by delete_bucket;
        put_bucket_versioning: PutBucketVersioningInput => PutBucketVersioningOutput by put_versioning;
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        check_owner(request.input.expected_bucket_owner.as_deref())?;
        Ok(S3Response::new(self.put_object(request).await?))
    }

    /// Forms that a browser sends are refused: a page of anybody's could send one.
    async fn post_object(
        &self,
        _: S3Request<PostObjectInput>,
    ) -> S3Result<S3Response<PostObjectOutput>> {
        Err(s3_error!(
            MethodNotAllowed,
            "oq dev takes no uploads from forms"
        ))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        check_owner(request.input.expected_bucket_owner.as_deref())?;
        Ok(S3Response::new(self.upload_part(request).await?))
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        Ok(S3Response::new(self.create_bucket(request.input).await?))
    }

    async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        Ok(S3Response::new(self.list_buckets(request.input).await?))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        check_owner(request.input.expected_bucket_owner.as_deref())?;
        self.bucket(&request.input.bucket).await?;
        Ok(S3Response::new(HeadBucketOutput {
            bucket_region: Some(REGION.to_owned()),
            ..HeadBucketOutput::default()
        }))
    }

    /// None is how S3 says us-east-1.
    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.bucket(&request.input.bucket).await?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        request: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
        Ok(S3Response::new(
            self.lifecycle(&request.input.bucket).await?,
        ))
    }

    async fn put_bucket_lifecycle_configuration(
        &self,
        request: S3Request<PutBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<PutBucketLifecycleConfigurationOutput>> {
        let input = request.input;
        if input.lifecycle_configuration.is_none() {
            return Err(s3_error!(
                MalformedXML,
                "there is no lifecycle in the request"
            ));
        }
        self.set_lifecycle(&input.bucket, input.lifecycle_configuration)
            .await?;
        Ok(S3Response::new(
            PutBucketLifecycleConfigurationOutput::default(),
        ))
    }

    async fn delete_bucket_lifecycle(
        &self,
        request: S3Request<DeleteBucketLifecycleInput>,
    ) -> S3Result<S3Response<DeleteBucketLifecycleOutput>> {
        self.set_lifecycle(&request.input.bucket, None).await?;
        let gone = DeleteBucketLifecycleOutput {};
        Ok(S3Response::with_status(gone, http::StatusCode::NO_CONTENT))
    }

    async fn get_bucket_acl(
        &self,
        request: S3Request<GetBucketAclInput>,
    ) -> S3Result<S3Response<GetBucketAclOutput>> {
        self.bucket(&request.input.bucket).await?;
        Ok(S3Response::new(GetBucketAclOutput {
            grants: Some(grants()),
            owner: Some(owner()),
        }))
    }

    async fn get_object_acl(
        &self,
        request: S3Request<GetObjectAclInput>,
    ) -> S3Result<S3Response<GetObjectAclOutput>> {
        let input = request.input;
        check_version(input.version_id.as_deref())?;
        let bucket = self.bucket(&input.bucket).await?;
        self.find(&bucket, &input.key).await?;
        Ok(S3Response::new(GetObjectAclOutput {
            grants: Some(grants()),
            owner: Some(owner()),
            request_charged: None,
        }))
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let input = request.input;
        check_version(input.version_id.as_deref())?;
        let bucket = self.bucket(&input.bucket).await?;
        self.find(&bucket, &input.key).await?;
        Ok(S3Response::new(GetObjectTaggingOutput {
            tag_set: Vec::new(),
            version_id: None,
        }))
    }

    empty! {
        get_bucket_versioning: GetBucketVersioningInput => GetBucketVersioningOutput;
        get_bucket_notification_configuration:
            GetBucketNotificationConfigurationInput => GetBucketNotificationConfigurationOutput;
        get_bucket_logging: GetBucketLoggingInput => GetBucketLoggingOutput;
        get_bucket_accelerate_configuration:
            GetBucketAccelerateConfigurationInput => GetBucketAccelerateConfigurationOutput;
    }

    unset! {
        get_bucket_tagging: GetBucketTaggingInput => GetBucketTaggingOutput
            is NoSuchTagSet "The TagSet does not exist";
        get_bucket_encryption: GetBucketEncryptionInput => GetBucketEncryptionOutput
            is ServerSideEncryptionConfigurationNotFoundError
            "The server side encryption configuration was not found";
        get_bucket_policy: GetBucketPolicyInput => GetBucketPolicyOutput
            is NoSuchBucketPolicy "The bucket policy does not exist";
        get_bucket_policy_status: GetBucketPolicyStatusInput => GetBucketPolicyStatusOutput
            is NoSuchBucketPolicy "The bucket policy does not exist";
        get_bucket_cors: GetBucketCorsInput => GetBucketCorsOutput
            is NoSuchCORSConfiguration "The CORS configuration does not exist";
        get_bucket_website: GetBucketWebsiteInput => GetBucketWebsiteOutput
            is NoSuchWebsiteConfiguration
            "The specified bucket does not have a website configuration";
        get_bucket_replication: GetBucketReplicationInput => GetBucketReplicationOutput
            is ReplicationConfigurationNotFoundError
            "The replication configuration was not found";
        get_bucket_ownership_controls:
            GetBucketOwnershipControlsInput => GetBucketOwnershipControlsOutput
            is OwnershipControlsNotFoundError
            "The bucket ownership controls were not found";
        get_object_lock_configuration:
            GetObjectLockConfigurationInput => GetObjectLockConfigurationOutput
            is ObjectLockConfigurationNotFoundError
            "Object Lock configuration does not exist for this bucket";
    }

    async fn get_public_access_block(
        &self,
        request: S3Request<GetPublicAccessBlockInput>,
    ) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
        self.bucket(&request.input.bucket).await?;
        Err(named(
            "NoSuchPublicAccessBlockConfiguration",
            http::StatusCode::NOT_FOUND,
            "The public access block configuration was not found",
        ))
    }
}

fn grants() -> Vec<Grant> {
    let Owner { id, display_name } = owner();
    vec![Grant {
        grantee: Some(Grantee {
            id,
            display_name,
            email_address: None,
            type_: Type::from_static(Type::CANONICAL_USER),
            uri: None,
        }),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }]
}
