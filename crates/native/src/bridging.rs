//! A bridge's configuration out of Python's dictionaries.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::{PyAnyMethods, PyDict, PyList, PyListMethods};
use tulle_datapath::{
    BondMode, BridgeConfig, Bundle, FdbStats, Mirror, TablePolicy, TraceEvent, TracedPass, VlanMode,
};
use tulle_switch::TableSettings;

use crate::error::refused;
use crate::values::parse_mac;

/// What the table of learned addresses has counted.
pub(crate) fn emit_fdb_stats(py: Python<'_>, stats: FdbStats) -> PyResult<Bound<'_, PyDict>> {
    let found = PyDict::new(py);
    found.set_item("current", stats.current)?;
    found.set_item("static", stats.current_static)?;
    found.set_item("limit", stats.limit)?;
    found.set_item("learned", stats.learned)?;
    found.set_item("expired", stats.expired)?;
    found.set_item("evicted", stats.evicted)?;
    found.set_item("moved", stats.moved)?;
    Ok(found)
}

type Dict<'a, 'py> = &'a Bound<'py, PyDict>;

pub(crate) fn value<'py, T: for<'a> FromPyObject<'a, 'py, Error = PyErr>>(
    dict: Dict<'_, 'py>,
    name: &str,
) -> PyResult<T> {
    dict.as_any().get_item(name)?.extract()
}

pub(crate) fn parse_config(dict: Dict<'_, '_>) -> PyResult<BridgeConfig> {
    let bundles = dict.as_any().get_item("bundles")?;
    let mirrors = dict.as_any().get_item("mirrors")?;
    Ok(BridgeConfig {
        bundles: dictionaries(&bundles)?.iter().map(parse_bundle).collect::<PyResult<_>>()?,
        mirrors: dictionaries(&mirrors)?.iter().map(parse_mirror).collect::<PyResult<_>>()?,
        flood_vlans: value(dict, "flood_vlans")?,
        mac_aging_s: value(dict, "mac_aging_s")?,
        mac_limit: value(dict, "mac_limit")?,
        forward_bpdu: value(dict, "forward_bpdu")?,
    })
}

/// Groups of bits that cannot be are ignored (`ovs-vswitchd.conf.db(5)`, column `groups` of `Flow_Table`).
pub(crate) fn parse_tables(dict: Dict<'_, '_>) -> PyResult<BTreeMap<u8, TableSettings>> {
    let table = |(number, settings): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let settings = settings.cast_into::<PyDict>().map_err(refused)?;
        let groups: Vec<String> = value(&settings, "groups")?;
        let policy = TablePolicy {
            flow_limit: value(&settings, "flow_limit")?,
            evicts: value(&settings, "evicts")?,
            groups: groups.iter().filter_map(|text| text.parse().ok()).collect(),
        };
        Ok((number.extract()?, TableSettings { name: value(&settings, "name")?, policy }))
    };
    dict.iter().map(table).collect()
}

fn dictionaries<'py>(list: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let list = list.cast::<PyList>().map_err(refused)?;
    list.iter().map(|item| item.cast_into::<PyDict>().map_err(refused)).collect()
}

fn parse_bundle(dict: &Bound<'_, PyDict>) -> PyResult<Bundle> {
    let (mode, bond): (String, String) = (value(dict, "vlan_mode")?, value(dict, "bond")?);
    Ok(Bundle {
        name: value(dict, "name")?,
        members: value(dict, "members")?,
        live: value(dict, "live")?,
        vlan_mode: match mode.as_str() {
            "access" => VlanMode::Access,
            "trunk" => VlanMode::Trunk,
            "native-tagged" => VlanMode::NativeTagged,
            "native-untagged" => VlanMode::NativeUntagged,
            "dot1q-tunnel" => VlanMode::Dot1qTunnel,
            _ => return Err(refused(format!("unknown vlan_mode {mode:?}"))),
        },
        tag: value(dict, "tag")?,
        trunks: value(dict, "trunks")?,
        bond: match bond.as_str() {
            "active-backup" => BondMode::ActiveBackup,
            "balance-slb" => BondMode::BalanceSlb,
            _ => return Err(refused(format!("unknown bond mode {bond:?}"))),
        },
        protected: value(dict, "protected")?,
    })
}

fn parse_mirror(dict: &Bound<'_, PyDict>) -> PyResult<Mirror> {
    Ok(Mirror {
        name: value(dict, "name")?,
        select_all: value(dict, "select_all")?,
        select_sources: value(dict, "select_sources")?,
        select_destinations: value(dict, "select_destinations")?,
        select_vlans: value(dict, "select_vlans")?,
        output_port: value(dict, "output_port")?,
        output_vlan: value(dict, "output_vlan")?,
        snap_len: value(dict, "snap_len")?,
    })
}

/// The walks of a trace, with everything that happened in them.
pub(crate) fn passes<'py>(py: Python<'py>, passes: &[TracedPass]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for pass in passes {
        let entry = PyDict::new(py);
        entry.set_item("id", pass.id)?;
        entry.set_item("ct_state", pass.ct_state)?;
        entry.set_item("flow", &pass.flow)?;
        entry.set_item("megaflow", &pass.megaflow)?;
        entry.set_item("operations", &pass.operations)?;
        entry.set_item("events", pass.events.iter().map(event).collect::<Vec<_>>())?;
        list.append(entry)?;
    }
    Ok(list)
}

/// Kind, depth and text.
fn event(event: &TraceEvent) -> (&'static str, usize, String) {
    match event {
        TraceEvent::Table(step) => {
            let flow = step.flow.as_ref();
            let text = flow.map_or("No match.".to_owned(), |flow| {
                let matching =
                    if flow.matching.is_empty() { String::new() } else { format!("{}, ", flow.matching) };
                let cookie =
                    if flow.cookie == 0 { String::new() } else { format!(", cookie {:#x}", flow.cookie) };
                format!("{matching}priority {}{cookie}", flow.priority)
            });
            ("table", step.depth, format!("{:2}. {text}", step.table))
        }
        TraceEvent::Action { depth, action } => ("action", *depth, action.clone()),
        TraceEvent::Note { depth, text } => ("note", *depth, text.clone()),
    }
}

/// A MAC address as a number.
pub(crate) fn address(text: &str) -> PyResult<u64> {
    let [a, b, c, d, e, f] = parse_mac(text)?;
    Ok(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}
