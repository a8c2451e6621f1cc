//! A small S3 server that keeps every rule, or breaks one of them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH, LAST_MODIFIED};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use oq_core::env::{Env, Mono};
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;

/// Which rule it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaks {
    Nothing,
    /// Writes whatever the conditions say.
    Conditions,
    /// Checks a condition against what was there a moment ago.
    CheckThenAct,
    /// An update of what is not there makes it.
    MissingKey,
    /// What is not there is refused instead of missing.
    Forbids,
    /// Listings have no order.
    Order,
    /// Listings begin at the beginning, whatever they were asked.
    StartAfter,
}

#[derive(Debug, Clone)]
struct Object {
    body: Bytes,
    etag: String,
    written: jiff::Timestamp,
    /// What was there before, and until when by this machine's clock.
    before: Option<String>,
    since: Mono,
}

/// How old a state a check may go by that is not made with the write: longer than any race takes.
const MOMENT: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Bucket {
    breaks: Breaks,
    objects: Mutex<BTreeMap<String, Object>>,
    /// Held from the check of a write to its end.
    writing: Mutex<()>,
    writes: AtomicU64,
}

/// Starts one; its endpoint.
pub async fn start(breaks: Breaks) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bucket = Arc::new(Bucket {
        breaks,
        objects: Mutex::default(),
        writing: Mutex::default(),
        writes: AtomicU64::new(0),
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let bucket = bucket.clone();
            let answer = service_fn(move |request| {
                let bucket = bucket.clone();
                async move { Ok::<_, Infallible>(bucket.answer(request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), answer));
        }
    });
    format!("http://{address}")
}

type Answer = Response<Full<Bytes>>;

fn say(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
}

fn error(status: StatusCode, code: &str) -> Answer {
    say(
        status,
        format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"),
    )
}

