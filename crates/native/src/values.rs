//! Native values as Python ones, where more than one class needs them.

use std::net::IpAddr;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tulle_datapath::{DropReason, PacketIn, Trace, TunnelKey};
use tulle_flow::{Field, Key};

use crate::bridging;
use crate::error::refused;

/// (id, source, destination) of a tunnel.
pub(crate) type TunnelTuple = (u64, String, String);

pub(crate) fn parse_tunnel(tunnel: Option<TunnelTuple>) -> PyResult<Option<TunnelKey>> {
    let Some((id, src, dst)) = tunnel else { return Ok(None) };
    let key = TunnelKey { id, ..TunnelKey::default() };
    match (parse_ip(&src)?, parse_ip(&dst)?) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Ok(Some(TunnelKey { src, dst, ..key })),
        (IpAddr::V6(ipv6_src), IpAddr::V6(ipv6_dst)) => Ok(Some(TunnelKey { ipv6_src, ipv6_dst, ..key })),
        _ => Err(refused(format!("{src} and {dst} are of different families"))),
    }
}

pub(crate) fn tunnel_tuple(tunnel: Option<TunnelKey>) -> Option<TunnelTuple> {
    tunnel.map(|key| match key.ipv6_src.is_unspecified() && key.ipv6_dst.is_unspecified() {
        true => (key.id, key.src.to_string(), key.dst.to_string()),
        false => (key.id, key.ipv6_src.to_string(), key.ipv6_dst.to_string()),
    })
}

pub(crate) fn parse_ip(text: &str) -> PyResult<IpAddr> {
    text.parse().map_err(|_| refused(format!("expected an IP address, got {text:?}")))
}

/// Six bytes with colons.
pub(crate) fn parse_mac(text: &str) -> PyResult<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    let mac = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok());
    mac.ok_or_else(|| refused(format!("expected a MAC address, got {text:?}")))
}

pub(crate) fn emit_mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// The registers that are not zero, by name.
pub(crate) fn registers(py: Python<'_>, value: impl Fn(Field) -> u128) -> PyResult<Bound<'_, PyDict>> {
    let found = PyDict::new(py);
    for field in Field::ALL.iter().copied().filter(|field| field.name().starts_with("reg")) {
        if value(field) != 0 {
            found.set_item(field.name(), value(field) as u64)?;
        }
    }
    Ok(found)
}

pub(crate) fn packet_in<'py>(
    py: Python<'py>,
    table: u8,
    cookie: u64,
    key: &Key,
) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    found.set_item("table", table)?;
    found.set_item("cookie", cookie)?;
    found.set_item("metadata", key.field(Field::Metadata) as u64)?;
    found.set_item("in_port", key.field(Field::InPort) as u32)?;
    found.set_item("registers", registers(py, |field| key.field(field))?)?;
    Ok(found)
}

/// A trace, or the reason for which the packet was dropped before any table.
pub(crate) fn trace<'py>(py: Python<'py>, traced: Result<Trace, DropReason>) -> PyResult<Bound<'py, PyDict>> {
    let traced = match traced {
        Ok(traced) => traced,
        Err(reason) => return early_drop(py, reason),
    };
    let found = PyDict::new(py);
    found.set_item("steps", steps(py, &traced)?)?;
    found.set_item("operations", &traced.operations)?;
    found.set_item("passes", bridging::passes(py, &traced.passes)?)?;
    found.set_item("outputs", outputs(py, &traced)?)?;
    let packet_ins = PyList::empty(py);
    for PacketIn { table, cookie, key, .. } in &traced.packet_ins {
        packet_ins.append(packet_in(py, *table, *cookie, key)?)?;
    }
    found.set_item("controller", packet_ins)?;
    found.set_item("drops", traced.drops.iter().map(|drop| drop.reason.name()).collect::<Vec<_>>())?;
    Ok(found)
}

fn early_drop(py: Python<'_>, reason: DropReason) -> PyResult<Bound<'_, PyDict>> {
    let found = PyDict::new(py);
    for empty in ["steps", "operations", "passes", "outputs", "controller"] {
        found.set_item(empty, PyList::empty(py))?;
    }
    found.set_item("drops", vec![reason.name()])?;
    Ok(found)
}

fn steps<'py>(py: Python<'py>, traced: &Trace) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for step in &traced.steps {
        let entry = PyDict::new(py);
        entry.set_item("table", step.table)?;
        entry.set_item("depth", step.depth)?;
        let flow = step.flow.as_ref();
        entry.set_item("priority", flow.map(|flow| flow.priority))?;
        entry.set_item("cookie", flow.map(|flow| flow.cookie))?;
        entry.set_item("match", flow.map(|flow| flow.matching.as_str()))?;
        entry.set_item("actions", flow.map(|flow| flow.actions.as_str()))?;
        list.append(entry)?;
    }
    Ok(list)
}

fn outputs<'py>(py: Python<'py>, traced: &Trace) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for output in &traced.outputs {
        let entry = PyDict::new(py);
        entry.set_item("port", output.port)?;
        entry.set_item("tunnel", tunnel_tuple(output.tunnel).into_py_any(py)?)?;
        entry.set_item("frame", PyBytes::new(py, &output.frame))?;
        list.append(entry)?;
    }
    Ok(list)
}
