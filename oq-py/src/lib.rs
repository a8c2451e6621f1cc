//! The private module `oq._oq`: one queue, synchronous, JSON texts in and out. The package around
//! it is in `python/oq`; what anything means is decided in `oq-core`.

mod errors;
mod queue;

use pyo3::prelude::*;

/// One queue of an object store.
#[pymodule]
fn _oq(module: &Bound<'_, PyModule>) -> PyResult<()> {
    errors::add(module)?;
    module.add_class::<queue::Queue>()?;
    module.add_function(wrap_pyfunction!(queue::connect, module)?)
}
