//! The listener: connections, their limits, and the end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, SERVER};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use oq_core::env::Env;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Error, s3_error};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::Endpoint;
use super::auth::{Credentials, Hosts, from_a_page};
use super::errors::explained;
use super::hardship::{Fate, Hardship};
use super::patience::Patient;
use super::unread::Shared as SharedBody;

/// Connections at once; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 1024;

/// The head of a request must be there in this time; an idle connection is closed after it. Longer
/// than the 15 s that oq's own clients keep idle connections, so that the client closes first.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);

/// The head of a request may have so many bytes.
const MAX_HEAD: usize = 64 << 10;

/// How long answers under way may take once the end has begun.
const GRACE: Duration = Duration::from_secs(5);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// An endpoint that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    s3: S3Service,
    hardship: Hardship,
    env: Env,
    requests: AtomicU64,
}

/// An answer that is a cut connection.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

impl Server {
    /// Listens on `address`; see [`super::check_listener`] for where it may.
    pub async fn bind(
        address: SocketAddr,
        endpoint: Endpoint,
        credentials: Credentials,
        hardship: Hardship,
    ) -> io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mut s3 = S3ServiceBuilder::new(endpoint.clone());
        s3.set_auth(credentials);
        s3.set_host(Hosts {
            loopback: address.ip().is_loopback(),
        });
        let env = endpoint.0.env.clone();
        let shared = Shared {
            // Ids of requests differ from one start to the next.
            requests: AtomicU64::new(env.entropy.next_u64()),
            s3: s3.build(),
            endpoint,
            hardship,
            env,
        };
        Ok(Server {
            listener,
            address,
            shared: Arc::new(shared),
        })
    }

    /// Where it listens, with the port that a port of 0 became.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `end` completes; then lets answers under way go out, and returns.
    pub async fn run(self, end: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let ending = CancellationToken::new();
        tokio::select! {
            () = end => {}
            never = self.accept_on(places.clone(), &ending) => match never {},
        }
        drop(self.listener);
        // Every connection notices, and gives its place back when it is done.
        ending.cancel();
        let all = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
        let _late = self
            .shared
            .env
            .within(GRACE, places.acquire_many(all))
            .await;
    }

    async fn accept_on(&self, places: Arc<Semaphore>, ending: &CancellationToken) -> Infallible {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                std::future::pending::<()>().await;
                continue;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let connection = self.shared.clone().serve(stream, place, ending.clone());
                    tokio::spawn(connection);
                }
                // Too many open files, or a client that was gone before it was greeted.
                Err(_) => self.shared.env.sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

impl Shared {
    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        place: OwnedSemaphorePermit,
        ending: CancellationToken,
    ) {
        // Small answers must not wait for company.
        let _unsupported = stream.set_nodelay(true);
        let shared = self.clone();
        let answer = service_fn(move |request| {
            let shared = shared.clone();
            async move { shared.answer(request).await }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(Patient::new(stream, self.env.clone())), answer);
        tokio::pin!(connection);
        tokio::select! {
            // What ends a connection (the client, a timeout, a cut) concerns nobody else.
            _ended = connection.as_mut() => {}
            () = ending.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _late = self.env.within(GRACE, connection).await;
            }
        }
        drop(place);
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        if from_a_page(request.headers()) {
            let why = s3_error!(
                AccessDenied,
                "requests of pages in a browser are not answered"
            );
            return self.refuse(request, why).await;
        }
        let (there, back) = self.hardship.delay(request.method(), request.uri());
        self.wait(there).await;
        let answer = match self.hardship.fate() {
            Fate::Answered => self.apply(request).await?,
            Fate::Busy => self.refuse(request, slow_down()).await?,
            Fate::Broken { applied: false } => self.refuse(request, broken()).await?,
            Fate::Broken { applied: true } => {
                self.apply(request).await?;
                self.dressed(in_xml(broken())?)
            }
            Fate::Cut { applied } => {
                if applied {
                    self.apply(request).await?;
                }
                return Err(Cut);
            }
        };
        self.wait(back).await;
        Ok(answer)
    }

    async fn wait(&self, time: Duration) {
        if !time.is_zero() {
            self.env.sleep(time).await;
        }
    }

    async fn apply(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let (head, body) = request.into_parts();
        // Most requests have no body, and need no share of one.
        let (body, rest) = if body.is_end_stream() {
            (Body::empty(), None)
        } else {
            let shared = SharedBody::new(body);
            (Body::http_body(shared.clone()), Some(shared))
        };
        let request = Request::from_parts(head, body);
        let mut answer = match self.s3.call(request).await {
            Ok(answer) => answer,
            Err(_) => in_xml(s3_error!(InternalError))?,
        };
        explained(&mut answer);
        self.read_rest(rest, &mut answer).await;
        if answer.status() == StatusCode::NOT_MODIFIED {
            // It has no body, so it says nothing about one.
            *answer.body_mut() = Body::empty();
            answer.headers_mut().remove(CONTENT_TYPE);
            answer.headers_mut().remove(CONTENT_LENGTH);
        }
        Ok(self.dressed(answer))
    }

    async fn refuse(
        &self,
        request: Request<Incoming>,
        why: S3Error,
    ) -> Result<Response<Body>, Cut> {
        let mut answer = in_xml(why)?;
        let rest = SharedBody::new(request.into_body());
        self.read_rest(Some(rest), &mut answer).await;
        Ok(self.dressed(answer))
    }

    async fn read_rest(&self, rest: Option<SharedBody>, answer: &mut Response<Body>) {
        if let Some(rest) = rest
            && !rest.drain(&self.env).await
        {
            let headers = answer.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// What every answer has.
    fn dressed(&self, mut answer: Response<Body>) -> Response<Body> {
        let headers = answer.headers_mut();
        headers.insert(DATE, self.endpoint.0.clock.header());
        headers.insert(SERVER, HeaderValue::from_static("oq-dev"));
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        if let Ok(id) = HeaderValue::try_from(format!("{number:016X}")) {
            headers.insert(REQUEST_ID, id);
        }
        answer
    }
}

fn in_xml(error: S3Error) -> Result<Response<Body>, Cut> {
    error.to_http_response().map_err(|_| Cut)
}

fn slow_down() -> S3Error {
    s3_error!(
        SlowDown,
        "Please reduce your request rate. (A fault that was asked for.)"
    )
}

fn broken() -> S3Error {
    s3_error!(
        InternalError,
        "We encountered an internal error. (A fault that was asked for.)"
    )
}
