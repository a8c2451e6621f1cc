//! Lambda's runtime: asks it for events, and hands answers back.

use std::time::{Duration, UNIX_EPOCH};

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;

use crate::answer::{Answer, Failed};
use crate::function::{Function, Time};

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Diagnostic {
        Diagnostic {
            error_type: failed.code().to_owned(),
            error_message: failed.to_string(),
        }
    }
}

impl Function {
    /// Answers invocations until Lambda ends the process. Whatever the function needs is to be opened
    /// before, in the time that Lambda grants for it.
    ///
    /// # Errors
    ///
    /// When Lambda's runtime cannot be asked, as outside of Lambda.
    pub async fn run(self) -> Result<(), Error> {
        let (function, clock) = (&self, &Watch::default());
        lambda_runtime::run(service_fn(
            move |event: LambdaEvent<Box<RawValue>>| async move {
                let time = clock.read(Duration::from_millis(event.context.deadline));
                let answer = function.answer(event.payload.get(), time).await;
                match &answer {
                    Ok(answer) => log(answer),
                    Err(failed) => tracing::error!(code = failed.code(), error = %failed, "failed"),
                }
                answer.map_err(Diagnostic::from)
            },
        ))
        .await
    }
}

/// One line for each invocation.
fn log(answer: &Answer) {
    let said = serde_json::to_string(answer).unwrap_or_default();
    tracing::info!(answer = said, "answered");
}

/// The machine's clock, which is read for one thing only: Lambda's deadlines are times of day. Right
/// after a freeze it may be behind; no invocation has more time than the first one had.
#[derive(Debug, Default)]
struct Watch(std::sync::OnceLock<Duration>);

impl Watch {
    fn read(&self, deadline: Duration) -> Time {
        #[allow(clippy::disallowed_methods)]
        let now = std::time::SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let left = deadline.saturating_sub(now);
        Time {
            left: left.min(*self.0.get_or_init(|| left)),
            deadline: Some(deadline),
        }
    }
}
