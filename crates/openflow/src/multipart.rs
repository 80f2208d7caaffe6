//! Requests and replies of statistics and descriptions (OpenFlow 1.3.5 section 7.3.5).

mod description;
mod flow;
mod parts;
mod port;
mod table;
mod table_features;

pub use description::Description;
pub use flow::{AggregateStats, FlowStats, FlowStatsRequest};
pub use port::PortStats;
pub use table::TableStats;
pub use table_features::TableFeatures;

use std::slice::from_ref;

use crate::bytes::{Parsed, Put, Reader};
use crate::error::{EmitError, ErrorCode};
use crate::message::Xid;
use crate::port::Port;
use parts::Parts;

const DESCRIPTION: u16 = 0;
const FLOW: u16 = 1;
const AGGREGATE: u16 = 2;
const TABLE: u16 = 3;
const PORT_STATS: u16 = 4;
const TABLE_FEATURES: u16 = 12;
const PORT_DESCRIPTION: u16 = 13;

const MORE: u16 = 1;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultipartRequest {
    /// What the switch is.
    Description,
    /// Flows and what they counted.
    Flows(FlowStatsRequest),
    /// Sums over flows.
    Aggregate(FlowStatsRequest),
    /// What each table counted.
    Tables,
    /// What a port counted; `port::NONE` means all ports.
    PortStats(u32),
    /// What each table can do.
    TableFeatures,
    /// The ports.
    Ports,
}

/// What comes back; lists may come in several messages, all but the last marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultipartReply {
    /// What the switch is.
    Description(Description),
    /// Flows and what they counted.
    Flows(Vec<FlowStats>),
    /// Sums over flows.
    Aggregate(AggregateStats),
    /// What each table counted.
    Tables(Vec<TableStats>),
    /// What each port counted.
    PortStats(Vec<PortStats>),
    /// What each table can do.
    TableFeatures(Vec<TableFeatures>),
    /// The ports.
    Ports(Vec<Port>),
}

impl MultipartRequest {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<MultipartRequest> {
        let (kind, flags) = (body.u16()?, body.u16()?);
        body.skip(4)?;
        if flags & MORE != 0 {
            return Err(ErrorCode::MultipartOverflow);
        }
        let request = match kind {
            DESCRIPTION => MultipartRequest::Description,
            FLOW => MultipartRequest::Flows(FlowStatsRequest::parse(&mut body)?),
            AGGREGATE => MultipartRequest::Aggregate(FlowStatsRequest::parse(&mut body)?),
            TABLE => MultipartRequest::Tables,
            PORT_STATS => MultipartRequest::PortStats(parse_port_request(&mut body)?),
            TABLE_FEATURES if !body.is_empty() => return Err(ErrorCode::TableFeaturesFixed),
            TABLE_FEATURES => MultipartRequest::TableFeatures,
            PORT_DESCRIPTION => MultipartRequest::Ports,
            _ => return Err(ErrorCode::BadMultipart),
        };
        body.finish()?;
        Ok(request)
    }

    fn kind(&self) -> u16 {
        match self {
            MultipartRequest::Description => DESCRIPTION,
            MultipartRequest::Flows(_) => FLOW,
            MultipartRequest::Aggregate(_) => AGGREGATE,
            MultipartRequest::Tables => TABLE,
            MultipartRequest::PortStats(_) => PORT_STATS,
            MultipartRequest::TableFeatures => TABLE_FEATURES,
            MultipartRequest::Ports => PORT_DESCRIPTION,
        }
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.u16(self.kind());
        out.u16(0);
        out.zeros(4);
        match self {
            MultipartRequest::Flows(request) | MultipartRequest::Aggregate(request) => request.emit(out),
            MultipartRequest::PortStats(number) => {
                out.u32(*number);
                out.zeros(4);
            }
            _ => {}
        }
    }
}

fn parse_port_request(body: &mut Reader<'_>) -> Parsed<u32> {
    let number = body.u32()?;
    body.skip(4)?;
    Ok(number)
}

impl MultipartReply {
    /// Parses one message's part; the flag tells whether more of the same follows.
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<(MultipartReply, bool)> {
        let (kind, flags) = (body.u16()?, body.u16()?);
        body.skip(4)?;
        let reply = match kind {
            DESCRIPTION => MultipartReply::Description(Description::parse(&mut body)?),
            FLOW => MultipartReply::Flows(list(&mut body, FlowStats::parse)?),
            AGGREGATE => MultipartReply::Aggregate(AggregateStats::parse(&mut body)?),
            TABLE => MultipartReply::Tables(list(&mut body, TableStats::parse)?),
            PORT_STATS => MultipartReply::PortStats(list(&mut body, PortStats::parse)?),
            TABLE_FEATURES => MultipartReply::TableFeatures(list(&mut body, TableFeatures::parse)?),
            PORT_DESCRIPTION => MultipartReply::Ports(list(&mut body, Port::parse)?),
            _ => return Err(ErrorCode::BadMultipart),
        };
        body.finish()?;
        Ok((reply, flags & MORE != 0))
    }

    /// Emits as many messages as it takes; the last one is marked with `more`.
    pub(crate) fn emit(&self, more: bool, xid: Xid, out: &mut Vec<u8>) -> Result<(), EmitError> {
        let mut parts = Parts::start(self.kind(), xid, out);
        match self {
            MultipartReply::Description(one) => parts.entries(from_ref(one), Description::emit)?,
            MultipartReply::Aggregate(one) => parts.entries(from_ref(one), AggregateStats::emit)?,
            MultipartReply::Flows(flows) => {
                flows.iter().try_for_each(|flow| parts.entry(flow, FlowStats::emit))?
            }
            MultipartReply::Tables(tables) => parts.entries(tables, TableStats::emit)?,
            MultipartReply::PortStats(ports) => parts.entries(ports, PortStats::emit)?,
            MultipartReply::TableFeatures(tables) => parts.entries(tables, TableFeatures::emit)?,
            MultipartReply::Ports(ports) => parts.entries(ports, Port::emit)?,
        }
        parts.finish(more);
        Ok(())
    }

    fn kind(&self) -> u16 {
        match self {
            MultipartReply::Description(_) => DESCRIPTION,
            MultipartReply::Flows(_) => FLOW,
            MultipartReply::Aggregate(_) => AGGREGATE,
            MultipartReply::Tables(_) => TABLE,
            MultipartReply::PortStats(_) => PORT_STATS,
            MultipartReply::TableFeatures(_) => TABLE_FEATURES,
            MultipartReply::Ports(_) => PORT_DESCRIPTION,
        }
    }
}

/// Parses entries until nothing is left.
fn list<T>(body: &mut Reader<'_>, parse: impl Fn(&mut Reader<'_>) -> Parsed<T>) -> Parsed<Vec<T>> {
    let mut entries = Vec::new();
    while !body.is_empty() {
        entries.push(parse(body)?);
    }
    Ok(entries)
}
