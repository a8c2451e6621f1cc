//! Lambda's runtime: asks it for events, and hands answers back.

use std::time::Duration;

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use oq_core::words::said;
use serde_json::value::RawValue;

use crate::answer::Failed;
use crate::begin::log;
use crate::function::Function;
use crate::settings::LAMBDA;

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Diagnostic {
        Diagnostic {
            error_type: failed.code().to_owned(),
            error_message: failed.to_string(),
        }
    }
}

impl Function {
    /// Answers invocations until Lambda ends the process, and logs as [`log`] says, unless the program
    /// does so already. Whatever the function needs is to be opened
    /// before, in the time that Lambda grants for it.
    ///
    /// # Errors
    ///
    /// When Lambda's runtime cannot be asked, as outside of Lambda.
    pub async fn run(self) -> Result<(), Error> {
        log()?;
        // The runtime's own crate panics.
        if let Some(missing) = LAMBDA.iter().find(|name| said(name).is_none()) {
            return Err(format!("{missing} is not set, as it is in a function").into());
        }
        let function = &self;
        lambda_runtime::run(service_fn(
            move |event: LambdaEvent<Box<RawValue>>| async move {
                let deadline = Duration::from_millis(event.context.deadline);
                let (document, id) = (event.payload.get(), &event.context.request_id);
                let answer = function.answer_by(document, deadline, Some(id)).await;
                answer.map_err(Diagnostic::from)
            },
        ))
        .await
    }
}
