//! Lambda on this machine: an emulator of the API that functions ask for events, a process that runs a
//! function against it, and a bucket that tells of its writes. For tests, measurements and `oq lambda
//! invoke --local`; only on the loopback address.

mod bucket;
mod process;
mod routes;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use oq_core::env::Env;
use tokio::process::Command;

use crate::settings::LAMBDA;
pub use bucket::{Bucket, created, event, record};
use process::Process;
pub use routes::Invoked;
use routes::Shared;

/// The emulated API.
#[derive(Debug)]
pub struct Emulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl Emulator {
    /// Serves the API on a free port.
    ///
    /// # Errors
    ///
    /// When the machine has no port for it.
    pub async fn start() -> std::io::Result<Emulator> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let serving = tokio::spawn(routes::serve(listener, shared.clone()));
        Ok(Emulator {
            shared,
            address,
            serving,
        })
    }

    /// Where it listens, as `AWS_LAMBDA_RUNTIME_API` says it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A function that runs on this machine. It ends with this value, and what it started ends with it.
#[derive(Debug)]
pub struct Local {
    // Dropped first: its programs are known by the emulator's address, which is free afterwards.
    process: Process,
    emulator: Emulator,
    timeout: Duration,
    /// How far the function's clock is behind Lambda's.
    frozen: Duration,
}

/// Why a local invocation has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Died {
    /// Lambda would have stopped it.
    #[error("the function did not answer within {0:?}, and was killed as Lambda would")]
    TimedOut(Duration),
    /// Its process ended.
    #[error("the function ended without an answer ({0}); what it said is above")]
    Ended(String),
    /// It could not begin.
    #[error("the function could not begin: {0}")]
    Init(String),
}

impl Local {
    /// Starts a function's program with this environment beside the own one. What it logs goes to
    /// stderr.
    ///
    /// # Errors
    ///
    /// When the program cannot be started.
    pub async fn start<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        program: &Path,
        environment: impl IntoIterator<Item = (K, V)>,
        timeout: Duration,
    ) -> std::io::Result<Local> {
        let emulator = Emulator::start().await?;
        let api = emulator.address().to_string();
        let [address, others @ ..] = LAMBDA;
        let mut command = Command::new(program);
        command
            .envs(others.into_iter().zip(["local", "256", "$LATEST"]))
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(std::io::stderr());
        Ok(Local {
            process: Process::spawn(&mut command, (address, &api))?,
            emulator,
            timeout,
            frozen: Duration::ZERO,
        })
    }

    /// The id of its process.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits until it asks for its first event: what it opens at the beginning is open.
    ///
    /// # Errors
    ///
    /// [`Died`], if it does not come so far.
    pub async fn ready(&mut self) -> Result<(), Died> {
        let shared = self.emulator.shared.clone();
        tokio::select! {
            biased;
            () = shared.asked() => Ok(()),
            why = shared.failed_to_begin() => Err(Died::Init(why)),
            status = self.process.wait() => Err(ended(status)),
        }
    }

    /// As if its sandbox had been frozen for so long, and its clock with it: from now on Lambda's
    /// clock, by which deadlines are set, is that much ahead of the function's.
    pub fn freeze(&mut self, time: Duration) {
        self.frozen += time;
    }

    /// One invocation, a request of its own: its answer, or its error.
    ///
    /// # Errors
    ///
    /// [`Died`], after which there are no more.
    pub async fn invoke(&mut self, event: &str) -> Result<Invoked, Died> {
        let env = Env::system();
        let (first, last) = (env.below(1 << 32), env.below(1 << 48));
        let request = format!("{first:08x}-0000-4000-8000-{last:012x}");
        self.invoke_as(&request, event).await
    }

    /// One invocation of the request with this id, as Lambda makes several when they fail.
    ///
    /// # Errors
    ///
    /// As [`Local::invoke`].
    pub async fn invoke_as(&mut self, request: &str, event: &str) -> Result<Invoked, Died> {
        let shared = self.emulator.shared.clone();
        let until = self.frozen + self.timeout;
        let answer = shared.invoke(request.to_owned(), event.to_owned(), until);
        let env = Env::system();
        let answered = tokio::select! {
            biased;
            answer = env.within(self.timeout, answer) => answer,
            why = shared.failed_to_begin() => return Err(Died::Init(why)),
            status = self.process.wait() => return Err(ended(status)),
        };
        match answered {
            Some(invoked) => Ok(invoked),
            None => {
                self.process.kill().await;
                Err(Died::TimedOut(self.timeout))
            }
        }
    }
}

fn ended(status: std::io::Result<std::process::ExitStatus>) -> Died {
    Died::Ended(status.map_or_else(|e| e.to_string(), |status| status.to_string()))
}