fn missing() -> Answer {
    error(StatusCode::NOT_FOUND, "NoSuchKey")
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl Bucket {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let header = |name| {
            head.headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .map(str::to_owned)
        };
        let (absent, is) = (header(IF_NONE_MATCH), header(IF_MATCH));
        let query = head.uri.query().unwrap_or_default();
        let key = head.uri.path().trim_start_matches('/').split_once('/');
        let key = decoded(key.map_or("", |(_, key)| key));
        match head.method {
            Method::GET if key.is_empty() && query.contains("list-type") => self.list(query),
            Method::POST if key.is_empty() => {
                let text = String::from_utf8_lossy(&body);
                for key in text
                    .split("<Key>")
                    .skip(1)
                    .filter_map(|t| t.split("</Key>").next())
                {
                    self.objects.lock().unwrap().remove(key);
                }
                say(StatusCode::OK, "<DeleteResult></DeleteResult>")
            }
            _ if key.is_empty() => error(StatusCode::NOT_FOUND, "NoSuchLifecycleConfiguration"),
            Method::GET | Method::HEAD => self.get(&key, absent),
            Method::PUT => self.put(&key, body, absent.is_some(), is),
            Method::DELETE => self.delete(&key, is),
            _ => error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
        }
    }

    fn get(&self, key: &str, seen: Option<String>) -> Answer {
        let Some(object) = self.objects.lock().unwrap().get(key).cloned() else {
            return match self.breaks {
                Breaks::Forbids => error(StatusCode::FORBIDDEN, "AccessDenied"),
                _ => missing(),
            };
        };
        let same = seen.is_some_and(|seen| seen == object.etag);
        let mut answer = match same {
            true => say(StatusCode::NOT_MODIFIED, ""),
            false => say(StatusCode::OK, object.body),
        };
        let date = jiff::fmt::rfc2822::DateTimePrinter::new();
        let date = date.timestamp_to_rfc9110_string(&object.written).unwrap();
        answer
            .headers_mut()
            .insert(ETAG, object.etag.parse().unwrap());
        answer
            .headers_mut()
            .insert(LAST_MODIFIED, date.parse().unwrap());
        answer
    }

    /// What to say if the conditions do not hold.
    fn lost(&self, key: &str, absent: bool, is: &Option<String>) -> Option<Answer> {
        let there = self.objects.lock().unwrap().get(key).cloned();
        if self.breaks == Breaks::CheckThenAct
            && let Some(there) = &there
            && Env::system().now().since(there.since) < MOMENT
            && self.lost_against(&there.before, absent, is).is_none()
        {
            return None;
        }
        self.lost_against(&there.map(|o| o.etag), absent, is)
    }

    fn lost_against(
        &self,
        there: &Option<String>,
        absent: bool,
        is: &Option<String>,
    ) -> Option<Answer> {
        let lost = error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        match (there, is) {
            _ if self.breaks == Breaks::Conditions => None,
            (Some(_), None) if absent => Some(lost),
            (Some(there), Some(is)) if there != is => Some(lost),
            (None, Some(_)) if self.breaks != Breaks::MissingKey => Some(missing()),
            _ => None,
        }
    }

    fn put(&self, key: &str, body: Bytes, absent: bool, is: Option<String>) -> Answer {
        // Check and write are one step.
        let _writing = self.writing.lock().unwrap();
        if let Some(lost) = self.lost(key, absent, &is) {
            return lost;
        }
        let etag = format!("\"{:032x}\"", self.writes.fetch_add(1, Ordering::Relaxed));
        let mut objects = self.objects.lock().unwrap();
        let object = Object {
            body,
            etag: etag.clone(),
            written: now(),
            before: objects.get(key).map(|o| o.etag.clone()),
            since: Env::system().now(),
        };
        objects.insert(key.to_owned(), object);
        let mut answer = say(StatusCode::OK, "");
        answer.headers_mut().insert(ETAG, etag.parse().unwrap());
        answer
    }

    fn delete(&self, key: &str, is: Option<String>) -> Answer {
        if let Some(is) = is
            && let Some(lost) = self.lost(key, false, &Some(is))
        {
            return lost;
        }
        self.objects.lock().unwrap().remove(key);
        say(StatusCode::NO_CONTENT, "")
    }

    fn list(&self, query: &str) -> Answer {
        let asked = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(n, _)| *n == name)
                .map(|(_, value)| decoded(value))
        };
        let prefix = asked("prefix").unwrap_or_default();
        let after = asked("start-after")
            .or(asked("continuation-token"))
            .unwrap_or_default();
        let after = if self.breaks == Breaks::StartAfter {
            String::new()
        } else {
            after
        };
        let most: usize = asked("max-keys")
            .and_then(|n| n.parse().ok())
            .unwrap_or(1000);
        let objects = self.objects.lock().unwrap();
        let mut found: Vec<_> = objects
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix) && **key > after)
            .collect();
        let more = found.len() > most;
        found.truncate(most);
        let last = found
            .last()
            .map(|(key, _)| key.to_string())
            .unwrap_or_default();
        if self.breaks == Breaks::Order {
            found.reverse();
        }
        let mut folders: Vec<String> = Vec::new();
        let mut text = String::new();
        for (key, object) in found {
            let rest = &key[prefix.len()..];
            if let Some(at) = asked("delimiter")
                .filter(|d| !d.is_empty())
                .and_then(|d| rest.find(&d))
            {
                let folder = format!("{prefix}{}", &rest[..=at]);
                if folders.last() != Some(&folder) {
                    text += &format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
                    folders.push(folder);
                }
                continue;
            }
            let (etag, size, written) = (
                object.etag.replace('"', "&quot;"),
                object.body.len(),
                object.written,
            );
            text += &format!(
                "<Contents><Key>{key}</Key><LastModified>{written}</LastModified><ETag>{etag}</ETag><Size>{size}</Size></Contents>"
            );
        }
        let next = if more {
            format!("<NextContinuationToken>{last}</NextContinuationToken>")
        } else {
            String::new()
        };
        say(
            StatusCode::OK,
            format!(
                "<ListBucketResult><IsTruncated>{more}</IsTruncated>{next}{text}</ListBucketResult>"
            ),
        )
    }
}

/// Whole seconds, as HTTP has them.
fn now() -> jiff::Timestamp {
    let seconds = oq_chaos::effects::wall() as i64;
    jiff::Timestamp::from_second(seconds).unwrap()
}
