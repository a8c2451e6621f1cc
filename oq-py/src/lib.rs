//! The private module `oq._oq`: requests to the store, and a worker's side of its handlers, with
//! JSON texts in and out. The package around it is in `python/oq`; what anything means is decided
//! in `oq-core`.
//!
//! No thread of the [`runtime`] ever takes the GIL, so that a handler that holds it stops neither
//! the renewal of leases nor other requests. Whatever Python is to know waits in a [`mailbox`] until
//! Python's own thread fetches it.

mod bridge;
mod client;
mod crash;
mod draft;
mod errors;
mod events;
mod job;
mod lambda;
mod logs;
mod mailbox;
mod many;
mod request;
mod runtime;
mod silence;
mod testing;
mod worker;

use std::ffi::OsString;
use std::process::ExitCode;

use oq_core::queue::TaskState;
use oq_core::record::{Failure, MAX_ATTEMPTS, MAX_SPAN};
use oq_core::worker::Drain;
use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Requests, workers, and the command line.
#[pymodule]
fn _oq(module: &Bound<'_, PyModule>) -> PyResult<()> {
    if !is_main_interpreter() {
        // As Python says it itself where it can tell; `_pythons.py` says what to do.
        let why = "module _oq does not support loading in subinterpreters";
        return Err(PyImportError::new_err(why));
    }
    errors::add(module)?;
    module.add_class::<bridge::Bridge>()?;
    module.add_class::<client::Client>()?;
    module.add_class::<draft::Draft>()?;
    module.add_class::<events::Event>()?;
    module.add_class::<job::Job>()?;
    module.add_class::<lambda::Function>()?;
    module.add_class::<many::Ids>()?;
    module.add_class::<many::Many>()?;
    module.add_class::<request::Request>()?;
    module.add_class::<testing::TestClock>()?;
    module.add_class::<logs::Line>()?;
    module.add_class::<worker::Letters>()?;
    module.add_class::<worker::Worker>()?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    // Benchmarks refuse what is not.
    module.add("__optimised__", cfg!(optimised))?;
    module.add("MAX_ATTEMPTS", MAX_ATTEMPTS)?;
    module.add("MAX_SPAN", MAX_SPAN.as_secs_f64())?;
    module.add("LEAST_DRAIN", Drain::LEAST.as_secs_f64())?;
    module.add_function(wrap_pyfunction!(command, module)?)?;
    module.add_function(wrap_pyfunction!(exit_code, module)?)?;
    module.add_function(wrap_pyfunction!(seconds, module)?)?;
    module.add_function(wrap_pyfunction!(check_seconds, module)?)?;
    module.add_function(wrap_pyfunction!(check_queue, module)?)?;
    module.add_function(wrap_pyfunction!(named_queue, module)?)?;
    module.add_function(wrap_pyfunction!(first_line, module)?)?;
    module.add_function(wrap_pyfunction!(states, module)?)
}

/// PyO3's own check leaves out modules that are initialised in several phases, as this one is.
fn is_main_interpreter() -> bool {
    // SAFETY: an interpreter that loads a module is there, and has an id.
    unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) == 0 }
}

/// Runs the command line; the arguments begin with the program's name. Returns the exit code.
#[pyfunction]
fn command(py: Python<'_>, args: Vec<OsString>) -> u8 {
    let code = py.detach(|| oq_cli::main(args));
    // An exit code does not tell its number; it can be compared.
    let number = (0..=u8::MAX).find(|number| ExitCode::from(*number) == code);
    number.unwrap_or(1)
}

/// The exit code of a command that meets an error with this code.
#[pyfunction]
fn exit_code(code: &str) -> u8 {
    oq_cli::exit_code(code)
}

/// The seconds of a duration like `1h30m`.
#[pyfunction]
fn seconds(py: Python<'_>, text: &str) -> PyResult<f64> {
    let duration = oq_core::span::parse(text).map_err(|e| errors::raise(py, e))?;
    Ok(duration.as_secs_f64())
}

/// Raises `Invalid` unless so many seconds are a duration.
#[pyfunction]
fn check_seconds(py: Python<'_>, what: &str, value: f64) -> PyResult<()> {
    let checked = draft::seconds(what, value);
    checked.map(drop).map_err(|e| errors::raise(py, e))
}

/// Raises `Invalid` unless a queue may have this name.
#[pyfunction]
fn check_queue(py: Python<'_>, name: &str) -> PyResult<()> {
    let checked = oq_core::record::QueueName::new(name);
    checked.map(drop).map_err(|e| errors::raise(py, e))
}

/// The queue that `OQ_QUEUE` names, if it names one.
#[pyfunction]
fn named_queue(py: Python<'_>) -> PyResult<Option<String>> {
    let named = oq_core::words::queue().map_err(|e| errors::raise(py, e))?;
    Ok(named.map(|name| name.as_str().to_owned()))
}

/// The first line of a failure's message that says something.
#[pyfunction]
fn first_line(message: &str) -> &str {
    Failure::first_line(message)
}

/// The words for where a task can stand, and whether it is over then.
#[pyfunction]
fn states() -> Vec<(&'static str, bool)> {
    TaskState::ALL
        .map(|state| (state.as_str(), state.is_over()))
        .to_vec()
}
