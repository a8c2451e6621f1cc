//! A network that fails: requests pass through it to a real S3 server, and each meets a fate that
//! follows from a seed, as often as it is told to.
//!
//! Signatures stay good: nothing of a request is changed, and servers check the host that was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use oq_core::env::Env;
use oq_core::testing::sim_entropy::Dice;
use tokio::net::{TcpListener, TcpStream};

const MS: Duration = Duration::from_millis(1);

/// What can become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 503, and nothing was done.
    Busy,
    /// 500, and nothing was done.
    Broken,
    /// It was done, and the answer is 500.
    DoneThenBroken,
    /// It was done, and the connection is cut.
    DoneThenCut,
    /// It arrives, the connection is cut, and nothing was done.
    CutThere,
    /// The connection is cut in the middle of its answer's body.
    CutBack,
    /// It never arrives, and the connection stays open without an answer.
    Lost,
    /// The connection is cut; a while later it arrives all the same.
    Zombie,
    /// It arrives a second time a while later.
    Twice,
    /// It takes a second or more to arrive.
    SlowThere,
    /// Its answer takes a second or more.
    SlowBack,
}

impl Fault {
    pub const ALL: [Fault; 11] = [
        Fault::Busy,
        Fault::Broken,
        Fault::DoneThenBroken,
        Fault::DoneThenCut,
        Fault::CutThere,
        Fault::CutBack,
        Fault::Lost,
        Fault::Zombie,
        Fault::Twice,
        Fault::SlowThere,
        Fault::SlowBack,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Fault::Busy => "503",
            Fault::Broken => "500, nothing done",
            Fault::DoneThenBroken => "done, then 500",
            Fault::DoneThenCut => "done, then cut",
            Fault::CutThere => "cut, nothing done",
            Fault::CutBack => "cut in its answer",
            Fault::Lost => "lost",
            Fault::Zombie => "lands later",
            Fault::Twice => "delivered twice",
            Fault::SlowThere => "slow request",
            Fault::SlowBack => "slow answer",
        }
    }

    /// Whether it can become of a read, or of a write.
    fn befalls(self, reads: bool) -> bool {
        match self {
            // A read that lands later or twice does nothing, and one that is cut is as good as lost.
            Fault::Zombie | Fault::Twice | Fault::CutThere => !reads,
            // Answers to writes have no body.
            Fault::CutBack => reads,
            _ => true,
        }
    }
}

/// How many requests of a thousand meet each fault, in the order of [`Fault::ALL`].
pub type Rates = [u64; Fault::ALL.len()];

/// How often each fault happened, in the order of [`Fault::ALL`].
pub type Counts = [u64; Fault::ALL.len()];

/// Sees every request that passes, with its body, and the status of its answer; without an answer the
/// request is still to be let through or not.
pub trait Guard: Send + Sync {
    fn lets_pass(&self, request: &Request<Full<Bytes>>, body: &Bytes) -> bool;
    fn answered(&self, _request: &Parts, _status: StatusCode) {}
}

/// The head of a request.
pub type Parts = http::request::Parts;

/// A relay that listens; it ends with the runtime it was started on.
#[derive(Debug, Clone)]
pub struct Relay {
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    upstream: String,
    guard: Option<Arc<dyn Guard>>,
    rates: Rates,
    env: Env,
    dice: Mutex<Dice>,
    /// Nothing goes wrong any more.
    healed: AtomicBool,
    counts: [AtomicU64; Fault::ALL.len()],
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "relay to {}", self.upstream)
    }
}

impl Relay {
    /// One on which nothing fails but what its guard refuses.
    pub async fn guarded(upstream: &str, guard: Arc<dyn Guard>) -> std::io::Result<Relay> {
        Relay::listen(upstream, 0, Rates::default(), Some(guard)).await
    }

    /// Listens on a free port and passes requests on to `upstream`, a host and a port.
    pub async fn start(upstream: &str, seed: u64, rates: Rates) -> std::io::Result<Relay> {
        Relay::listen(upstream, seed, rates, None).await
    }

    async fn listen(
        upstream: &str,
        seed: u64,
        rates: Rates,
        guard: Option<Arc<dyn Guard>>,
    ) -> std::io::Result<Relay> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            guard,
            rates,
            env: Env::system(),
            dice: Mutex::new(Dice::new(seed, 11)),
            healed: AtomicBool::new(false),
            counts: Default::default(),
        });
        let serving = shared.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    serving.env.sleep(20 * MS).await;
                    continue;
                };
                let _unsupported = stream.set_nodelay(true);
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        Ok(Relay { shared, address })
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on nothing new goes wrong; what is late still lands.
    pub fn heal(&self) {
        self.shared.healed.store(true, Ordering::Relaxed);
    }

    pub fn counts(&self) -> Counts {
        std::array::from_fn(|n| self.shared.counts[n].load(Ordering::Relaxed))
    }
}

/// The connection is to be cut.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

type Answer = Result<Response<UnsyncBoxBody<Bytes, Cut>>, Cut>;

