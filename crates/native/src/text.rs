//! Flows and matches as text.

use pyo3::prelude::*;
use tulle_flow::{Action, Flow, Match};

use crate::error::refused;

#[pyfunction]
pub(crate) fn canonical_flow(text: &str) -> PyResult<String> {
    Ok(parse_flow(text)?.to_string())
}

#[pyfunction]
pub(crate) fn canonical_match(text: &str) -> PyResult<String> {
    Ok(text.parse::<Match>().map_err(refused)?.to_string())
}

pub(crate) fn parse_flow(text: &str) -> PyResult<Flow> {
    text.parse().map_err(|error| refused(format!("{text}: {error}")))
}

/// Actions as in `actions=…`, without that word.
pub(crate) fn parse_actions(text: &str) -> PyResult<Vec<Action>> {
    Ok(parse_flow(&format!("actions={text}"))?.actions)
}
