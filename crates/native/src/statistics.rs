//! What a switch has counted, as dictionaries.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tulle_datapath::CacheStats;
use tulle_switch::{ConnectionCounts, PortCounters};

/// Connections that are tracked, by zone and in all, and what became of others.
pub(crate) fn emit_connections(py: Python<'_>, counts: ConnectionCounts) -> PyResult<Bound<'_, PyDict>> {
    let found = PyDict::new(py);
    found.set_item("current", counts.current)?;
    found.set_item("limit", counts.limit)?;
    found.set_item("zones", counts.zones)?;
    found.set_item("default_limit", counts.default_limit)?;
    found.set_item("limits", counts.limits)?;
    found.set_item("created", counts.stats.created)?;
    found.set_item("expired", counts.stats.expired)?;
    found.set_item("evicted", counts.stats.evicted)?;
    found.set_item("invalid", counts.stats.invalid)?;
    Ok(found)
}

/// Frames and bytes of a port.
pub(crate) fn emit_port<'py>(py: Python<'py>, counters: &PortCounters) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    found.set_item("rx_packets", counters.rx_packets)?;
    found.set_item("rx_bytes", counters.rx_bytes)?;
    found.set_item("rx_dropped", counters.rx_dropped)?;
    found.set_item("rx_errors", 0)?;
    found.set_item("tx_packets", counters.tx_packets)?;
    found.set_item("tx_bytes", counters.tx_bytes)?;
    found.set_item("tx_dropped", counters.tx_dropped)?;
    found.set_item("tx_errors", 0)?;
    Ok(found)
}

/// How well the flow cache works.
pub(crate) fn emit_cache<'py>(py: Python<'py>, stats: &CacheStats) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    found.set_item("hits", stats.hits)?;
    found.set_item("misses", stats.misses)?;
    found.set_item("entries", stats.entries)?;
    found.set_item("limit", stats.limit)?;
    found.set_item("masks", stats.masks)?;
    Ok(found)
}
