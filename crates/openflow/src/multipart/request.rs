//! What a controller asks a switch to report.

use tulle_flow::port;

use super::head::{self, Kind, canonical, emit_head, parse_head};
use super::{FlowStatsRequest, QueueSelector, TableFeatures};
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::flow_monitor::FlowMonitor;
use crate::group::group_id;
use crate::port_number::{emit_port, parse_port};
use crate::version::Version;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultipartRequest {
    /// What the switch is.
    Description,
    /// Flows and what they counted.
    Flows(FlowStatsRequest),
    /// Flows, without actions and timeouts, and what they counted (OpenFlow 1.5).
    FlowCounters(FlowStatsRequest),
    /// Sums over flows.
    Aggregate(FlowStatsRequest),
    /// As `Flows`, by Nicira's message for OpenFlow 1.0; to be answered in kind.
    NiciraFlows(FlowStatsRequest),
    /// As `Aggregate`, by Nicira's message for OpenFlow 1.0; to be answered in kind.
    NiciraAggregate(FlowStatsRequest),
    /// What each table counted.
    Tables,
    /// What a port counted; `port::NONE` means all ports.
    PortStats(u32),
    /// What queues counted.
    QueueStats(QueueSelector),
    /// What a group counted; [`group_id::ALL`] means all groups.
    GroupStats(u32),
    /// The groups; one, where OpenFlow 1.5 or Nicira's message names it, or [`group_id::ALL`].
    GroupDescriptions(u32),
    /// What groups can do.
    GroupFeatures,
    /// What a meter counted, or all ([`meter_id::ALL`](crate::meter_id::ALL)).
    MeterStats(u32),
    /// A meter, or all.
    MeterConfigs(u32),
    /// What meters can do.
    MeterFeatures,
    /// What each table can do; where tables are given, set them so.
    TableFeatures(Vec<TableFeatures>),
    /// The ports; one, where OpenFlow 1.5 names it, or `port::NONE` for all.
    Ports(u32),
    /// How tables are configured.
    TableDescriptions,
    /// The queues (OpenFlow 1.4).
    QueueDescriptions(QueueSelector),
    /// Watch flows.
    FlowMonitors(Vec<FlowMonitor>),
    /// What the bridge's IPFIX exporter counted.
    IpfixBridge,
    /// What the flows' IPFIX exporters counted.
    IpfixFlows,
}

impl MultipartRequest {
    /// Parses one message's part; the flag tells whether more of the same follows.
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<(MultipartRequest, bool)> {
        let (kind, more) = parse_head(&mut body)?;
        let kind = canonical(body.version(), kind)?;
        let request = parse_content(kind, &mut body)?;
        body.finish()?;
        if more && !request.is_list() {
            return Err(ErrorCode::MultipartOverflow);
        }
        Ok((request, more))
    }

    /// True of those that may come in several messages.
    fn is_list(&self) -> bool {
        matches!(self, MultipartRequest::TableFeatures(_) | MultipartRequest::FlowMonitors(_))
    }

    /// Adds what another message of the same request holds; false where it holds something else.
    pub(crate) fn extend(&mut self, other: MultipartRequest) -> bool {
        match (self, other) {
            (MultipartRequest::TableFeatures(all), MultipartRequest::TableFeatures(more)) => all.extend(more),
            (MultipartRequest::FlowMonitors(all), MultipartRequest::FlowMonitors(more)) => all.extend(more),
            _ => return false,
        }
        true
    }

    fn kind(&self) -> Kind {
        match self {
            MultipartRequest::Description => head::DESCRIPTION,
            MultipartRequest::Flows(_) => head::FLOW,
            MultipartRequest::FlowCounters(_) => head::FLOW_COUNTERS,
            MultipartRequest::Aggregate(_) => head::AGGREGATE,
            MultipartRequest::NiciraFlows(_) => head::NICIRA_FLOW,
            MultipartRequest::NiciraAggregate(_) => head::NICIRA_AGGREGATE,
            MultipartRequest::Tables => head::TABLE,
            MultipartRequest::PortStats(_) => head::PORT_STATS,
            MultipartRequest::QueueStats(_) => head::QUEUE_STATS,
            MultipartRequest::GroupStats(_) => head::GROUP_STATS,
            MultipartRequest::GroupDescriptions(_) => head::GROUP_DESCRIPTION,
            MultipartRequest::GroupFeatures => head::GROUP_FEATURES,
            MultipartRequest::MeterStats(_) => head::METER_STATS,
            MultipartRequest::MeterConfigs(_) => head::METER_CONFIG,
            MultipartRequest::MeterFeatures => head::METER_FEATURES,
            MultipartRequest::TableFeatures(_) => head::TABLE_FEATURES,
            MultipartRequest::Ports(_) => head::PORT_DESCRIPTION,
            MultipartRequest::TableDescriptions => head::TABLE_DESCRIPTION,
            MultipartRequest::QueueDescriptions(_) => head::QUEUE_DESCRIPTION,
            MultipartRequest::FlowMonitors(_) => head::FLOW_MONITOR,
            MultipartRequest::IpfixBridge => head::IPFIX_BRIDGE,
            MultipartRequest::IpfixFlows => head::IPFIX_FLOW,
        }
    }

