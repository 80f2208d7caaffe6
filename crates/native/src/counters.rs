//! What a switch has counted, for Python.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use tulle_datapath::CacheStats;
use tulle_switch::{ConnectionCounts, Drop, PortCounters};

/// By port number, the names of table Interface.
pub(crate) fn emit_port_counters(
    py: Python<'_>,
    ports: BTreeMap<u32, PortCounters>,
) -> PyResult<Bound<'_, PyDict>> {
    let found = PyDict::new(py);
    for (number, counters) in ports {
        let entry = PyDict::new(py);
        entry.set_item("rx_packets", counters.rx_packets)?;
        entry.set_item("rx_bytes", counters.rx_bytes)?;
        entry.set_item("rx_dropped", counters.rx_dropped)?;
        entry.set_item("rx_errors", 0)?;
        entry.set_item("tx_packets", counters.tx_packets)?;
        entry.set_item("tx_bytes", counters.tx_bytes)?;
        entry.set_item("tx_dropped", counters.tx_dropped)?;
        entry.set_item("tx_errors", 0)?;
        found.set_item(number, entry)?;
    }
    Ok(found)
}

/// Lost packets by reason, port and table.
pub(crate) fn emit_drops(py: Python<'_>, drops: Vec<Drop>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for drop in drops {
        let entry = PyDict::new(py);
        entry.set_item("reason", drop.reason)?;
        entry.set_item("port", drop.port)?;
        entry.set_item("table", drop.table)?;
        entry.set_item("packets", drop.packets)?;
        list.append(entry)?;
    }
    Ok(list)
}

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
