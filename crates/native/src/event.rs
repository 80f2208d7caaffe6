//! What a switch tells of itself, as dictionaries.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tulle_switch::{Event, PortInfo};

use crate::values::emit_mac;

/// What is known of a new port.
pub(crate) fn emit_info(py: Python<'_>, info: PortInfo) -> PyResult<Bound<'_, PyDict>> {
    let found = PyDict::new(py);
    found.set_item("mac", emit_mac(info.mac))?;
    found.set_item("ifindex", info.ifindex)?;
    found.set_item("mtu", info.mtu)?;
    Ok(found)
}

/// Something that the switch tells its owner.
pub(crate) fn emit_event<'py>(py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    match event {
        Event::SessionReady => found.set_item("event", "session-ready")?,
        Event::SessionOpened { session, version } => {
            found.set_item("event", "session-opened")?;
            found.set_item("session", session)?;
            found.set_item("version", version)?;
        }
        Event::SessionClosed { session, reason } => {
            found.set_item("event", "session-closed")?;
            found.set_item("session", session)?;
            found.set_item("reason", reason)?;
        }
        Event::NextHopNeeded(remote) => {
            found.set_item("event", "next-hop-needed")?;
            found.set_item("remote", remote.to_string())?;
        }
        Event::HealthChanged { port } => {
            found.set_item("event", "health-changed")?;
            found.set_item("port", port)?;
        }
        Event::PortFailed { port, error } => {
            found.set_item("event", "port-failed")?;
            found.set_item("port", port)?;
            found.set_item("error", error)?;
        }
    }
    Ok(found)
}
