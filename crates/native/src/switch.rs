//! The running switch.

use std::collections::BTreeMap;
use std::os::fd::IntoRawFd;
use std::path::PathBuf;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use tulle_datapath::Command;
use tulle_flow::Match;
use tulle_switch::{Flush, PortInfo, SwitchError, TapSettings};

use crate::bridging::{address, emit_fdb_stats, parse_config, parse_tables};
use crate::counters::{emit_cache, emit_connections, emit_drops, emit_port_counters};
use crate::error::refused;
use crate::event::{emit_event, emit_info};
use crate::handed_over::{JournalPair, emit_guards, emit_loaded, parse_guarded, parse_journal};
use crate::health::{emit_health, parse_health};
use crate::queueing::{
    CountersTuple, LimitPair, PortQueuesTuple, emit_counters, parse_counters, parse_limit, parse_queues,
};
use crate::session::{SwitchSession, emit_session, parse_options};
use crate::telemetry::{emit_counts, parse_telemetry};
use crate::text::parse_flow;
use crate::tunnels::{WayTuple, parse_addresses, parse_config as parse_tunnel_config, parse_way};
use crate::values::{self, TunnelTuple, emit_mac, parse_ip, parse_mac, parse_tunnel};

#[pyclass(module = "tulle._native")]
pub(crate) struct Switch {
    pub(crate) switch: tulle_switch::Switch,
}

/// Lets other Python threads run while native code waits.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, SwitchError> + Send,
) -> PyResult<T> {
    py.detach(work).map_err(refused)
}

#[pymethods]
impl Switch {
    #[new]
    fn new(name: &str, datapath_id: u64, seed: u64) -> PyResult<Self> {
        let switch = tulle_switch::Switch::start(name, datapath_id, seed).map_err(refused)?;
        Ok(Switch { switch })
    }

    #[getter]
    fn event_fd(&self) -> i32 {
        self.switch.event_fd()
    }

    fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for event in self.switch.events() {
            list.append(emit_event(py, &event)?)?;
        }
        Ok(list)
    }

    #[pyo3(signature = (number, name, mtu, mac = None, set_up = true))]
    fn add_tap<'py>(
        &self,
        py: Python<'py>,
        number: u32,
        name: String,
        mtu: u32,
        mac: Option<&str>,
        set_up: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let settings = TapSettings { name, mtu, mac: mac.map(parse_mac).transpose()?, set_up };
        let info = detached(py, || self.switch.add_tap(number, &settings))?;
        emit_info(py, info)
    }

    fn configure_bridge(&self, py: Python<'_>, config: &Bound<'_, PyDict>) -> PyResult<()> {
        let config = parse_config(config)?;
        detached(py, || self.switch.configure_bridge(config))
    }

    fn configure_tables(&self, py: Python<'_>, tables: &Bound<'_, PyDict>) -> PyResult<()> {
        let tables = parse_tables(tables)?;
        detached(py, || self.switch.configure_tables(tables))
    }

    fn configure_telemetry(&self, py: Python<'_>, settings: &Bound<'_, PyDict>, seed: u64) -> PyResult<()> {
        let settings = parse_telemetry(settings)?;
        detached(py, || self.switch.configure_telemetry(settings, seed))
    }

    fn telemetry_statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        emit_counts(py, detached(py, || self.switch.telemetry_counts())?)
    }

    fn describe(&self, py: Python<'_>, description: String, serial: String) -> PyResult<()> {
        detached(py, || self.switch.describe(description, serial))
    }

    #[pyo3(signature = (time_us))]
    fn set_busy_poll(&self, py: Python<'_>, time_us: Option<u64>) -> PyResult<()> {
        detached(py, || self.switch.set_busy_poll(time_us.map(Duration::from_micros)))
    }

    fn set_threads(&self, py: Python<'_>, count: usize) -> PyResult<()> {
        detached(py, || self.switch.set_threads(count))
    }

    fn threads(&self, py: Python<'_>) -> PyResult<usize> {
        detached(py, || self.switch.threads())
    }

    fn fdb(&self, py: Python<'_>) -> PyResult<Vec<(u32, u16, String, u64, bool)>> {
        let rows = detached(py, || self.switch.fdb())?;
        let mac = |mac: u64| {
            let [_, _, bytes @ ..] = mac.to_be_bytes();
            emit_mac(bytes)
        };
        Ok(rows.iter().map(|row| (row.port, row.vlan, mac(row.mac), row.age_s, row.is_static)).collect())
    }

    fn fdb_statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        emit_fdb_stats(py, detached(py, || self.switch.fdb_stats())?)
    }

    fn clear_fdb_statistics(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.switch.clear_fdb_stats())
    }

    fn flush_fdb(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.switch.flush_fdb())
    }

    fn add_fdb(&self, py: Python<'_>, vlan: u16, mac: &str, port: u32) -> PyResult<()> {
        let mac = address(mac)?;
        detached(py, || self.switch.add_fdb(vlan, mac, port))
    }

    fn remove_fdb(&self, py: Python<'_>, vlan: u16, mac: &str) -> PyResult<bool> {
        let mac = address(mac)?;
        detached(py, || self.switch.remove_fdb(vlan, mac))
    }

    fn mirror_statistics(&self, py: Python<'_>) -> PyResult<Vec<(String, u64, u64)>> {
        let rows = detached(py, || self.switch.mirror_stats())?;
        Ok(rows.into_iter().map(|(name, traffic)| (name, traffic.packets, traffic.bytes)).collect())
    }

    #[pyo3(signature = (zone, most))]
    fn connections(&self, py: Python<'_>, zone: Option<u16>, most: usize) -> PyResult<Vec<String>> {
        detached(py, || self.switch.connection_lines(zone, most))
    }

    #[pyo3(signature = (zone = None, parts = Vec::new()))]
    fn flush_connections(&self, py: Python<'_>, zone: Option<u16>, parts: Vec<String>) -> PyResult<()> {
        let flush = match (zone, parts.is_empty()) {
            (None, true) => Flush::All,
            (Some(zone), true) => Flush::Zone(zone),
            (zone, false) => Flush::Parts(zone, parts),
        };
        detached(py, || self.switch.flush_connections(flush))
    }

    fn connection_counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        emit_connections(py, detached(py, || self.switch.connection_counts())?)
    }

    fn set_connection_limit(&self, py: Python<'_>, limit: usize) -> PyResult<()> {
        detached(py, || self.switch.set_connection_limit(limit))
    }

    #[pyo3(signature = (zone, limit))]
    fn set_zone_limit(&self, py: Python<'_>, zone: Option<u16>, limit: Option<u32>) -> PyResult<()> {
        detached(py, || self.switch.set_zone_limit(zone, limit))
    }

    fn hold(&self, py: Python<'_>, is_held: bool) -> PyResult<()> {
        detached(py, || self.switch.hold(is_held))
    }

    fn adopt_tap(
        &self,
        py: Python<'_>,
        number: u32,
        name: &str,
        descriptor: i32,
        mac: &str,
        ifindex: u32,
        mtu: u32,
    ) -> PyResult<()> {
        let info = PortInfo { mac: parse_mac(mac)?, ifindex, mtu };
        detached(py, || self.switch.adopt_tap(number, name, descriptor, info))
    }

    fn tap_descriptor(&self, py: Python<'_>, number: u32) -> PyResult<i32> {
        Ok(detached(py, || self.switch.tap_descriptor(number))?.into_raw_fd())
    }

    fn adopt_device<'py>(
        &self,
        py: Python<'py>,
        number: u32,
        name: &str,
        descriptor: i32,
        ring_slots: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let info = detached(py, || self.switch.adopt_device(number, name, descriptor, ring_slots))?;
        emit_info(py, info)
    }

    fn device_descriptor(&self, py: Python<'_>, number: u32) -> PyResult<(i32, usize)> {
        let (descriptor, ring_slots) = detached(py, || self.switch.device_descriptor(number))?;
        Ok((descriptor.into_raw_fd(), ring_slots))
    }

    fn adopt_underlay(&self, py: Python<'_>, device: &str, descriptor: i32) -> PyResult<()> {
        detached(py, || self.switch.adopt_underlay(device, descriptor))
    }

    fn underlay_descriptor(&self, py: Python<'_>, device: &str) -> PyResult<i32> {
        Ok(detached(py, || self.switch.underlay_descriptor(device))?.into_raw_fd())
    }

    fn guards(&self, py: Python<'_>) -> PyResult<Vec<(String, Vec<i32>)>> {
        Ok(emit_guards(detached(py, || self.switch.guards())?))
    }

    fn adopt_guard(&self, py: Python<'_>, name: &str, descriptors: Vec<i32>) -> PyResult<()> {
        let what = parse_guarded(name)?;
        detached(py, || self.switch.adopt_guard(what, &descriptors))
    }

    fn drop_guards(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.switch.drop_guards())
    }

    fn note_saved(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.switch.note_saved())
    }

    #[pyo3(signature = (path, journal = None))]
    fn save_flows(&self, py: Python<'_>, path: PathBuf, journal: Option<JournalPair>) -> PyResult<usize> {
        let journal = journal.map(parse_journal);
        detached(py, || self.switch.save_flows(&path, journal))
    }

    #[pyo3(signature = (path, journals = Vec::new()))]
    fn load_flows<'py>(
        &self,
        py: Python<'py>,
        path: Option<PathBuf>,
        journals: Vec<JournalPair>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let journals = journals.into_iter().map(parse_journal).collect();
        emit_loaded(py, detached(py, || self.switch.load_flows(path.as_deref(), journals))?)
    }

    fn begin_journal(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        detached(py, || self.switch.begin_journal(&path))
    }

    fn unsaved(&self, py: Python<'_>) -> PyResult<(u64, bool, Option<String>)> {
        let unsaved = detached(py, || self.switch.unsaved())?;
        Ok((unsaved.journal, unsaved.others, unsaved.problem))
    }

    #[getter]
    fn version(&self, py: Python<'_>) -> PyResult<u64> {
        detached(py, || self.switch.version())
    }

    fn add_device<'py>(&self, py: Python<'py>, number: u32, name: &str) -> PyResult<Bound<'py, PyDict>> {
        let info = detached(py, || self.switch.add_device(number, name))?;
        emit_info(py, info)
    }

    fn add_tunnel(
        &self,
        py: Python<'_>,
        number: u32,
        name: &str,
        config: &Bound<'_, PyDict>,
    ) -> PyResult<()> {
        let config = parse_tunnel_config(config)?;
        detached(py, || self.switch.add_tunnel(number, name, config))
    }

    #[pyo3(signature = (number, settings))]
    fn watch_health(
        &self,
        py: Python<'_>,
        number: u32,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let settings = settings.map(parse_health).transpose()?;
        detached(py, || self.switch.watch_health(number, settings))
    }

    fn health<'py>(&self, py: Python<'py>) -> PyResult<BTreeMap<u32, Bound<'py, PyDict>>> {
        let all = detached(py, || self.switch.health())?;
        all.into_iter().map(|(number, status)| Ok((number, emit_health(py, &status)?))).collect()
    }

    #[pyo3(signature = (number, forced))]
    fn force_forwarding(&self, py: Python<'_>, number: Option<u32>, forced: Option<bool>) -> PyResult<()> {
        detached(py, || self.switch.force_forwarding(number, forced))
    }

    fn add_patch(&self, py: Python<'_>, number: u32, name: &str) -> PyResult<()> {
        detached(py, || self.switch.add_patch(number, name))
    }

    #[pyo3(signature = (number, peer, peer_number))]
    fn connect_patch(
        &self,
        py: Python<'_>,
        number: u32,
        peer: Option<PyRef<'_, Switch>>,
        peer_number: u32,
    ) -> PyResult<()> {
        let peer = peer.map(|switch| (switch.switch.patch_inbox(), peer_number));
        detached(py, || self.switch.connect_patch(number, peer))
    }

    #[pyo3(signature = (number, bits, packets))]
    fn set_policing(
        &self,
        py: Python<'_>,
        number: u32,
        bits: Option<LimitPair>,
        packets: Option<LimitPair>,
    ) -> PyResult<()> {
        let (bits, packets) = (bits.map(parse_limit), packets.map(parse_limit));
        detached(py, || self.switch.set_policing(number, bits, packets))
    }

    #[pyo3(signature = (number, queues))]
    fn set_queues(&self, py: Python<'_>, number: u32, queues: Option<PortQueuesTuple>) -> PyResult<()> {
        let queues = queues.map(parse_queues);
        detached(py, || self.switch.set_queues(number, queues))
    }

    fn set_queue_counters(
        &self,
        py: Python<'_>,
        number: u32,
        counted: BTreeMap<u32, CountersTuple>,
    ) -> PyResult<()> {
        detached(py, || self.switch.set_queue_counters(number, parse_counters(counted)))
    }

    fn queue_counters(&self, py: Python<'_>, number: u32) -> PyResult<BTreeMap<u32, CountersTuple>> {
        Ok(emit_counters(detached(py, || self.switch.queue_counters(number))?))
    }

    fn allow_direct(&self, py: Python<'_>, number: u32, allowed: bool) -> PyResult<()> {
        detached(py, || self.switch.allow_direct(number, allowed))
    }

    fn set_port_state(&self, py: Python<'_>, number: u32, is_up: bool, has_link: bool) -> PyResult<()> {
        detached(py, || self.switch.set_port_state(number, is_up, has_link))
    }

    fn set_datapath_id(&self, datapath_id: u64) {
        self.switch.set_datapath_id(datapath_id);
    }

    fn change_flows(&self, py: Python<'_>, command: &str, flows: Vec<String>) -> PyResult<()> {
        let command = match command {
            "add" => Command::Add,
            "delete" => Command::Delete,
            "delete-strict" => Command::DeleteStrict,
            _ => return Err(refused(format!("unknown command {command:?}"))),
        };
        let flows = flows.iter().map(|text| parse_flow(text)).collect::<PyResult<Vec<_>>>()?;
        detached(py, || self.switch.change_flows(command, flows))
    }

    fn remove_port(&self, py: Python<'_>, number: u32) -> PyResult<()> {
        detached(py, || self.switch.remove_port(number))
    }

    fn open_underlay(&self, py: Python<'_>, device: &str) -> PyResult<()> {
        detached(py, || self.switch.open_underlay(device))
    }

    fn look_at_underlay(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.switch.look_at_underlay())
    }

    fn close_underlay(&self, py: Python<'_>, device: &str) -> PyResult<()> {
        detached(py, || self.switch.close_underlay(device))
    }

    fn set_underlay_addresses(&self, py: Python<'_>, addresses: Vec<String>) -> PyResult<()> {
        let addresses = parse_addresses(&addresses)?;
        detached(py, || self.switch.set_underlay_addresses(addresses))
    }

    #[pyo3(signature = (remote, way))]
    fn set_way(&self, py: Python<'_>, remote: &str, way: Option<WayTuple>) -> PyResult<()> {
        let (remote, way) = (parse_ip(remote)?, parse_way(way)?);
        detached(py, || self.switch.set_way(remote, way))
    }

    fn port_statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        emit_port_counters(py, detached(py, || self.switch.port_counters())?)
    }

    fn drops<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        emit_drops(py, detached(py, || self.switch.drops())?)
    }

    fn cache_statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = emit_cache(py, &detached(py, || self.switch.cache_stats())?)?;
        found.set_item("flows", detached(py, || self.switch.flow_count())?)?;
        Ok(found)
    }

    fn dump_cache(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        detached(py, || self.switch.cache_lines())
    }

    fn flows(&self, py: Python<'_>) -> PyResult<Vec<(String, u64, u64)>> {
        let flows = detached(py, || self.switch.flows())?;
        Ok(flows.into_iter().map(|stats| (stats.flow.to_string(), stats.packets, stats.bytes)).collect())
    }

    #[pyo3(signature = (in_port, frame, tunnel = None, states = Vec::new(), options = ""))]
    fn trace<'py>(
        &self,
        py: Python<'py>,
        in_port: u32,
        frame: &[u8],
        tunnel: Option<TunnelTuple>,
        states: Vec<u32>,
        options: &str,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (frame, tunnel) = (frame.to_vec(), parse_tunnel(tunnel)?);
        let options: Match = options.parse().map_err(refused)?;
        let traced = detached(py, || self.switch.trace(in_port, frame, tunnel, options, states))?;
        values::trace(py, traced)
    }

    #[pyo3(signature = (name = "", kind = "service", probe_s = 0.0, versions = None))]
    fn open_session(
        &self,
        py: Python<'_>,
        name: &str,
        kind: &str,
        probe_s: f64,
        versions: Option<Vec<u8>>,
    ) -> PyResult<SwitchSession> {
        let options = parse_options(name, kind, probe_s, versions)?;
        Ok(SwitchSession { session: detached(py, || self.switch.open_session(options))? })
    }

    #[pyo3(signature = (fd, name = "", kind = "service", probe_s = 0.0, versions = None))]
    fn serve(
        &self,
        py: Python<'_>,
        fd: i32,
        name: &str,
        kind: &str,
        probe_s: f64,
        versions: Option<Vec<u8>>,
    ) -> PyResult<u64> {
        let options = parse_options(name, kind, probe_s, versions)?;
        detached(py, || self.switch.serve(fd, options))
    }

    fn snoop(&self, py: Python<'_>, fd: i32) -> PyResult<()> {
        detached(py, || self.switch.snoop(fd))
    }

    fn close_session(&self, py: Python<'_>, id: u64) -> PyResult<()> {
        detached(py, || self.switch.close_session(id))
    }

    fn sessions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let found = detached(py, || self.switch.sessions())?;
        let entries: PyResult<Vec<_>> = found.into_iter().map(|session| emit_session(py, session)).collect();
        PyList::new(py, entries?)
    }

    #[pyo3(signature = (number, path))]
    fn start_capture(&self, py: Python<'_>, number: Option<u32>, path: PathBuf) -> PyResult<()> {
        detached(py, || self.switch.start_capture(number, &path))
    }

    #[pyo3(signature = (number))]
    fn stop_capture(&self, py: Python<'_>, number: Option<u32>) -> PyResult<()> {
        detached(py, || self.switch.stop_capture(number))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.switch.close());
    }
}
