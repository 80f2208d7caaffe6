//! Flows and what they counted (OpenFlow 1.3.5 sections 7.3.5.2 and 7.3.5.3).

use std::time::Duration;

use tulle_flow::{Flow, Match, port};

use crate::TABLE_ALL;
use crate::bytes::{Parsed, Put, Reader};
use crate::error::{EmitError, ErrorCode};
use crate::flow_mod::GROUP_ANY;
use crate::flow_removed::{emit_duration, parse_duration};
use crate::instructions::{emit_instructions, parse_instructions};
use crate::matching::{emit_match, parse_match};

/// Which flows to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowStatsRequest {
    /// The table, or [`TABLE_ALL`].
    pub table: u8,
    /// Only flows that send to this port.
    pub out_port: Option<u32>,
    /// Only flows that send to this group.
    pub out_group: Option<u32>,
    /// The cookie's bits that must agree.
    pub cookie: u64,
    /// Which bits of the cookie count; 0 means any cookie.
    pub cookie_mask: u64,
    /// Only flows that this match contains.
    pub matching: Match,
}

impl Default for FlowStatsRequest {
    /// Every flow of every table.
    fn default() -> Self {
        FlowStatsRequest {
            table: TABLE_ALL,
            out_port: None,
            out_group: None,
            cookie: 0,
            cookie_mask: 0,
            matching: Match::ANY,
        }
    }
}

impl FlowStatsRequest {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<FlowStatsRequest> {
        let table = body.u8()?;
        body.skip(3)?;
        let out_port = Some(body.u32()?).filter(|number| *number != port::NONE);
        let out_group = Some(body.u32()?).filter(|group| *group != GROUP_ANY);
        body.skip(4)?;
        let (cookie, cookie_mask) = (body.u64()?, body.u64()?);
        let matching = parse_match(body)?;
        Ok(FlowStatsRequest { table, out_port, out_group, cookie, cookie_mask, matching })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.u8(self.table);
        out.zeros(3);
        out.u32(self.out_port.unwrap_or(port::NONE));
        out.u32(self.out_group.unwrap_or(GROUP_ANY));
        out.zeros(4);
        out.u64(self.cookie);
        out.u64(self.cookie_mask);
        emit_match(&self.matching, out);
    }
}

/// A flow and what it counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowStats {
    /// The flow.
    pub flow: Flow,
    /// How long it has been there.
    pub duration: Duration,
    /// Its `flow_mod_flags`.
    pub flags: u16,
    /// Packets that it saw.
    pub packets: u64,
    /// Bytes that it saw.
    pub bytes: u64,
}

impl FlowStats {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<FlowStats> {
        let short = ErrorCode::BadRequestLength;
        let length = usize::from(body.u16()?).checked_sub(2).ok_or(short)?;
        let mut entry = body.part(length, short)?;
        let table = entry.u8()?;
        entry.skip(1)?;
        let duration = parse_duration(&mut entry)?;
        let (priority, idle_timeout, hard_timeout) = (entry.u16()?, entry.u16()?, entry.u16()?);
        let flags = entry.u16()?;
        entry.skip(4)?;
        let (cookie, packets, bytes) = (entry.u64()?, entry.u64()?, entry.u64()?);
        let matching = parse_match(&mut entry)?;
        let actions = parse_instructions(entry, table)?;
        let flow =
            Flow { table, priority, cookie, idle_timeout, hard_timeout, matching, actions, importance: 0 };
        Ok(FlowStats { flow, duration, flags, packets, bytes })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) -> Result<(), EmitError> {
        let start = out.len();
        out.u16(0);
        out.u8(self.flow.table);
        out.u8(0);
        emit_duration(self.duration, out);
        out.u16(self.flow.priority);
        out.u16(self.flow.idle_timeout);
        out.u16(self.flow.hard_timeout);
        out.u16(self.flags);
        out.zeros(4);
        out.u64(self.flow.cookie);
        out.u64(self.packets);
        out.u64(self.bytes);
        emit_match(&self.flow.matching, out);
        emit_instructions(&self.flow.actions, out)?;
        out.set_length(start, start);
        Ok(())
    }
}

/// Sums over flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AggregateStats {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Flows.
    pub flows: u32,
}

impl AggregateStats {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<AggregateStats> {
        let stats = AggregateStats { packets: body.u64()?, bytes: body.u64()?, flows: body.u32()? };
        body.skip(4)?;
        Ok(stats)
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.u64(self.packets);
        out.u64(self.bytes);
        out.u32(self.flows);
        out.zeros(4);
    }
}
