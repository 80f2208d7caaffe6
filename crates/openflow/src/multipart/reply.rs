//! What a switch reports.

use std::slice::from_ref;

use super::head::{self, Kind, canonical, parse_head};
use super::parts::Parts;
use super::request::list;
use super::{
    AggregateStats, Description, FlowStats, GroupFeatures, GroupStats, IpfixStats, MeterFeatures, MeterStats,
    PortStats, QueueStats, TableFeatures, TableStats,
};
use crate::bytes::{Emitted, Parsed, Reader};
use crate::error::EmitError;
use crate::flow_monitor::FlowUpdate;
use crate::group::Group;
use crate::message::Xid;
use crate::meter::Meter;
use crate::port::Port;
use crate::queue::Queue;
use crate::table_mod::TableConfig;
use crate::version::Dialect;

/// What comes back; lists may come in several messages, all but the last marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultipartReply {
    /// What the switch is.
    Description(Description),
    /// Flows and what they counted.
    Flows(Vec<FlowStats>),
    /// Flows, without actions and timeouts, and what they counted (OpenFlow 1.5).
    FlowCounters(Vec<FlowStats>),
    /// Sums over flows.
    Aggregate(AggregateStats),
    /// As `Flows`, by Nicira's message for OpenFlow 1.0.
    NiciraFlows(Vec<FlowStats>),
    /// As `Aggregate`, by Nicira's message for OpenFlow 1.0.
    NiciraAggregate(AggregateStats),
    /// What each table counted.
    Tables(Vec<TableStats>),
    /// What each port counted.
    PortStats(Vec<PortStats>),
    /// What each queue counted.
    QueueStats(Vec<QueueStats>),
    /// What each group counted.
    GroupStats(Vec<GroupStats>),
    /// The groups.
    GroupDescriptions(Vec<Group>),
    /// What groups can do.
    GroupFeatures(GroupFeatures),
    /// What each meter counted.
    MeterStats(Vec<MeterStats>),
    /// The meters.
    MeterConfigs(Vec<Meter>),
    /// What meters can do.
    MeterFeatures(MeterFeatures),
    /// What each table can do.
    TableFeatures(Vec<TableFeatures>),
    /// The ports.
    Ports(Vec<Port>),
    /// How tables are configured.
    TableDescriptions(Vec<TableConfig>),
    /// The queues.
    QueueDescriptions(Vec<Queue>),
    /// What became of flows.
    FlowUpdates(Vec<FlowUpdate>),
    /// What the bridge's IPFIX exporter counted.
    IpfixBridge(IpfixStats),
    /// What the flows' IPFIX exporters counted.
    IpfixFlows(Vec<IpfixStats>),
}

impl MultipartReply {
    /// Parses one message's part; the flag tells whether more of the same follows.
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<(MultipartReply, bool)> {
        let (kind, more) = parse_head(&mut body)?;
        let kind = canonical(body.version(), kind)?;
        let reply = parse_content(kind, &mut body)?;
        body.finish()?;
        Ok((reply, more))
    }

    /// Emits as many messages as it takes; the last one is marked with `more`.
    pub(crate) fn emit(&self, more: bool, xid: Xid, dialect: Dialect, out: &mut Vec<u8>) -> Emitted {
        let Some(kind) = head::name(dialect.version, self.kind()) else {
            return Err(EmitError::NoForm { what: "this multipart reply", version: dialect.version });
        };
        let mut parts = Parts::start(kind, xid, dialect, out);
        match self {
            MultipartReply::Description(one) => parts.entries(from_ref(one), Description::emit)?,
            MultipartReply::Aggregate(one) | MultipartReply::NiciraAggregate(one) => {
                parts.entries(from_ref(one), AggregateStats::emit)?;
            }
            MultipartReply::Flows(flows) => parts.entries(flows, FlowStats::emit)?,
            MultipartReply::FlowCounters(flows) => parts.entries(flows, FlowStats::emit_counters)?,
            MultipartReply::NiciraFlows(flows) => parts.entries(flows, FlowStats::emit_nicira)?,
            MultipartReply::Tables(tables) => parts.entries(tables, TableStats::emit)?,
            MultipartReply::PortStats(ports) => parts.entries(ports, PortStats::emit)?,
            MultipartReply::QueueStats(queues) => parts.entries(queues, QueueStats::emit)?,
            MultipartReply::GroupStats(groups) => parts.entries(groups, GroupStats::emit)?,
            MultipartReply::GroupDescriptions(groups) => parts.entries(groups, Group::emit)?,
            MultipartReply::GroupFeatures(one) => parts.entries(from_ref(one), GroupFeatures::emit)?,
            MultipartReply::MeterStats(meters) => parts.entries(meters, MeterStats::emit)?,
            MultipartReply::MeterConfigs(meters) => parts.entries(meters, Meter::emit)?,
            MultipartReply::MeterFeatures(one) => parts.entries(from_ref(one), MeterFeatures::emit)?,
            MultipartReply::TableFeatures(tables) => parts.entries(tables, TableFeatures::emit)?,
            MultipartReply::Ports(ports) => parts.entries(ports, Port::emit)?,
            MultipartReply::TableDescriptions(tables) => parts.entries(tables, TableConfig::emit)?,
            MultipartReply::QueueDescriptions(queues) => parts.entries(queues, Queue::emit)?,
            MultipartReply::FlowUpdates(updates) => parts.entries(updates, FlowUpdate::emit)?,
            MultipartReply::IpfixBridge(one) => parts.entries(from_ref(one), IpfixStats::emit)?,
            MultipartReply::IpfixFlows(all) => parts.entries(all, IpfixStats::emit)?,
        }
        parts.finish(more);
        Ok(())
    }