    pub(crate) fn emit(&self, more: bool, out: &mut Writer<'_>) -> Emitted {
        let Some(kind) = head::name(out.version(), self.kind()) else {
            return out.lacks("this multipart request");
        };
        emit_head(kind, more, out);
        match self {
            MultipartRequest::Flows(request)
            | MultipartRequest::FlowCounters(request)
            | MultipartRequest::Aggregate(request) => request.emit(out),
            MultipartRequest::NiciraFlows(request) | MultipartRequest::NiciraAggregate(request) => {
                request.emit_nicira(out)
            }
            MultipartRequest::PortStats(number) => emit_port_request(*number, out),
            MultipartRequest::QueueStats(queues) => queues.emit(out),
            MultipartRequest::QueueDescriptions(queues) => queues.emit(out),
            MultipartRequest::GroupStats(number)
            | MultipartRequest::MeterStats(number)
            | MultipartRequest::MeterConfigs(number) => emit_number(*number, out),
            MultipartRequest::GroupDescriptions(group) if describes_one(out.version()) => {
                emit_number(*group, out)
            }
            MultipartRequest::Ports(number) if out.version() == Version::V15 => emit_number(*number, out),
            MultipartRequest::TableFeatures(tables) => tables.iter().try_for_each(|table| table.emit(out)),
            MultipartRequest::FlowMonitors(monitors) => {
                monitors.iter().try_for_each(|monitor| monitor.emit(out))
            }
            _ => Ok(()),
        }
    }
}

/// True where a request for descriptions of groups names one.
fn describes_one(version: Version) -> bool {
    matches!(version, Version::V10 | Version::V15)
}

fn parse_content(kind: Kind, body: &mut Reader<'_>) -> Parsed<MultipartRequest> {
    Ok(match kind {
        head::DESCRIPTION => MultipartRequest::Description,
        head::FLOW => MultipartRequest::Flows(FlowStatsRequest::parse(body)?),
        head::FLOW_COUNTERS => MultipartRequest::FlowCounters(FlowStatsRequest::parse(body)?),
        head::AGGREGATE => MultipartRequest::Aggregate(FlowStatsRequest::parse(body)?),
        head::NICIRA_FLOW => MultipartRequest::NiciraFlows(FlowStatsRequest::parse_nicira(body)?),
        head::NICIRA_AGGREGATE => MultipartRequest::NiciraAggregate(FlowStatsRequest::parse_nicira(body)?),
        head::TABLE => MultipartRequest::Tables,
        head::PORT_STATS => MultipartRequest::PortStats(parse_port_request(body)?),
        head::QUEUE_STATS => MultipartRequest::QueueStats(QueueSelector::parse(body)?),
        head::GROUP_STATS => MultipartRequest::GroupStats(parse_number(body)?),
        head::GROUP_DESCRIPTION if describes_one(body.version()) => {
            MultipartRequest::GroupDescriptions(parse_number(body)?)
        }
        head::GROUP_DESCRIPTION => MultipartRequest::GroupDescriptions(group_id::ALL),
        head::GROUP_FEATURES => MultipartRequest::GroupFeatures,
        head::METER_STATS => MultipartRequest::MeterStats(parse_number(body)?),
        head::METER_CONFIG => MultipartRequest::MeterConfigs(parse_number(body)?),
        head::METER_FEATURES => MultipartRequest::MeterFeatures,
        head::TABLE_FEATURES => MultipartRequest::TableFeatures(list(body, TableFeatures::parse)?),
        head::PORT_DESCRIPTION if body.version() == Version::V15 => {
            MultipartRequest::Ports(parse_number(body)?)
        }
        head::PORT_DESCRIPTION => MultipartRequest::Ports(port::NONE),
        head::TABLE_DESCRIPTION => MultipartRequest::TableDescriptions,
        head::QUEUE_DESCRIPTION => MultipartRequest::QueueDescriptions(QueueSelector::parse(body)?),
        head::FLOW_MONITOR => MultipartRequest::FlowMonitors(list(body, FlowMonitor::parse)?),
        head::IPFIX_BRIDGE => MultipartRequest::IpfixBridge,
        head::IPFIX_FLOW => MultipartRequest::IpfixFlows,
        _ => return Err(head::unknown(kind)),
    })
}

/// A number and 4 bytes of padding.
fn parse_number(body: &mut Reader<'_>) -> Parsed<u32> {
    let number = body.u32()?;
    body.skip(4)?;
    Ok(number)
}

fn emit_number(number: u32, out: &mut Writer<'_>) -> Emitted {
    out.u32(number);
    out.zeros(4);
    Ok(())
}

/// A port's number, padded to 8 bytes.
fn parse_port_request(body: &mut Reader<'_>) -> Parsed<u32> {
    let number = parse_port(body)?;
    body.skip(if body.version() == Version::V10 { 6 } else { 4 })?;
    Ok(number)
}

fn emit_port_request(number: u32, out: &mut Writer<'_>) -> Emitted {
    emit_port(number, out)?;
    let padding = if out.version() == Version::V10 { 6 } else { 4 };
    out.zeros(padding);
    Ok(())
}

/// Parses entries until nothing is left.
pub(super) fn list<T>(body: &mut Reader<'_>, parse: impl Fn(&mut Reader<'_>) -> Parsed<T>) -> Parsed<Vec<T>> {
    let mut entries = Vec::new();
    while !body.is_empty() {
        entries.push(parse(body)?);
    }
    Ok(entries)
}
