//! The way of one packet through the switch, told for people.  The walk is the forwarding code's own.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::continuation::{Continuation, Continuations};
use crate::datapath::{MAX_PASSES, State};
use crate::drop::DropReason;
use crate::extract::{Layout, extract};
use crate::metadata::{Metadata, Tracked, TunnelKey};
use crate::options::OptionMap;
use crate::process::{Effects, GoesOn, Machine, Packet, Tracker};
use crate::rules::Rule;
use crate::translate::{Observer, translate};
use crate::verdict::{Drop, Egress, PacketIn};
use tulle_flow::{Field, Key, Match};
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

/// What happened on the way, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceEvent {
    /// A table was looked up.
    Table(Step),
    /// An action was executed.
    Action {
        /// How many resubmits deep.
        depth: usize,
        /// The action, as `ovs-ofctl` writes it.
        action: String,
    },
    /// Something was decided on the way: a bucket, a VLAN, an address.
    Note {
        /// How many resubmits deep.
        depth: usize,
        /// In words.
        text: String,
    },
}

/// One walk through the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TracedPass {
    /// `recirc_id`; 0 for the first walk.
    pub id: u32,
    /// `ct_state` at its beginning.
    pub ct_state: u32,
    /// The packet at its beginning, as a match.
    pub flow: String,
    /// What happened.
    pub events: Vec<TraceEvent>,
    /// For which packets the outcome is the same, as a match.
    pub megaflow: String,
    /// What would be done, in order.
    pub operations: Vec<String>,
}

/// A frame that would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedOutput {
    /// Out of which port.
    pub port: u32,
    /// Through which queue.
    pub queue: Option<u32>,
    /// What a tunnel port would put into its header.
    pub tunnel: Option<TunnelKey>,
    /// The frame, with all changes.
    pub frame: Vec<u8>,
}

/// The way of one packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The walks through the tables, in order.
    pub passes: Vec<TracedPass>,
    /// The tables looked up in all walks, in order.
    pub steps: Vec<Step>,
    /// What would be done in all walks, in order.
    pub operations: Vec<String>,
    /// What would be sent, in order.
    pub outputs: Vec<TracedOutput>,
    /// What the controller would be sent.
    pub packet_ins: Vec<PacketIn>,
    /// What would be lost.
    pub drops: Vec<Drop>,
}

impl Observer for Vec<TraceEvent> {
    fn looked_up(&mut self, depth: usize, table: u8, rule: Option<&Rule>) {
        let flow = rule.map(|rule| StepFlow {
            priority: rule.flow.priority,
            cookie: rule.flow.cookie,
            matching: rule.flow.matching.to_string(),
            actions: rule.flow.actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        });
        self.push(TraceEvent::Table(Step { depth, table, flow }));
    }

    fn acted(&mut self, depth: usize, action: &tulle_flow::Action) {
        self.push(TraceEvent::Action { depth, action: action.to_string() });
    }

    fn decided(&mut self, depth: usize, tell: &dyn Fn() -> String) {
        self.push(TraceEvent::Note { depth, text: tell() });
    }
}

impl Effects for Trace {
    fn output(&mut self, to: &Egress, frame: &mut FrameBuf, _: &Offload, _: bool) {
        let tunnel = to.tunnel.as_deref().copied();
        let frame = frame.bytes().to_vec();
        self.outputs.push(TracedOutput { port: to.port, queue: to.queue, tunnel, frame });
    }

    fn packet_in(&mut self, _: &[u8], _: &Offload, info: &PacketIn) {
        self.packet_ins.push(info.clone());
    }

    fn dropped(&mut self, drop: Drop, _: u32, _: usize) {
        self.drops.push(drop);
    }
}

/// A packet whose way is traced.
pub(crate) struct Traced<'a> {
    pub frame: &'a [u8],
    pub offload: &'a Offload,
    pub metadata: &'a Metadata,
    pub options: &'a [u8],
    pub layout: Layout,
}

/// What a trace has of its own, so that nothing of the switch changes.
struct Tracer<'a> {
    state: &'a State,
    machine: Machine,
    continuations: Continuations,
    trace: Trace,
}

