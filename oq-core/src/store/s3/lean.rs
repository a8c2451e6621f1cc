//! A request about one object, signed here and sent over the SDK's connections.
//!
//! The SDK spends most of a request's processor time on what the requests of one store have in
//! common: its configuration, endpoint rules, interceptors. This path does without. What the SDK
//! made of region, endpoint and addressing is read off a request that it sent itself; credentials
//! and their cache, connections and proxies stay the SDK's. Listings, batches and bodies above a
//! megabyte that are put go through the SDK.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::config::{ConfigBag, RuntimeComponents};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::timeout::TimeoutConfig;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::Failure;
use super::request::{Given, Request, Verb};
use super::signer::Signer;
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

/// What the requests of one client have in common.
pub(super) struct Lean {
    connector: SharedHttpConnector,
    signer: Signer,
    /// The address of the bucket, up to where a key begins.
    bucket: String,
}

impl fmt::Debug for Lean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Credentials come from what is left out.
        f.debug_struct("Lean")
            .field("bucket", &self.bucket)
            .field("region", &self.signer.region())
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
        let timeouts = config.load::<TimeoutConfig>()?;
        let mut settings = HttpConnectorSettings::builder();
        settings.set_connect_timeout(timeouts.connect_timeout());
        settings.set_read_timeout(timeouts.read_timeout());
        Some(Lean {
            bucket: base(request.uri(), key)?.to_owned(),
            signer: Signer::learn(request, components, timeouts)?,
            connector: components
                .http_client()?
                .http_connector(&settings.build(), components),
        })
    }

    /// What an answer to the SDK tells as well.
    pub fn note(&self, answer: &Headers) {
        self.signer.compare_clocks(answer);
    }

    /// Sends it, once.
    pub async fn send(&self, env: &Env, request: Request<'_>) -> (Result<Given, Failure>, Seen) {
        let sent = AtomicBool::new(false);
        let limit = request.limit;
        match env.within(limit, self.exchange(request, &sent)).await {
            Some(Ok((given, seen))) => (given, seen),
            Some(Err(failure)) => (Err(failure), Seen::default()),
            None => {
                let late = Failure::late(limit, sent.load(Ordering::Relaxed));
                (Err(late), Seen::default())
            }
        }
    }

    /// An answer, or why there is none. Of a GET's body nothing is read yet.
    async fn exchange(
        &self,
        ask: Request<'_>,
        sent: &AtomicBool,
    ) -> Result<(Result<Given, Failure>, Seen), Failure> {
        let verb = ask.verb;
        let identity = self.signer.identity().await;
        let identity = identity.map_err(|error| Failure::unsigned(&*error))?;
        let connection = CaptureSmithyConnection::new();
        let mut request = self.unsigned(&ask).map_err(|e| Failure::unmade(&*e))?;
        self.signer
            .sign(&mut request, &ask.body, &identity)
            .map_err(|error| Failure::unmade(&*error))?;
        request.add_extension(connection.clone());
        sent.store(true, Ordering::Relaxed);
        let response = self.connector.call(request).await;
        let response = response.map_err(|error| Failure::broken(&error))?;
        self.signer.compare_clocks(response.headers());
        let seen = Seen::read(response.headers());
        let given = given(verb, response, &seen).await;
        if given.as_ref().is_err_and(Failure::is_of_a_sick_server) {
            // Others of the same name may be well, and the next connection may lead to one.
            if let Some(connection) = connection.get() {
                connection.poison();
            }
        }
        Ok((given, seen))
    }

    fn unsigned(&self, ask: &Request<'_>) -> Result<HttpRequest, BoxError> {
        let puts = ask.verb == Verb::Put;
        let mut request = HttpRequest::new(match puts {
            true => SdkBody::from(ask.body.clone()),
            false => SdkBody::empty(),
        });
        request.set_method(ask.verb.method())?;
        request.set_uri(format!("{}{}", self.bucket, encoded(ask.key)))?;
        let headers = request.headers_mut();
        if let Some((name, etag)) = ask.condition() {
            headers.try_insert(name, etag.to_owned())?;
        }
        if puts {
            headers.try_insert("content-length", ask.body.len().to_string())?;
            headers.try_insert("content-type", "application/octet-stream")?;
        }
        Ok(request)
    }
}

fn encoded(key: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(key, ENCODED)
}

/// The address of the bucket, from the one of an object in it.
fn base<'a>(uri: &'a str, key: &str) -> Option<&'a str> {
    let path = uri.split_once('?').map_or(uri, |(path, _)| path);
    path.strip_suffix(&encoded(key).to_string())
}

/// What an answer gives, or its refusal in the store's words.
async fn given(verb: Verb, response: HttpResponse, seen: &Seen) -> Result<Given, Failure> {
    let status = response.status();
    let given = Given::read(response.headers());
    let body = ByteStream::new(response.into_body());
    if status.is_success() && verb == Verb::Get {
        return Ok(Given { body, ..given });
    }
    let body = start(body).await;
    if !status.is_success() {
        // What is missing of it can only make the refusal less certain.
        let body = body.unwrap_or_default();
        return Err(Failure::answered(status.as_u16(), seen.after, &body));
    }
    // Success may be said before it is one.
    let body = body.map_err(|error| Failure::broken(&*error))?;
    match Failure::within_success(status.as_u16(), &body) {
        Some(failure) => Err(failure),
        None => Ok(given),
    }
}

/// As much of a body as an error may have.
async fn start(mut stream: ByteStream) -> Result<Vec<u8>, BoxError> {
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        body.extend_from_slice(&chunk?);
        if body.len() > ERROR_BODY {
            break;
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_what_stands_before_the_key() {
        let table = [
            (
                "http://127.0.0.1:4566/jobs/a/k?x-id=GetObject",
                "a/k",
                Some("http://127.0.0.1:4566/jobs/"),
            ),
            (
                "https://jobs.s3.eu-central-1.amazonaws.com/a/k",
                "a/k",
                Some("https://jobs.s3.eu-central-1.amazonaws.com/"),
            ),
            (
                "https://x.example/storage/jobs/a%3Db/%C3%A4%20b",
                "a=b/ä b",
                Some("https://x.example/storage/jobs/"),
            ),
            ("https://jobs.example/other", "k", None),
        ];
        for (uri, key, want) in table {
            assert_eq!(base(uri, key), want, "{uri}");
        }
    }
}
