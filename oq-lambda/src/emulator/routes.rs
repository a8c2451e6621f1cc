//! The routes of the runtime API: the next event, its answer or error, and an init that failed.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

/// Lambda takes answers up to this size.
const MAX_ANSWER: usize = 6 << 20;

/// What came of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invoked {
    /// The answer, as the function wrote it.
    Answer(String),
    /// The error that the function reported.
    Error {
        /// Its type.
        code: String,
        /// Its message.
        message: String,
    },
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Invocation>,
    running: BTreeMap<String, oneshot::Sender<Invoked>>,
    asked: u64,
    init: Option<String>,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    event: String,
    deadline_ms: u128,
    answer: oneshot::Sender<Invoked>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an event over, under the id of a request, and waits for what comes of it; its deadline is
    /// so long from now.
    pub async fn invoke(&self, id: String, event: String, until: Duration) -> Invoked {
        // The deadline is a time of day, as in Lambda.
        #[allow(clippy::disallowed_methods)]
        let now = std::time::SystemTime::now();
        let deadline = now.duration_since(UNIX_EPOCH).unwrap_or_default() + until;
        let (answer, answered) = oneshot::channel();
        self.state().waiting.push_back(Invocation {
            id,
            event,
            deadline_ms: deadline.as_millis(),
            answer,
        });
        self.changed.notify_waiters();
        answered.await.unwrap_or_else(|_| Invoked::Error {
            code: "Emulator".into(),
            message: "the emulator ended".into(),
        })
    }

    /// Completes when the function has asked for an event.
    pub async fn asked(&self) {
        self.until(|state| (state.asked > 0).then_some(())).await;
    }

    /// Completes when the function said that it cannot begin.
    pub async fn failed_to_begin(&self) -> String {
        self.until(|state| state.init.clone()).await
    }

    async fn until<T>(&self, what: impl Fn(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = what(&mut self.state()) {
                return found;
            }
            changed.await;
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        self.state().asked += 1;
        self.changed.notify_waiters();
        let invocation = self.until(|state| state.waiting.pop_front()).await;
        let head = Response::builder()
            // AWS's client for Python crashes without it.
            .header("Content-Type", "application/json")
            .header("Lambda-Runtime-Aws-Request-Id", &invocation.id)
            .header(
                "Lambda-Runtime-Deadline-Ms",
                invocation.deadline_ms.to_string(),
            )
            .header(
                "Lambda-Runtime-Invoked-Function-Arn",
                "arn:aws:lambda:us-east-1:000000000000:function:local",
            )
            .header(
                "Lambda-Runtime-Trace-Id",
                "Root=1-00000000-000000000000000000000000",
            );
        let Invocation {
            id, event, answer, ..
        } = invocation;
        self.state().running.insert(id, answer);
        head.body(event.into()).unwrap_or_default()
    }

    fn ended(&self, id: &str, invoked: Invoked) -> StatusCode {
        match self.state().running.remove(id) {
            Some(answer) => {
                let _nobody_waits = answer.send(invoked);
                StatusCode::ACCEPTED
            }
            None => StatusCode::BAD_REQUEST,
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let get = request.method() == Method::GET;
        if let (true, ["2018-06-01", "runtime", "invocation", "next"]) = (get, parts.as_slice()) {
            return self.next().await;
        }
        let body = Limited::new(request.into_body(), MAX_ANSWER)
            .collect()
            .await;
        let Ok(body) = body.map(http_body_util::Collected::to_bytes) else {
            return status(StatusCode::PAYLOAD_TOO_LARGE);
        };
        status(match parts.as_slice() {
            ["2018-06-01", "runtime", "invocation", id, "response"] if !get => {
                let text = String::from_utf8_lossy(&body).into_owned();
                self.ended(id, Invoked::Answer(text))
            }
            ["2018-06-01", "runtime", "invocation", id, "error"] if !get => {
                let Told { code, message } = told(&body);
                self.ended(id, Invoked::Error { code, message })
            }
            ["2018-06-01", "runtime", "init", "error"] if !get => {
                self.state().init = Some(told(&body).message);
                self.changed.notify_waiters();
                StatusCode::ACCEPTED
            }
            _ => StatusCode::NOT_FOUND,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    #[serde(rename = "errorType")]
    code: String,
    #[serde(rename = "errorMessage")]
    message: String,
}

fn told(body: &[u8]) -> Told {
    serde_json::from_slice(body).unwrap_or_default()
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// Serves until dropped.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        connections.spawn(async move {
            let answer = hyper::service::service_fn(move |request| {
                let shared = shared.clone();
                async move { Ok::<_, Infallible>(shared.answer(request).await) }
            });
            let io = TokioIo::new(stream);
            let served = hyper::server::conn::http1::Builder::new().serve_connection(io, answer);
            let _hung_up = served.await;
        });
    }
}
