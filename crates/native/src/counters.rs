//! What a switch has counted, for Python.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use tulle_switch::{Drop, PortCounters};

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
