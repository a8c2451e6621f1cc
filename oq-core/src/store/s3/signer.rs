//! Who asks, and the signature of a request: what the SDK's own requests carry and the store looks at.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{ConfigBag, RuntimeComponents};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::{AuthScheme, AuthSchemeId};
use aws_smithy_runtime_api::client::identity::{
    Identity, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::timeout::TimeoutConfig;
use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::witness::http_date;

/// Headers of S3's that a request has when nobody asked for anything special.
const USUAL: [&str; 4] = [
    "x-amz-date",
    "x-amz-content-sha256",
    "x-amz-security-token",
    "x-amz-user-agent",
];

const SERVICE: &str = "s3";

/// By this Lambda finds functions that start themselves without end.
const TRACE: &str = "x-amzn-trace-id";

pub(super) struct Signer {
    components: RuntimeComponents,
    keys: SharedIdentityCache,
    whose: SharedIdentityResolver,
    /// What decides how long the source of credentials may take.
    config: ConfigBag,
    region: String,
    settings: SigningSettings,
    agent: String,
    in_lambda: bool,
    skew: Skew,
}

impl Signer {
    /// From a request that the SDK is about to send. `None` where it is signed in a way, or has
    /// something about it, that is not understood here.
    pub fn learn(
        request: &HttpRequest,
        components: &RuntimeComponents,
        timeouts: &TimeoutConfig,
    ) -> Option<Signer> {
        let headers = request.headers();
        let unusual = |name: &str| name.starts_with("x-amz-") && !USUAL.contains(&name);
        if headers.iter().any(|(name, _)| unusual(name)) {
            return None;
        }
        let region = region_of(headers.get("authorization")?)?;
        let scheme = components.auth_scheme(AuthSchemeId::from("sigv4"))?;
        let mut limits = Layer::new("oq");
        limits.store_put(RetryConfig::disabled());
        limits.store_put(timeouts.clone());
        Some(Signer {
            keys: components.identity_cache(),
            whose: scheme.identity_resolver(components)?,
            components: components.clone(),
            config: ConfigBag::of_layers([limits]),
            region,
            settings: settings(),
            agent: agent(headers.get("user-agent").unwrap_or_default()),
            in_lambda: std::env::var_os("AWS_LAMBDA_FUNCTION_NAME").is_some(),
            skew: Skew::default(),
        })
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    /// The credentials, from the SDK's cache.
    pub async fn identity(&self) -> Result<Identity, BoxError> {
        self.keys
            .resolve_cached_identity(self.whose.clone(), &self.components, &self.config)
            .await
    }

    /// Adds the signature, and what else says who asks.
    pub fn sign(
        &self,
        request: &mut HttpRequest,
        body: &[u8],
        identity: &Identity,
    ) -> Result<(), BoxError> {
        let params = SigningParams::builder()
            .identity(identity)
            .region(&self.region)
            .name(SERVICE)
            .time(self.skew.applied(self.now()?))
            .settings(self.settings.clone())
            .build()?
            .into();
        let headers = request.headers().iter();
        let body = SignableBody::Bytes(body);
        let signable = SignableRequest::new(request.method(), request.uri(), headers, body)?;
        let (signature, _) = sign(signable, &params)?.into_parts();
        let headers = request.headers_mut();
        for header in signature.into_parts().0 {
            headers.try_insert(header.name(), header.value().to_owned())?;
        }
        headers.try_insert("user-agent", self.agent.clone())?;
        if let Some(trace) = self.trace() {
            headers.try_insert(TRACE, trace)?;
        }
        Ok(())
    }

    /// Learns from an answer how far this machine's clock is from the store's.
    pub fn compare_clocks(&self, answer: &Headers) {
        // A cache answers with the date of long ago.
        if answer.contains_key("age") {
            return;
        }
        let date = answer.get("date").and_then(http_date);
        if let (Some(date), Ok(now)) = (date, self.now()) {
            let date = SystemTime::UNIX_EPOCH + Duration::from_millis(date.0);
            self.skew.learn(date, now);
        }
    }

    fn now(&self) -> Result<SystemTime, BoxError> {
        Ok(self.components.time_source().ok_or("no clock")?.now())
    }

    /// The invocation that asks, where this is a function.
    fn trace(&self) -> Option<String> {
        if !self.in_lambda {
            return None;
        }
        let trace = std::env::var("_X_AMZN_TRACE_ID").ok()?;
        Some(utf8_percent_encode(&trace, CONTROLS).to_string())
    }
}

/// The region of a signature `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/s3/aws4_request, …`. Other
/// services have credentials of their own.
fn region_of(authorization: &str) -> Option<String> {
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
    let mut words = rest.split(',').next()?.rsplit('/');
    let (last, service, region) = (words.next()?, words.next()?, words.next()?);
    (last == "aws4_request" && service == SERVICE).then(|| region.to_owned())
}

/// How far the store's clock is ahead of this machine's, in milliseconds.
#[derive(Debug, Default)]
struct Skew(AtomicI64);

impl Skew {
    fn learn(&self, date: SystemTime, now: SystemTime) {
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        let skew = match date.duration_since(now) {
            Ok(ahead) => millis(ahead),
            Err(behind) => -millis(behind.duration()),
        };
        self.0.store(skew, Ordering::Relaxed);
    }

    fn applied(&self, now: SystemTime) -> SystemTime {
        let skew = self.0.load(Ordering::Relaxed);
        let by = Duration::from_millis(skew.unsigned_abs());
        let moved = match skew >= 0 {
            true => now.checked_add(by),
            false => now.checked_sub(by),
        };
        moved.unwrap_or(now)
    }
}

/// As S3 wants it: the path is signed as it is sent.
fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}

/// The name of the application, which people set to find their requests in logs, stays.
fn agent(of_sdk: &str) -> String {
    let ours = concat!("oq/", env!("CARGO_PKG_VERSION"));
    let app = of_sdk.split(' ').find(|word| word.starts_with("app/"));
    app.map_or_else(|| ours.to_owned(), |app| format!("{ours} {app}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_s3_only() {
        let read =
            |credential: &str| region_of(&format!("{credential}, SignedHeaders=host, Signature=0"));
        let v4 = "AWS4-HMAC-SHA256 Credential=";
        let table = [
            (
                format!("{v4}K/20261126/eu-central-1/s3/aws4_request"),
                Some("eu-central-1"),
            ),
            (
                format!("{v4}K/E/Y/20261126/us-east-1/s3/aws4_request"),
                Some("us-east-1"),
            ),
            (
                format!("{v4}K/20261126/us-east-1/s3express/aws4_request"),
                None,
            ),
            (
                format!("{v4}K/20261126/us-east-1/s3-object-lambda/aws4_request"),
                None,
            ),
            (format!("{v4}aws4_request"), None),
            (
                "AWS4-ECDSA-P256-SHA256 Credential=K/20261126/s3/aws4_request".to_owned(),
                None,
            ),
        ];
        for (credential, want) in table {
            assert_eq!(read(&credential).as_deref(), want, "{credential}");
        }
    }

    #[test]
    fn a_wrong_clock_is_made_up_for() {
        let skew = Skew::default();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(skew.applied(now), now);
        for date in [
            now + Duration::from_secs(7200),
            now - Duration::from_secs(7200),
        ] {
            skew.learn(date, now);
            assert_eq!(skew.applied(now), date);
        }
    }

    #[test]
    fn the_application_is_still_named() {
        let ours = concat!("oq/", env!("CARGO_PKG_VERSION"));
        assert_eq!(agent("aws-sdk-rust/1.3 os/linux lang/rust/1.95"), ours);
        let named = agent("aws-sdk-rust/1.3 os/linux app/billing md/x");
        assert_eq!(named, format!("{ours} app/billing"));
    }
}
