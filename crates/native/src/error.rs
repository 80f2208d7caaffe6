//! One exception for whatever the native side refuses.

use std::fmt::Display;

use pyo3::PyErr;
use pyo3::create_exception;
use pyo3::exceptions::PyException;

create_exception!(tulle._native, NativeError, PyException, "The native side refused.");

/// Turns any error into the exception, its text kept.
pub(crate) fn refused(error: impl Display) -> PyErr {
    NativeError::new_err(error.to_string())
}
