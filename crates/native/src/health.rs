//! The health of tunnels, as Python says what is watched and as it is told of it.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tulle_switch::tulle_bfd::{ControlPacket, Encapsulation, Settings};
use tulle_switch::{HealthSettings, HealthStatus};

use crate::error::refused;
use crate::values::parse_mac;

const NS_PER_MS: i64 = 1_000_000;

/// A session's settings from their keys in a dictionary; those of `_native.pyi`.
pub(crate) fn parse_health(from: &Bound<'_, PyDict>) -> PyResult<HealthSettings> {
    let session = Settings {
        min_rx_ms: value(from, "min_rx_ms")?,
        min_tx_ms: value(from, "min_tx_ms")?,
        decay_min_rx_ms: value(from, "decay_min_rx_ms")?,
        multiplier: value(from, "multiplier")?,
        forwarding_if_rx: value(from, "forwarding_if_rx")?,
        cpath_down: value(from, "cpath_down")?,
    };
    let mac = |name: &str| value::<Option<String>>(from, name)?.map(|mac| parse_mac(&mac)).transpose();
    let address = |name: &str| value::<String>(from, name)?.parse().map_err(refused);
    let usual = Encapsulation::default();
    let headers = Encapsulation {
        source_mac: mac("source_mac")?.unwrap_or(usual.source_mac),
        destination_mac: mac("destination_mac")?.unwrap_or(usual.destination_mac),
        source: address("source")?,
        destination: address("destination")?,
        accepted_mac: mac("accepted_mac")?,
    };
    let (check_key, oam) = (value(from, "check_key")?, value(from, "oam")?);
    Ok(HealthSettings { session, headers, check_key, oam })
}

fn value<'py, T: FromPyObjectOwned<'py>>(from: &Bound<'py, PyDict>, name: &str) -> PyResult<T> {
    let found = from.get_item(name)?.ok_or_else(|| refused(format!("a session needs {name}")))?;
    found.extract().map_err(|_| refused(format!("{name} of a session cannot be {found}")))
}

/// What is known of a session; moments become milliseconds from now.
pub(crate) fn emit_health<'py>(py: Python<'py>, status: &HealthStatus) -> PyResult<Bound<'py, PyDict>> {
    let session = &status.session;
    let from_now = |at: Option<u64>| at.map(|at| (at as i64 - status.now_ns as i64) / NS_PER_MS);
    let found = PyDict::new(py);
    found.set_item("forwarding", session.is_forwarding)?;
    found.set_item("flaps", session.flaps)?;
    found.set_item("multiplier", status.settings.multiplier)?;
    found.set_item("cpath_down", status.settings.cpath_down)?;
    found.set_item("tx_interval_ms", session.tx_interval_ns as i64 / NS_PER_MS)?;
    found.set_item("rx_interval_ms", session.rx_interval_ns as i64 / NS_PER_MS)?;
    found.set_item("detects_in_ms", from_now(session.detects_at_ns))?;
    found.set_item("sends_in_ms", from_now(session.sends_at_ns))?;
    found.set_item("sent_in_ms", from_now(session.sent_at_ns))?;
    found.set_item("local", emit_packet(py, &session.local)?)?;
    found.set_item("remote", emit_packet(py, &session.remote)?)?;
    Ok(found)
}

fn emit_packet<'py>(py: Python<'py>, packet: &ControlPacket) -> PyResult<Bound<'py, PyDict>> {
    let flags = [
        (packet.poll, "poll"),
        (packet.is_final, "final"),
        (packet.control_plane_independent, "cpi"),
        (packet.demand, "demand"),
    ];
    let flags: Vec<&str> = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect();
    let found = PyDict::new(py);
    found.set_item("flags", flags)?;
    found.set_item("state", packet.state.name())?;
    found.set_item("diagnostic", packet.diagnostic.name())?;
    found.set_item("discriminator", packet.my_discriminator)?;
    found.set_item("min_tx_ms", packet.desired_min_tx_us / 1000)?;
    found.set_item("min_rx_ms", packet.required_min_rx_us / 1000)?;
    found.set_item("multiplier", packet.multiplier)?;
    Ok(found)
}
