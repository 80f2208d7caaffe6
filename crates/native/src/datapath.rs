//! The switch in memory.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tulle_datapath::{Command, Drop, Effects, Egress, FlowFilter, FlowMod, Metadata, PacketIn, TunnelKey};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

use crate::error::refused;
use crate::text::parse_flow;
use crate::values::{self, TunnelTuple, parse_tunnel, tunnel_tuple};

#[pyclass(module = "tulle._native")]
pub(crate) struct Datapath {
    datapath: tulle_datapath::Datapath,
}

#[pymethods]
impl Datapath {
    #[new]
    #[pyo3(signature = (seed = 0))]
    fn new(seed: u64) -> Self {
        Datapath { datapath: tulle_datapath::Datapath::new(seed) }
    }

    fn add_port(&mut self, number: u32) {
        self.datapath.add_port(number);
    }

    fn remove_port(&mut self, number: u32) {
        self.datapath.remove_port(number);
    }

    fn flow_mod(&mut self, command: &str, flow: &str) -> PyResult<()> {
        let command = match command {
            "add" => Command::Add,
            "modify-strict" => Command::ModifyStrict,
            "delete-strict" => Command::DeleteStrict,
            _ => return Err(refused(format!("unknown command {command:?}"))),
        };
        let change = FlowMod { command, flow: parse_flow(flow)?, ..FlowMod::default() };
        self.datapath.flow_mod(&change, 0).map(drop).map_err(refused)
    }

    #[pyo3(signature = (in_port, frame, tunnel = None, now_ns = 0))]
    fn process<'py>(
        &mut self,
        py: Python<'py>,
        in_port: u32,
        frame: &[u8],
        tunnel: Option<TunnelTuple>,
        now_ns: u64,
    ) -> PyResult<Bound<'py, PyList>> {
        let metadata = Metadata { in_port, tunnel: parse_tunnel(tunnel)? };
        let mut buffer = FrameBuf::new();
        buffer.fill(frame);
        let mut seen = Vec::new();
        self.datapath.process(&mut buffer, &Offload::default(), &metadata, now_ns, &mut Recorder(&mut seen));
        let list = PyList::empty(py);
        for effect in &seen {
            list.append(effect.emit(py)?)?;
        }
        Ok(list)
    }

    #[pyo3(signature = (in_port, frame, tunnel = None))]
    fn trace<'py>(
        &self,
        py: Python<'py>,
        in_port: u32,
        frame: &[u8],
        tunnel: Option<TunnelTuple>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let metadata = Metadata { in_port, tunnel: parse_tunnel(tunnel)? };
        values::trace(py, self.datapath.trace(frame, &Offload::default(), &metadata))
    }

    fn flows(&mut self) -> Vec<(String, u64, u64)> {
        let flows = self.datapath.flows(&FlowFilter::default(), 0);
        flows.into_iter().map(|stats| (stats.flow.to_string(), stats.packets, stats.bytes)).collect()
    }
}

/// What the datapath wanted done.
#[allow(clippy::large_enum_variant)] // tests keep few of them
enum Effect {
    Output { port: u32, tunnel: Option<TunnelKey>, frame: Vec<u8> },
    PacketIn { info: PacketIn, frame: Vec<u8> },
    Drop(Drop),
}

impl Effect {
    fn emit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = PyDict::new(py);
        match self {
            Effect::Output { port, tunnel, frame } => {
                found.set_item("effect", "output")?;
                found.set_item("port", port)?;
                found.set_item("tunnel", tunnel_tuple(*tunnel))?;
                found.set_item("frame", PyBytes::new(py, frame))?;
            }
            Effect::PacketIn { info, frame } => {
                let found = values::packet_in(py, info.table, info.cookie, &info.key)?;
                found.set_item("effect", "packet-in")?;
                found.set_item("frame", PyBytes::new(py, frame))?;
                return Ok(found);
            }
            Effect::Drop(drop) => {
                found.set_item("effect", "drop")?;
                found.set_item("reason", drop.reason.name())?;
                found.set_item("table", drop.table)?;
                found.set_item("cookie", drop.cookie)?;
            }
        }
        Ok(found)
    }
}

struct Recorder<'a>(&'a mut Vec<Effect>);

impl Effects for Recorder<'_> {
    fn output(&mut self, to: &Egress, frame: &mut FrameBuf, _: &Offload, _: bool) {
        let (port, tunnel) = (to.port, to.tunnel.as_deref().copied());
        self.0.push(Effect::Output { port, tunnel, frame: frame.bytes().to_vec() });
    }

    fn packet_in(&mut self, frame: &[u8], _: &Offload, info: &PacketIn) {
        self.0.push(Effect::PacketIn { info: info.clone(), frame: frame.to_vec() });
    }

    fn dropped(&mut self, drop: Drop, _: u32, _: usize) {
        self.0.push(Effect::Drop(drop));
    }
}