    fn kind(&self) -> Kind {
        match self {
            MultipartReply::Description(_) => head::DESCRIPTION,
            MultipartReply::Flows(_) => head::FLOW,
            MultipartReply::FlowCounters(_) => head::FLOW_COUNTERS,
            MultipartReply::Aggregate(_) => head::AGGREGATE,
            MultipartReply::NiciraFlows(_) => head::NICIRA_FLOW,
            MultipartReply::NiciraAggregate(_) => head::NICIRA_AGGREGATE,
            MultipartReply::Tables(_) => head::TABLE,
            MultipartReply::PortStats(_) => head::PORT_STATS,
            MultipartReply::QueueStats(_) => head::QUEUE_STATS,
            MultipartReply::GroupStats(_) => head::GROUP_STATS,
            MultipartReply::GroupDescriptions(_) => head::GROUP_DESCRIPTION,
            MultipartReply::GroupFeatures(_) => head::GROUP_FEATURES,
            MultipartReply::MeterStats(_) => head::METER_STATS,
            MultipartReply::MeterConfigs(_) => head::METER_CONFIG,
            MultipartReply::MeterFeatures(_) => head::METER_FEATURES,
            MultipartReply::TableFeatures(_) => head::TABLE_FEATURES,
            MultipartReply::Ports(_) => head::PORT_DESCRIPTION,
            MultipartReply::TableDescriptions(_) => head::TABLE_DESCRIPTION,
            MultipartReply::QueueDescriptions(_) => head::QUEUE_DESCRIPTION,
            MultipartReply::FlowUpdates(_) => head::FLOW_MONITOR,
            MultipartReply::IpfixBridge(_) => head::IPFIX_BRIDGE,
            MultipartReply::IpfixFlows(_) => head::IPFIX_FLOW,
        }
    }
}

fn parse_content(kind: Kind, body: &mut Reader<'_>) -> Parsed<MultipartReply> {
    Ok(match kind {
        head::DESCRIPTION => MultipartReply::Description(Description::parse(body)?),
        head::FLOW => MultipartReply::Flows(list(body, FlowStats::parse)?),
        head::FLOW_COUNTERS => MultipartReply::FlowCounters(list(body, FlowStats::parse_counters)?),
        head::AGGREGATE => MultipartReply::Aggregate(AggregateStats::parse(body)?),
        head::NICIRA_FLOW => MultipartReply::NiciraFlows(list(body, FlowStats::parse_nicira)?),
        head::NICIRA_AGGREGATE => MultipartReply::NiciraAggregate(AggregateStats::parse(body)?),
        head::TABLE => MultipartReply::Tables(list(body, TableStats::parse)?),
        head::PORT_STATS => MultipartReply::PortStats(list(body, PortStats::parse)?),
        head::QUEUE_STATS => MultipartReply::QueueStats(list(body, QueueStats::parse)?),
        head::GROUP_STATS => MultipartReply::GroupStats(list(body, GroupStats::parse)?),
        head::GROUP_DESCRIPTION => MultipartReply::GroupDescriptions(list(body, Group::parse)?),
        head::GROUP_FEATURES => MultipartReply::GroupFeatures(GroupFeatures::parse(body)?),
        head::METER_STATS => MultipartReply::MeterStats(list(body, MeterStats::parse)?),
        head::METER_CONFIG => MultipartReply::MeterConfigs(list(body, Meter::parse)?),
        head::METER_FEATURES => MultipartReply::MeterFeatures(MeterFeatures::parse(body)?),
        head::TABLE_FEATURES => MultipartReply::TableFeatures(list(body, TableFeatures::parse)?),
        head::PORT_DESCRIPTION => MultipartReply::Ports(list(body, Port::parse)?),
        head::TABLE_DESCRIPTION => MultipartReply::TableDescriptions(list(body, TableConfig::parse)?),
        head::QUEUE_DESCRIPTION => MultipartReply::QueueDescriptions(list(body, Queue::parse)?),
        head::FLOW_MONITOR => MultipartReply::FlowUpdates(list(body, FlowUpdate::parse)?),
        head::IPFIX_BRIDGE => MultipartReply::IpfixBridge(IpfixStats::parse(body)?),
        head::IPFIX_FLOW => MultipartReply::IpfixFlows(list(body, IpfixStats::parse)?),
        _ => return Err(head::unknown(kind)),
    })
}
