//! A request about one object, signed here and sent over the SDK's connections.
//!
//! The SDK spends most of a request's processor time on what the requests of one store have in
//! common: its configuration, endpoint rules, interceptors. This path does without. What the SDK
//! made of region, endpoint and addressing is read off a request that it sent itself; credentials
//! and their cache, connections, proxies and the clock stay the SDK's. It knows nothing of
//! listings, of batches and of bodies above a megabyte: these go through the SDK.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_s3::config::{ConfigBag, RuntimeComponents};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::{AuthScheme, AuthSchemeId};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::identity::{
    Identity, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::timeout::TimeoutConfig;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::Failure;
use super::request::{Given, Request};
use super::witness::Seen;
use crate::env::Env;

/// What S3 wants encoded in a key.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Errors are a few lines of XML.
const ERROR_BODY: usize = 64 << 10;

const USER_AGENT: &str = concat!("oq/", env!("CARGO_PKG_VERSION"));

/// What the requests of one client have in common.
pub(super) struct Lean {
    components: RuntimeComponents,
    connector: SharedHttpConnector,
    keys: SharedIdentityCache,
    whose: SharedIdentityResolver,
    scope: Scope,
    settings: SigningSettings,
    /// The address of the bucket, up to where a key begins.
    bucket: String,
}

/// Who is asked, as a signature names it.
#[derive(Debug, PartialEq, Eq)]
struct Scope {
    region: String,
    service: String,
}

impl fmt::Debug for Lean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Credentials come from what is left out.
        f.debug_struct("Lean")
            .field("bucket", &self.bucket)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Lean {
    /// From a request about `key` that the SDK is about to send. `None` where it is signed or
    /// addressed in a way that is not understood here.
    pub fn learn(
        request: &HttpRequest,
        key: &str,
        components: &RuntimeComponents,
        config: &ConfigBag,
    ) -> Option<Lean> {
        let scope = Scope::read(request.headers().get("authorization")?)?;
        let bucket = base(request.uri(), key)?.to_owned();
        let timeouts = config.load::<TimeoutConfig>()?;
        let mut settings = HttpConnectorSettings::builder();
        settings.set_connect_timeout(timeouts.connect_timeout());
        settings.set_read_timeout(timeouts.read_timeout());
        let connector = components
            .http_client()?
            .http_connector(&settings.build(), components);
        let scheme = components.auth_scheme(AuthSchemeId::from("sigv4"))?;
        Some(Lean {
            connector,
            keys: components.identity_cache(),
            whose: scheme.identity_resolver(components)?,
            components: components.clone(),
            scope,
            settings: signing(),
            bucket,
        })
    }

    /// Sends it, once.
    pub async fn send(&self, env: &Env, request: Request<'_>) -> (Result<Given, Failure>, Seen) {
        let sent = AtomicBool::new(false);
        let limit = request.limit;
        let exchange = async {
            let identity = self
                .identity()
                .await
                .map_err(|error| Failure::unsigned(&*error))?;
            let request = self
                .signed(&request, &identity)
                .map_err(|error| Failure::unmade(&*error))?;
            sent.store(true, Ordering::Relaxed);
            self.connector
                .call(request)
                .await
                .map_err(|error| Failure::broken(&error))
        };
        let answer = match env.within(limit, exchange).await {
            Some(answer) => answer,
            None => Err(Failure::late(limit, sent.load(Ordering::Relaxed))),
        };
        match answer {
            Ok(response) => {
                let seen = Seen::read(response.headers());
                (given(env, limit, response, &seen).await, seen)
            }
            Err(failure) => (Err(failure), Seen::default()),
        }
    }

    async fn identity(&self) -> Result<Identity, BoxError> {
        let config = ConfigBag::base();
        self.keys
            .resolve_cached_identity(self.whose.clone(), &self.components, &config)
            .await
    }

    fn signed(&self, ask: &Request<'_>, identity: &Identity) -> Result<HttpRequest, BoxError> {
        let uri = format!("{}{}", self.bucket, encoded(ask.key));
        let method = ask.verb.method();
        let length = ask.body.len().to_string();
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(3);
        if let Some((name, etag)) = ask.condition() {
            headers.push((name, etag));
        }
        if ask.verb.has_body() {
            headers.push(("content-length", &length));
            headers.push(("content-type", "application/octet-stream"));
        }
        let now = self.components.time_source().ok_or("no clock")?.now();
        let params = SigningParams::builder()
            .identity(identity)
            .region(&self.scope.region)
            .name(&self.scope.service)
            .time(now)
            .settings(self.settings.clone())
            .build()?
            .into();
        let body = SignableBody::Bytes(&ask.body);
        let signable = SignableRequest::new(method, &uri, headers.iter().copied(), body)?;
        let (signature, _) = sign(signable, &params)?.into_parts();
        let mut request = HttpRequest::new(match ask.verb.has_body() {
            true => SdkBody::from(ask.body.clone()),
            false => SdkBody::empty(),
        });
        request.set_method(method)?;
        request.set_uri(uri)?;
        let all = request.headers_mut();
        for (name, value) in headers {
            all.try_insert(name.to_owned(), value.to_owned())?;
        }
        all.try_insert("user-agent", USER_AGENT)?;
        for header in signature.into_parts().0 {
            all.try_insert(header.name(), header.value().to_owned())?;
        }
        Ok(request)
    }
}

impl Scope {
    /// From `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`.
    fn read(authorization: &str) -> Option<Scope> {
        let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
        let mut words = rest.split(',').next()?.rsplit('/');
        if words.next() != Some("aws4_request") {
            return None;
        }
        let service = words.next()?.to_owned();
        let region = words.next()?.to_owned();
        Some(Scope { region, service })
    }
}

/// As S3 wants it: the path is signed as it is sent.
fn signing() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}

fn encoded(key: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(key, ENCODED)
}

/// The address of the bucket, from the one of an object in it.
fn base<'a>(uri: &'a str, key: &str) -> Option<&'a str> {
    let path = uri.split_once('?').map_or(uri, |(path, _)| path);
    path.strip_suffix(&encoded(key).to_string())
}

/// What a whole answer gives, or its refusal in the store's words.
async fn given(
    env: &Env,
    limit: Duration,
    response: HttpResponse,
    seen: &Seen,
) -> Result<Given, Failure> {
    let status = response.status();
    if status.is_success() {
        let given = Given::read(response.headers());
        return Ok(given.with(ByteStream::new(response.into_body())));
    }
    let body = env
        .within(limit, start(ByteStream::new(response.into_body())))
        .await
        .unwrap_or_default();
    Err(Failure::answered(status.as_u16(), seen.after, &body))
}

/// As much as arrives of a body that should be short.
async fn start(mut stream: ByteStream) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(Ok(chunk)) = stream.next().await {
        body.extend_from_slice(&chunk);
        if body.len() > ERROR_BODY {
            break;
        }
    }
    body
}