impl Shared {
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let shared = self.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let shared = shared.clone();
            async move { shared.answer(request).await }
        });
        let connection = hyper::server::conn::http1::Builder::new();
        // How a connection ends concerns nobody but its client.
        let _ended = connection
            .serve_connection(TokioIo::new(stream), answer)
            .await;
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let request = Request::from_parts(head, Full::new(body.clone()));
        if let Some(guard) = &self.guard {
            if !guard.lets_pass(&request, &body) {
                return Ok(refusal(StatusCode::FORBIDDEN, "AccessDenied"));
            }
            let (head, body) = request.into_parts();
            let seen = head.clone();
            let answer = self.pass(Request::from_parts(head, body)).await?;
            guard.answered(&seen, answer.status());
            return Ok(answer);
        }
        let (fault, long) = self.draw(request.method());
        let Some(fault) = fault else {
            return self.pass(request).await;
        };
        self.counts[fault as usize].fetch_add(1, Ordering::Relaxed);
        match fault {
            Fault::Busy => Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")),
            Fault::Broken => Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")),
            Fault::DoneThenBroken => {
                self.pass(request).await?;
                Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"))
            }
            Fault::DoneThenCut => {
                self.pass(request).await?;
                Err(Cut)
            }
            Fault::CutThere => Err(Cut),
            Fault::CutBack => half(self.pass(request).await?).await,
            // Clients give up by themselves, sooner than that.
            Fault::Lost => {
                self.env.sleep(30_000 * MS).await;
                Err(Cut)
            }
            Fault::Zombie => {
                tokio::spawn(self.later(request, long));
                Err(Cut)
            }
            Fault::Twice => {
                let again = request.clone();
                let answer = self.pass(request).await;
                // To one who was told that nothing was done, a second delivery would be a lie.
                if answer.as_ref().is_ok_and(|a| a.status().is_success()) {
                    tokio::spawn(self.later(again, long));
                }
                answer
            }
            Fault::SlowThere => {
                self.env.sleep(long).await;
                self.pass(request).await
            }
            Fault::SlowBack => {
                let answer = self.pass(request).await;
                self.env.sleep(long).await;
                answer
            }
        }
    }

    /// What becomes of a request, and how long "later" is.
    fn draw(&self, method: &Method) -> (Option<Fault>, Duration) {
        if self.healed.load(Ordering::Relaxed) {
            return (None, Duration::ZERO);
        }
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let long = dice.log_between(500 * MS, 15_000 * MS);
        let mut drawn = dice.below(1000);
        let reads = *method == Method::GET || *method == Method::HEAD;
        for (fault, rate) in Fault::ALL.into_iter().zip(self.rates) {
            if drawn < rate {
                let slow = matches!(fault, Fault::SlowThere | Fault::SlowBack);
                let long = if slow { long / 4 } else { long };
                return (fault.befalls(reads).then_some(fault), long);
            }
            drawn -= rate;
        }
        (None, long)
    }

    async fn later(self: Arc<Self>, request: Request<Full<Bytes>>, long: Duration) {
        self.env.sleep(long).await;
        // Nobody waits for its answer.
        let _unheard = self.pass(request).await;
    }

    async fn pass(&self, request: Request<Full<Bytes>>) -> Answer {
        let stream = TcpStream::connect(&self.upstream).await.map_err(|_| Cut)?;
        let _unsupported = stream.set_nodelay(true);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Cut)?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|_| Cut)?;
        let (mut head, body) = answer.into_parts();
        let length = head.headers.get(http::header::CONTENT_LENGTH).cloned();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        head.headers.remove(http::header::TRANSFER_ENCODING);
        // The answer to HEAD says a length and has no body.
        if let Some(length) = length {
            head.headers.insert(http::header::CONTENT_LENGTH, length);
        }
        Ok(Response::from_parts(head, whole(body)))
    }
}

fn whole(body: Bytes) -> UnsyncBoxBody<Bytes, Cut> {
    let never = |never: std::convert::Infallible| match never {};
    Full::new(body).map_err(never).boxed_unsync()
}

/// The answer with the first half of its body, and then nothing more.
async fn half(answer: Response<UnsyncBoxBody<Bytes, Cut>>) -> Answer {
    let (mut head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    if body.len() < 2 {
        return Err(Cut);
    }
    let length = http::HeaderValue::from(body.len());
    head.headers.insert(http::header::CONTENT_LENGTH, length);
    let first = Frame::data(body.slice(..body.len() / 2));
    let frames = futures::stream::iter([Ok(first), Err(Cut)]);
    Ok(Response::from_parts(
        head,
        StreamBody::new(frames).boxed_unsync(),
    ))
}

fn refusal(status: StatusCode, code: &str) -> Response<UnsyncBoxBody<Bytes, Cut>> {
    let body =
        format!("<Error><Code>{code}</Code><Message>a fault that was asked for</Message></Error>");
    let mut answer = Response::new(whole(Bytes::from(body)));
    *answer.status_mut() = status;
    answer
}
