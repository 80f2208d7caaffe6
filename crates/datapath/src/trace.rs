//! The way of one packet through the switch, told for people.  The walk is the forwarding code's own.

use crate::drop::DropCounters;
use crate::extract::Layout;
use crate::metadata::TunnelKey;
use crate::ports::Ports;
use crate::process::{Effects, Losses, execute};
use crate::rules::Rule;
use crate::tables::Tables;
use crate::translate::{Observer, translate};
use crate::verdict::{Drop, PacketIn};
use tulle_flow::{Field, Key};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

/// A table that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many resubmits deep.
    pub depth: usize,
    /// The table.
    pub table: u8,
    /// The flow that matched, if any.
    pub flow: Option<StepFlow>,
}

/// A flow that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFlow {
    /// Its priority.
    pub priority: u16,
    /// Its cookie.
    pub cookie: u64,
    /// Its match, as `ovs-ofctl` writes it.
    pub matching: String,
    /// Its actions, as `ovs-ofctl` writes them; empty where it drops.
    pub actions: String,
}

/// A frame that would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedOutput {
    /// Out of which port.
    pub port: u32,
    /// What a tunnel port would put into its header.
    pub tunnel: Option<TunnelKey>,
    /// The frame, with all changes.
    pub frame: Vec<u8>,
}

/// The way of one packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The tables looked up, in order.
    pub steps: Vec<Step>,
    /// What would be done, in order.
    pub operations: Vec<String>,
    /// What would be sent, in order.
    pub outputs: Vec<TracedOutput>,
    /// What the controller would be sent.
    pub packet_ins: Vec<PacketIn>,
    /// What would be lost.
    pub drops: Vec<Drop>,
}

impl Observer for Vec<Step> {
    fn looked_up(&mut self, depth: usize, table: u8, rule: Option<&Rule>) {
        let flow = rule.map(|rule| StepFlow {
            priority: rule.flow.priority,
            cookie: rule.flow.cookie,
            matching: rule.flow.matching.to_string(),
            actions: rule.flow.actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        });
        self.push(Step { depth, table, flow });
    }
}

impl Effects for Trace {
    fn output(&mut self, port: u32, tunnel: Option<TunnelKey>, frame: &mut FrameBuf, _: &Offload, _: bool) {
        self.outputs.push(TracedOutput { port, tunnel, frame: frame.bytes().to_vec() });
    }

    fn packet_in(&mut self, _: &[u8], _: &Offload, info: &PacketIn) {
        self.packet_ins.push(info.clone());
    }

    fn dropped(&mut self, drop: Drop, _: u32, _: usize) {
        self.drops.push(drop);
    }
}

pub(crate) fn trace(
    tables: &Tables,
    ports: &Ports,
    frame: &[u8],
    offload: &Offload,
    key: &Key,
    layout: &Layout,
) -> Trace {
    let mut trace = Trace::default();
    let verdict = translate(tables, ports, key, &mut trace.steps).verdict;
    trace.operations = verdict.ops.iter().map(ToString::to_string).collect();
    let (mut copy, mut scratch) = (FrameBuf::copied(frame), FrameBuf::new());
    let mut counters = DropCounters::default();
    let mut losses = Losses { counters: &mut counters, in_port: key.field(Field::InPort) as u32 };
    execute(&verdict, &mut copy, &mut scratch, offload, layout, &mut losses, &mut trace);
    trace
}
