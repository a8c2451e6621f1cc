//! The wishes of whoever runs this program to end it.

use tokio::sync::oneshot;

use crate::failed::Failed;

/// Ctrl-C, the signal of service managers and, if asked for, the end of stdin.
#[derive(Debug)]
pub struct Signals {
    eof: Option<oneshot::Receiver<()>>,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    /// Listens from now on.
    pub fn new(until_eof: bool) -> Result<Signals, Failed> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind)
                .map_err(|e| Failed::unusable(format!("cannot listen for signals: {e}"), ""))
        };
        Ok(Signals {
            eof: until_eof.then(end_of_stdin),
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Completes when one comes.
    #[cfg(unix)]
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            () = ended_stdin(&mut self.eof) => {}
        }
    }

    #[cfg(not(unix))]
    pub fn new(until_eof: bool) -> Result<Signals, Failed> {
        Ok(Signals {
            eof: until_eof.then(end_of_stdin),
        })
    }

    #[cfg(not(unix))]
    pub async fn next(&mut self) {
        tokio::select! {
            _unsupported = tokio::signal::ctrl_c() => {}
            () = ended_stdin(&mut self.eof) => {}
        }
    }
}

/// A thread that reads stdin until there is no more, and then says so.
fn end_of_stdin() -> oneshot::Receiver<()> {
    let (said, heard) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _unreadable = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(said);
    });
    heard
}

/// Completes once, at the end of stdin; never if nobody waits for it.
async fn ended_stdin(eof: &mut Option<oneshot::Receiver<()>>) {
    match eof {
        Some(ended) => {
            let _dropped = ended.await;
            *eof = None;
        }
        None => std::future::pending().await,
    }
}
