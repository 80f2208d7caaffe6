//! The door to Python: the only crate that knows it.
//!
//! Thin on purpose: it converts arguments and results, and releases the interpreter's lock while native
//! code works.  What each function does is said in `python/tulle/_native.pyi`.

#![allow(missing_docs)]
// Arguments are Python's keywords, and tuples what it takes apart.
#![allow(clippy::too_many_arguments, clippy::type_complexity)]

mod bridging;
mod capabilities;
mod connections;
mod controller;
mod counters;
mod datapath;
mod encapsulator;
mod error;
mod event;
mod frame;
mod handed_over;
mod health;
mod queueing;
mod session;
mod switch;
mod telemetry;
mod text;
mod tunnels;
mod values;

use pyo3::prelude::*;

#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("NativeError", module.py().get_type::<error::NativeError>())?;
    module.add_function(wrap_pyfunction!(text::canonical_flow, module)?)?;
    module.add_function(wrap_pyfunction!(text::canonical_match, module)?)?;
    module.add_function(wrap_pyfunction!(frame::emit_frame, module)?)?;
    module.add_function(wrap_pyfunction!(frame::icmp_error, module)?)?;
    module.add_function(wrap_pyfunction!(capabilities::probe_kernel, module)?)?;
    module.add_function(wrap_pyfunction!(capabilities::device_features, module)?)?;
    module.add_function(wrap_pyfunction!(connections::export_connections, module)?)?;
    module.add_function(wrap_pyfunction!(connections::import_connections, module)?)?;
    module.add_class::<switch::Switch>()?;
    module.add_class::<session::SwitchSession>()?;
    module.add_class::<controller::ControllerSession>()?;
    module.add_class::<datapath::Datapath>()?;
    module.add_class::<encapsulator::Encapsulator>()?;
    Ok(())
}
