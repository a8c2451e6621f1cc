//! From a URL, or a configuration that the caller already has, to an [`S3Store`].

use std::sync::{OnceLock, RwLock};
use std::time::Duration;

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Config, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use super::S3Store;
use super::request::Wire;
use super::url::{S3Url, check_bucket, check_endpoint, check_prefix};
use crate::env::Env;
use crate::store::{Abilities, StoreError};

/// S3 closes idle connections after about twenty seconds. A request sent on one that was just
/// closed ends in a reset, which leaves its outcome in doubt: so ours are closed first.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// Settings of the connection that a URL does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct S3Options {
    /// How long one request may take, 5 s unless set. Bodies above 1 MiB get one more second for
    /// each MiB. A [`Queue`](crate::Queue) waits 8 s at most whatever is set here: longer, and no
    /// outcome could be recorded under the shortest lease.
    pub attempt_timeout: Duration,
    /// How long connecting may take, 2 s unless set.
    pub connect_timeout: Duration,
    /// Whether the store checks the condition of a conditional deletion. Unset, it is believed of
    /// Amazon S3 only: some compatible stores ignore the condition and delete.
    pub delete_if: Option<bool>,
    /// Whether requests about one object go past most of the SDK, for a fraction of the processor
    /// time: oq signs them, the SDK's credentials and connections are used. Unset, they do for a
    /// store connected by URL, and do not where a program brings its own configuration, whose
    /// interceptors and endpoint rules shall see every request. Nor do they where the first request
    /// has headers of S3's that oq does not know, or is signed in another way than usual.
    pub lean: Option<bool>,
}

impl Default for S3Options {
    fn default() -> S3Options {
        S3Options {
            attempt_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            delete_if: None,
            lean: None,
        }
    }
}

impl S3Options {
    fn checked(&self) -> Result<(), StoreError> {
        let sensible = Duration::from_millis(10)..=Duration::from_secs(600);
        if sensible.contains(&self.attempt_timeout) && sensible.contains(&self.connect_timeout) {
            return Ok(());
        }
        Err(StoreError::Misconfigured(
            "the timeouts of the store must be between 10 ms and 10 minutes".into(),
        ))
    }
}

impl S3Store {
    /// Connects to `s3://bucket/prefix?endpoint=…&region=…&path_style=…&delete_if=…`.
    ///
    /// All but the bucket may be left out. Credentials, and what is left out, come from where the
    /// AWS tools look for them (environment, profile, role), and from there only. With an
    /// `endpoint`, buckets are addressed in the path unless `path_style=false`, and the region is
    /// `us-east-1` unless one is set. No request is made yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Misconfigured`] when the URL is not as above or there is no region.
    pub async fn connect(url: &str) -> Result<S3Store, StoreError> {
        S3Store::connect_with(url, &S3Options::default()).await
    }

    /// [`S3Store::connect`] with other than the default options.
    ///
    /// # Errors
    ///
    /// As [`S3Store::connect`].
    pub async fn connect_with(url: &str, options: &S3Options) -> Result<S3Store, StoreError> {
        let url = S3Url::parse(url)?;
        options.checked()?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client(None))
            .region(region_chain(&url));
        if let Some(endpoint) = &url.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let sdk = loader.load().await;
        let Some(region) = sdk.region() else {
            return Err(StoreError::Misconfigured(
                "no region: add ?region=… to the URL or set AWS_REGION".into(),
            ));
        };
        let region = region.clone();
        let endpoint = url.endpoint.clone().or_else(|| configured_endpoint(&sdk));
        if let Some(endpoint) = &endpoint {
            check_endpoint(endpoint)?;
        }
        let path_style = url.path_style.unwrap_or(endpoint.is_some());
        let mut config = Builder::from(&sdk)
            .region(region)
            .force_path_style(path_style);
        // What is judged below must be what is used.
        config.set_endpoint_url(endpoint.clone());
        if endpoint.as_deref().is_some_and(is_plain) {
            config = config.http_client(http_client(endpoint.as_deref()));
        }
        let options = S3Options {
            delete_if: url.delete_if.or(options.delete_if),
            lean: Some(options.lean.unwrap_or(true)),
            ..options.clone()
        };
        S3Store::build(config, endpoint, &url.bucket, &url.prefix, &options)
    }

    /// A store from a configuration that the program already has, for instance
    /// `client.config()` of an [`aws_sdk_s3::Client`].
    ///
    /// Credentials, endpoint, region, addressing and HTTP client are taken over. Retries,
    /// timeouts, checksums and stream protection are set to what oq's writes need. Set
    /// [`S3Options::delete_if`] if the store is Amazon's: a configuration does not tell.
    ///
    /// # Errors
    ///
    /// [`StoreError::Misconfigured`] when the bucket or the prefix cannot be one.
    pub fn from_config(
        config: &Config,
        bucket: &str,
        prefix: &str,
        options: &S3Options,
    ) -> Result<S3Store, StoreError> {
        check_bucket(bucket)?;
        check_prefix(prefix)?;
        options.checked()?;
        let options = S3Options {
            delete_if: Some(options.delete_if.unwrap_or(false)),
            ..options.clone()
        };
        S3Store::build(config.to_builder(), None, bucket, prefix, &options)
    }

    fn build(
        config: Builder,
        endpoint: Option<String>,
        bucket: &str,
        prefix: &str,
        options: &S3Options,
    ) -> Result<S3Store, StoreError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(options.connect_timeout)
            .operation_attempt_timeout(options.attempt_timeout)
            .disable_operation_timeout()
            .disable_read_timeout()
            .build();
        let config = config
            // The layer above knows which writes may be repeated; the SDK does not.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // Checksums that nobody asked for break some stores.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // It takes small bodies on busy machines for stalled ones. The attempt timeout and the
            // deadline of a body do its work.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        let client = aws_sdk_s3::Client::from_conf(config);
        let host = endpoint.as_deref().map(host_of);
        Ok(S3Store {
            wire: RwLock::new(Wire::new(client, options.lean.unwrap_or(false))),
            env: Env::system(),
            bucket: bucket.to_owned(),
            root: if prefix.is_empty() {
                String::new()
            } else {
                format!("{prefix}/")
            },
            timeout: options.attempt_timeout,
            abilities: Abilities {
                delete_if: options.delete_if.unwrap_or(host.is_none_or(is_amazon)),
                write_interval: host
                    .is_some_and(|h| h.ends_with(".r2.cloudflarestorage.com"))
                    .then_some(Duration::from_secs(1)),
            },
            endpoint,
        })
    }
}