pub(crate) fn trace(state: &State, traced: &Traced<'_>, key: Key, states: &[u32]) -> Trace {
    let assumed = Tracker::Assumed(VecDeque::from(states.to_vec()));
    let machine = Machine::new(assumed, 1);
    let mut tracer =
        Tracer { state, machine, continuations: Continuations::default(), trace: Trace::default() };
    let mut copy = FrameBuf::copied(traced.frame);
    let mut packet = Packet {
        frame: &mut copy,
        offload: *traced.offload,
        layout: traced.layout,
        tracked: Tracked::default(),
        metadata: traced.metadata,
        options: traced.options,
        length: traced.frame.len(),
    };
    let mut next = tracer.pass(&key, None, &mut packet);
    while let Some(to) = next.take() {
        next = tracer.again(&to, &mut packet);
    }
    tracer.follow();
    tracer.trace
}

impl Tracer<'_> {
    fn pass(
        &mut self,
        key: &Key,
        from: Option<&Continuation>,
        packet: &mut Packet<'_>,
    ) -> Option<Arc<Continuation>> {
        let mut events = Vec::new();
        let made = translate(&mut self.state.plane(&mut self.continuations), key, from, &mut events);
        let operations: Vec<_> = made.verdict.ops.iter().map(ToString::to_string).collect();
        let steps = events.iter().filter_map(|event| match event {
            TraceEvent::Table(step) => Some(step.clone()),
            _ => None,
        });
        self.trace.steps.extend(steps);
        self.trace.operations.extend(operations.iter().cloned());
        self.trace.passes.push(TracedPass {
            id: key.field(Field::ResumeId) as u32,
            ct_state: key.field(Field::CtState) as u32,
            flow: as_match(key, &self.state.options),
            events,
            megaflow: self.state.options.named(&Match::new(key, &made.mask)).to_string(),
            operations,
        });
        self.machine.execute(&made.verdict.ops, made.verdict.last_send, packet, 0, &mut self.trace)
    }

    fn again(&mut self, to: &Continuation, packet: &mut Packet<'_>) -> Option<Arc<Continuation>> {
        packet.length = packet.frame.len();
        let extracted = extract(packet.frame.bytes(), packet.metadata);
        let (mut key, layout) = match extracted {
            Ok(extracted) if self.trace.passes.len() < MAX_PASSES => extracted,
            other => {
                let reason = other.err().unwrap_or(DropReason::TooManyPasses);
                self.machine.lose(packet, reason.into(), &mut self.trace);
                return None;
            }
        };
        packet.layout = layout;
        // They have been read once already.
        let _ = self.state.options.extract(packet.options, &mut key);
        packet.tracked.write(&mut key);
        to.write(&mut key);
        self.pass(&key, Some(to), packet)
    }

    /// Follows the copies that go on.
    fn follow(&mut self) {
        while let Some(mut copy) = self.machine.pending.pop_front() {
            let GoesOn::At(to) = copy.goes_on else { continue };
            let (length, metadata, options) = (copy.frame.len(), &copy.metadata, &*copy.options);
            let (offload, layout, tracked) = (copy.offload, Layout::default(), copy.tracked);
            let frame = &mut copy.frame;
            let mut packet = Packet { frame, offload, layout, tracked, metadata, options, length };
            let mut next = Some(to);
            while let Some(to) = next.take() {
                next = self.again(&to, &mut packet);
            }
        }
    }
}

/// The fields of a packet, those that are zero left out.
fn as_match(key: &Key, options: &OptionMap) -> String {
    let mut matching = Match::ANY;
    for field in Field::ALL.iter().copied().filter(|field| !field.is_hidden()) {
        let value = key.field(field);
        if value != 0 || matches!(field, Field::InPort | Field::EthType) {
            matching.require(field, value, u128::MAX);
        }
    }
    for option in options.named_key(key) {
        // Each field is there once, and all of them have room in a key.
        let _ = matching.require_option(&option);
    }
    matching.to_string()
}
