//! What collectors are told, out of Python's dictionaries.

use std::net::SocketAddr;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use tulle_switch::{
    BridgeIpfixSettings, IpfixConfig, IpfixSettings, NetflowConfig, NetflowSettings, SflowSettings,
    TelemetryCounts, TelemetrySettings,
};

use crate::bridging::value;
use crate::error::refused;

type Dict<'a, 'py> = &'a Bound<'py, PyDict>;

const SECOND_NS: u64 = 1_000_000_000;

pub(crate) fn parse_telemetry(dict: Dict<'_, '_>) -> PyResult<TelemetrySettings> {
    let sets = dict.as_any().get_item("collector_sets")?.cast_into::<PyDict>().map_err(refused)?;
    let set = |(number, settings): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let settings = settings.cast_into::<PyDict>().map_err(refused)?;
        Ok((number.extract()?, parse_ipfix(&settings)?))
    };
    Ok(TelemetrySettings {
        sflow: part(dict, "sflow", parse_sflow)?,
        netflow: part(dict, "netflow", parse_netflow)?,
        ipfix: part(dict, "ipfix", parse_bridge_ipfix)?,
        collector_sets: sets.iter().map(set).collect::<PyResult<_>>()?,
    })
}

/// A dictionary in the dictionary, or `None`.
fn part<T>(
    dict: Dict<'_, '_>,
    name: &str,
    parse: impl Fn(Dict<'_, '_>) -> PyResult<T>,
) -> PyResult<Option<T>> {
    let found = dict.as_any().get_item(name)?;
    if found.is_none() {
        return Ok(None);
    }
    parse(found.cast::<PyDict>().map_err(refused)?).map(Some)
}

fn targets(dict: Dict<'_, '_>) -> PyResult<Vec<SocketAddr>> {
    let texts: Vec<String> = value(dict, "targets")?;
    let parse = |text: &String| {
        text.parse().map_err(|_| refused(format!("expected ADDRESS:PORT of a collector, got {text:?}")))
    };
    texts.iter().map(parse).collect()
}

fn parse_sflow(dict: Dict<'_, '_>) -> PyResult<SflowSettings> {
    let agent: String = value(dict, "agent")?;
    Ok(SflowSettings {
        targets: targets(dict)?,
        agent: agent.parse().map_err(|_| refused(format!("expected an IP address, got {agent:?}")))?,
        sampling: value(dict, "sampling")?,
        header_len: value(dict, "header_bytes")?,
        polling_s: value(dict, "polling_s")?,
    })
}

fn parse_netflow(dict: Dict<'_, '_>) -> PyResult<NetflowSettings> {
    let active_timeout_s: Option<u64> = value(dict, "active_timeout_s")?;
    let config = NetflowConfig {
        active_timeout_ns: active_timeout_s.map(|seconds| seconds.saturating_mul(SECOND_NS)),
        engine_type: value(dict, "engine_type")?,
        engine_id: value(dict, "engine_id")?,
        add_id_to_interface: value(dict, "add_id_to_interface")?,
    };
    Ok(NetflowSettings { targets: targets(dict)?, config })
}

fn parse_ipfix(dict: Dict<'_, '_>) -> PyResult<IpfixSettings> {
    let active_timeout_s: u64 = value(dict, "active_timeout_s")?;
    let config = IpfixConfig {
        active_timeout_ns: active_timeout_s.saturating_mul(SECOND_NS),
        max_flows: value(dict, "max_flows")?,
        virtual_observer: value(dict, "virtual_observer")?,
    };
    Ok(IpfixSettings { targets: targets(dict)?, config })
}

fn parse_bridge_ipfix(dict: Dict<'_, '_>) -> PyResult<BridgeIpfixSettings> {
    Ok(BridgeIpfixSettings {
        exporter: parse_ipfix(dict)?,
        sampling: value(dict, "sampling")?,
        domain: value(dict, "domain")?,
        point: value(dict, "point")?,
        samples_input: value(dict, "samples_input")?,
        samples_output: value(dict, "samples_output")?,
        tells_tunnels: value(dict, "tells_tunnels")?,
    })
}

pub(crate) fn emit_counts<'py>(
    py: Python<'py>,
    counts: Vec<TelemetryCounts>,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for one in counts {
        let entry = PyDict::new(py);
        entry.set_item("exporter", one.exporter)?;
        entry.set_item("flows", one.flows)?;
        entry.set_item("evicted", one.evicted)?;
        entry.set_item("sent", one.sent)?;
        entry.set_item("unsent", one.unsent)?;
        list.append(entry)?;
    }
    Ok(list)
}