/// The endpoint that the environment or the profile names, for S3 or for all services. It decides
/// whether this is Amazon's S3, and the SDK does not tell what it found.
fn configured_endpoint(sdk: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    sdk.service_config()
        .and_then(|found| found.load_config(key))
        .or_else(|| sdk.endpoint_url().map(str::to_owned))
}

/// The client for an endpoint.
pub(super) fn http_client(endpoint: Option<&str>) -> SharedHttpClient {
    match endpoint.is_some_and(is_plain) {
        true => pool().build_http(),
        false => SharedHttpClient::new(Secure::default()),
    }
}

fn pool() -> aws_smithy_http_client::Builder {
    aws_smithy_http_client::Builder::new().pool_idle_timeout(POOL_IDLE)
}

/// Whether there is no TLS.
fn is_plain(endpoint: &str) -> bool {
    endpoint.starts_with("http://")
}

/// A client with TLS that is made when its first request is sent. To make one reads the hundreds of
/// certificates of this machine, which takes longer than a submission to a store on it; and where
/// neither the store nor the credentials need TLS, nobody does.
#[derive(Debug, Default)]
struct Secure(OnceLock<SharedHttpClient>);

impl HttpClient for Secure {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let made = self.0.get_or_init(|| {
            let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
            pool().tls_provider(provider).build_https()
        });
        made.http_connector(settings, components)
    }
}

/// The whole chain ends with a question to the instance metadata service, which takes seconds where
/// there is none; a store with its own endpoint is rarely met on an EC2 instance.
fn region_chain(url: &S3Url) -> RegionProviderChain {
    if let Some(region) = &url.region {
        RegionProviderChain::first_try(Region::new(region.clone()))
    } else if url.endpoint.is_some() {
        RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new())
            .or_else(Region::new("us-east-1"))
    } else {
        RegionProviderChain::first_try(DefaultRegionChain::builder().build())
    }
}

fn host_of(endpoint: &str) -> &str {
    let rest = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn is_amazon(host: &str) -> bool {
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditional_deletion_is_believed_of_amazon_only() {
        let table = [
            ("https://s3.eu-central-1.amazonaws.com", true),
            (
                "https://bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com:443/x",
                true,
            ),
            ("https://s3.cn-north-1.amazonaws.com.cn", true),
            ("https://amazonaws.com.evil.example", false),
            ("http://127.0.0.1:4566", false),
            ("http://[::1]:9000", false),
            ("https://fsn1.your-objectstorage.com", false),
        ];
        for (endpoint, want) in table {
            assert_eq!(is_amazon(host_of(endpoint)), want, "{endpoint}");
        }
    }

    #[tokio::test]
    async fn a_url_is_enough() {
        let url = "s3://jobs/a?endpoint=http://127.0.0.1:1";
        let store = S3Store::connect(url).await.unwrap();
        assert_eq!(store.root, "a/");
        assert!(!store.abilities.delete_if);
        let store = S3Store::connect(&format!("{url}&delete_if=true"))
            .await
            .unwrap();
        assert!(store.abilities.delete_if);
        let r2 = "s3://jobs?endpoint=https://x.r2.cloudflarestorage.com";
        let store = S3Store::connect(r2).await.unwrap();
        assert_eq!(store.abilities.write_interval, Some(Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn a_program_may_bring_its_own_configuration() {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .build();
        let options = S3Options::default();
        let store = S3Store::from_config(&config, "jobs", "a/b", &options).unwrap();
        assert_eq!(store.root, "a/b/");
        assert!(!store.abilities.delete_if);
        assert!(S3Store::from_config(&config, "jobs", "a/", &options).is_err());
        assert!(S3Store::from_config(&config, "Jobs", "", &options).is_err());
    }
}
