//! The core's errors as Python exceptions: one class for each kind, with the same codes.

use oq_core::Error;
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(_oq, OqError, PyException, "Anything that oq reports.");

macro_rules! kinds {
    ($($name:ident = $code:literal: $doc:literal,)*) => {
        $(create_exception!(_oq, $name, OqError, $doc);)*

        /// Puts all classes into the module.
        pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
            let py = module.py();
            let base = py.get_type::<OqError>();
            base.setattr("code", "OQ-ERROR")?;
            base.setattr("ids", Vec::<String>::new())?;
            module.add("OqError", base)?;
            $(
                let class = py.get_type::<$name>();
                class.setattr("code", $code)?;
                module.add(stringify!($name), class)?;
            )*
            Ok(())
        }

        fn of_code(code: &str, message: String) -> PyErr {
            match code {
                $($code => $name::new_err(message),)*
                _ => OqError::new_err(message),
            }
        }
    };
}

kinds! {
    Invalid = "OQ-INVALID": "A name, id, duration, payload or setting is not acceptable; nothing was written.",
    NotFound = "OQ-NOT-FOUND": "There is no such task, or its outcome is past its retention.",
    Conflict = "OQ-CONFLICT": "Something else changed first, or the state does not allow this.",
    Denied = "OQ-DENIED": "Access was refused.",
    Unavailable = "OQ-UNAVAILABLE": "The store did not answer; nothing was accepted.",
    InDoubt = "OQ-IN-DOUBT": "The answer was lost: the tasks in `ids` may have been accepted.",
    Unusable = "OQ-UNUSABLE": "The store or its configuration cannot be used.",
    Unreadable = "OQ-UNREADABLE": "An object in the bucket cannot be understood; it was left alone.",
    TimedOut = "OQ-TIMED-OUT": "Waiting ended before the outcome was there; the task goes on.",
}

/// The exception for an error of the core.
pub fn raise(py: Python<'_>, e: Error) -> PyErr {
    let raised = of_code(e.code(), e.to_string());
    if let Error::InDoubt { ids } = &e {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        if let Err(failed) = raised.value(py).setattr("ids", ids) {
            return failed;
        }
    }
    raised
}
