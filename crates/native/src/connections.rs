//! Connections that move from one switch to another, as lines of text.

use std::net::IpAddr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tulle_datapath::conntrack::Record;

use crate::error::NativeError;
use crate::switch::{Switch, detached};

#[pyfunction]
#[pyo3(signature = (switch, zone, addresses, most, lenient_ms = 0))]
pub(crate) fn export_connections(
    py: Python<'_>,
    switch: PyRef<'_, Switch>,
    zone: u16,
    addresses: Vec<String>,
    most: usize,
    lenient_ms: u32,
) -> PyResult<Vec<String>> {
    let addresses: Result<Vec<IpAddr>, _> = addresses.iter().map(|one| one.parse()).collect();
    let addresses = addresses.map_err(|error| PyValueError::new_err(error.to_string()))?;
    let native = &switch.switch;
    let lenient_ns = u64::from(lenient_ms) * 1_000_000;
    detached(py, || native.export_connections(zone, addresses, most, lenient_ns))
}

#[pyfunction]
#[pyo3(signature = (switch, zone, lines, lenient_ms))]
pub(crate) fn import_connections(
    py: Python<'_>,
    switch: PyRef<'_, Switch>,
    zone: u16,
    lines: Vec<String>,
    lenient_ms: u32,
) -> PyResult<(usize, usize, usize)> {
    let records: Result<Vec<Record>, _> = lines.iter().map(|line| line.parse()).collect();
    let records = records.map_err(|error| NativeError::new_err(error.to_string()))?;
    let native = &switch.switch;
    let done = detached(py, || native.import_connections(zone, records, u64::from(lenient_ms) * 1_000_000))?;
    Ok((done.added, done.updated, done.refused))
}
