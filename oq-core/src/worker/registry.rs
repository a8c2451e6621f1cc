//! Which handler runs which task type. Names are looked up here and nowhere else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::Context;
use super::error::TaskError;
use crate::env::BoxFuture;
use crate::record::{Json, TaskType};

/// A handler with its input and output as JSON.
pub type Handler =
    Arc<dyn Fn(Context, Json) -> BoxFuture<'static, Result<Json, TaskError>> + Send + Sync>;

/// The handlers of a worker.
#[derive(Clone, Default)]
pub struct Registry {
    handlers: BTreeMap<TaskType, Handler>,
}

impl Registry {
    /// Whether there is a handler for this type.
    pub fn knows(&self, task_type: &TaskType) -> bool {
        self.handlers.contains_key(task_type)
    }

    /// The handler for this type.
    pub fn get(&self, task_type: &TaskType) -> Option<Handler> {
        self.handlers.get(task_type).cloned()
    }

    /// The types that have a handler.
    pub fn types(&self) -> impl Iterator<Item = &TaskType> {
        self.handlers.keys()
    }

    /// Adds a handler; `false` if the type had one already.
    pub fn add(&mut self, task_type: TaskType, handler: Handler) -> bool {
        self.handlers.insert(task_type, handler).is_none()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.handlers.keys()).finish()
    }
}

/// A handler over types, with serde at both ends. An input of another form fails for good.
pub fn typed<I, O, E, F, Fut>(handler: F) -> Handler
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + 'static,
    E: Into<TaskError> + 'static,
    F: Fn(Context, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
{
    Arc::new(move |context, input| {
        let run = input.to::<I>().map(|input| handler(context, input));
        Box::pin(async move {
            let output = match run {
                Ok(run) => run.await.map_err(Into::into)?,
                Err(e) => {
                    return Err(TaskError::of_kind(
                        "input",
                        format!("not what the handler takes: {e}"),
                    )
                    .into_fatal());
                }
            };
            Json::of(&output).map_err(|e| TaskError::fatal(format!("its result: {e}")))
        })
    })
}
