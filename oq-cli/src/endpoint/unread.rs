//! What is left of a request's body when its answer is there.
//!
//! A refusal often needs no body. If the connection were closed on what the client still sends, the
//! client would see a reset instead of the refusal, or send its next request into a connection that
//! is no more. So a little is read and dropped; if there is more, the answer says that the
//! connection ends with it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use oq_core::env::Env;

/// So much is read and dropped, and for so long.
const MAX_UNREAD: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// A body that can be gone on with after its reader has left.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<Incoming>>);

impl Shared {
    pub fn new(body: Incoming) -> Shared {
        Shared(Arc::new(Mutex::new(body)))
    }

    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is left; false if that was too much.
    pub async fn drain(mut self, env: &Env) -> bool {
        if self.lock().is_end_stream() {
            return true;
        }
        let reading = async {
            let mut left = MAX_UNREAD;
            while let Some(frame) = self.frame().await {
                let read = frame
                    .ok()
                    .and_then(|f| f.into_data().ok())
                    .map_or(0, |d| d.len());
                left = left.saturating_sub(read);
                if left == 0 {
                    return false;
                }
            }
            true
        };
        env.within(PATIENCE, reading).await.unwrap_or(false)
    }
}

impl http_body::Body for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}
