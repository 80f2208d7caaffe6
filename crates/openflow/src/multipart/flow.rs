//! Flows and what they counted (OpenFlow 1.0 section 5.3.5, 1.3.5 sections 7.3.5.2 and 7.3.5.3, 1.5.1 sections
//! 7.3.5.2 to 7.3.5.4, and `NXST_FLOW` and `NXST_AGGREGATE`).

use std::time::Duration;

use tulle_flow::{Flow, Match, port};

use crate::TABLE_ALL;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::flow_removed::{emit_duration, parse_duration};
use crate::group::group_id;
use crate::instructions::{emit_instructions, parse_instructions};
use crate::match_v10;
use crate::matching::{emit_match, emit_nxm, parse_match, parse_nxm};
use crate::oxs::Oxs;
use crate::port_number::{emit_short_port, parse_short_port};
use crate::version::Version;

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

fn any_port(number: u32) -> Option<u32> {
    Some(number).filter(|number| *number != port::NONE)
}

impl FlowStatsRequest {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<FlowStatsRequest> {
        if body.version() == Version::V10 {
            return FlowStatsRequest::parse_v10(body);
        }
        let table = body.u8()?;
        body.skip(3)?;
        let out_port = any_port(body.u32()?);
        let out_group = Some(body.u32()?).filter(|group| *group != group_id::ANY);
        body.skip(4)?;
        let (cookie, cookie_mask) = (body.u64()?, body.u64()?);
        let matching = parse_match(body)?;
        Ok(FlowStatsRequest { table, out_port, out_group, cookie, cookie_mask, matching })
    }

    fn parse_v10(body: &mut Reader<'_>) -> Parsed<FlowStatsRequest> {
        let (matching, table) = (match_v10::parse(body)?, body.u8()?);
        body.skip(1)?;
        let out_port = any_port(parse_short_port(body)?);
        Ok(FlowStatsRequest { table, out_port, matching, ..FlowStatsRequest::default() })
    }

    pub(super) fn parse_nicira(body: &mut Reader<'_>) -> Parsed<FlowStatsRequest> {
        let out_port = any_port(parse_short_port(body)?);
        let (match_len, table) = (usize::from(body.u16()?), body.u8()?);
        body.skip(3)?;
        let found = parse_nxm(body, match_len)?;
        let (cookie, cookie_mask) = found.cookie.unwrap_or_default();
        let matching = found.matching;
        Ok(FlowStatsRequest { table, out_port, out_group: None, cookie, cookie_mask, matching })
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let number = self.out_port.unwrap_or(port::NONE);
        if out.version() == Version::V10 {
            match_v10::emit(&self.matching, out)?;
            out.u8(self.table);
            out.u8(0);
            return emit_short_port(number, out);
        }
        out.u8(self.table);
        out.zeros(3);
        out.u32(number);
        out.u32(self.out_group.unwrap_or(group_id::ANY));
        out.zeros(4);
        out.u64(self.cookie);
        out.u64(self.cookie_mask);
        emit_match(&self.matching, out)
    }

    pub(super) fn emit_nicira(&self, out: &mut Writer<'_>) -> Emitted {
        emit_short_port(self.out_port.unwrap_or(port::NONE), out)?;
        let at = out.len();
        out.zeros(2);
        out.u8(self.table);
        out.zeros(3);
        let cookie = (self.cookie_mask != 0).then_some((self.cookie, self.cookie_mask));
        emit_nxm(&self.matching, cookie, at, out)
    }
}

/// A flow and what it counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowStats {
    /// The flow.
    pub flow: Flow,
    /// How long it has been there.
    pub duration: Duration,
    /// Its `flow_mod_flags`; OpenFlow 1.0 does not say.
    pub flags: u16,
    /// Packets that it saw.
    pub packets: u64,
    /// Bytes that it saw.
    pub bytes: u64,
    /// Seconds since its last packet; only Nicira's message and OpenFlow 1.5 say it.
    pub idle_age_s: Option<u32>,
    /// Seconds since it was added or changed; only Nicira's message says it.
    pub hard_age_s: Option<u32>,
}

/// The entry whose length comes next.
fn entry<'a>(body: &mut Reader<'a>) -> Parsed<Reader<'a>> {
    let short = ErrorCode::BadRequestLength;
    let length = usize::from(body.u16()?).checked_sub(2).ok_or(short)?;
    body.part(length, short)
}

impl FlowStats {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<FlowStats> {
        let mut entry = entry(body)?;
        match entry.version() {
            Version::V10 => FlowStats::parse_v10(entry),
            Version::V13 | Version::V14 => FlowStats::parse_v13(entry),
            Version::V15 => {
                entry.skip(2)?;
                FlowStats::parse_v15(entry)
            }
        }
    }

    fn parse_v10(mut entry: Reader<'_>) -> Parsed<FlowStats> {
        let mut stats = FlowStats::default();
        stats.flow.table = entry.u8()?;
        entry.skip(1)?;
        stats.flow.matching = match_v10::parse(&mut entry)?;
        stats.duration = parse_duration(&mut entry)?;
        stats.parse_times(&mut entry)?;
        entry.skip(6)?;
        stats.parse_counts(&mut entry)?;
        stats.with_actions(entry)
    }

    fn parse_times(&mut self, entry: &mut Reader<'_>) -> Parsed<()> {
        self.flow.priority = entry.u16()?;
        self.flow.idle_timeout = entry.u16()?;
        self.flow.hard_timeout = entry.u16()?;
        Ok(())
    }

    fn parse_counts(&mut self, entry: &mut Reader<'_>) -> Parsed<()> {
        self.flow.cookie = entry.u64()?;
        (self.packets, self.bytes) = (entry.u64()?, entry.u64()?);
        Ok(())
    }

    fn with_actions(mut self, entry: Reader<'_>) -> Parsed<FlowStats> {
        self.flow.actions = parse_instructions(entry, self.flow.table)?;
        Ok(self)
    }

    fn parse_v13(mut entry: Reader<'_>) -> Parsed<FlowStats> {
        let mut stats = FlowStats::default();
        stats.flow.table = entry.u8()?;
        entry.skip(1)?;
        stats.duration = parse_duration(&mut entry)?;
        stats.parse_times(&mut entry)?;
        stats.flags = entry.u16()?;
        let importance = entry.u16()?;
        if entry.version() >= Version::V14 {
            stats.flow.importance = importance;
        }
        entry.skip(2)?;
        stats.parse_counts(&mut entry)?;
        stats.flow.matching = parse_match(&mut entry)?;
        stats.with_actions(entry)
    }

    fn parse_v15(mut entry: Reader<'_>) -> Parsed<FlowStats> {
        let mut stats = FlowStats::default();
        stats.flow.table = entry.u8()?;
        entry.skip(1)?;
        stats.parse_times(&mut entry)?;
        (stats.flags, stats.flow.importance) = (entry.u16()?, entry.u16()?);
        stats.flow.cookie = entry.u64()?;
        stats.flow.matching = parse_match(&mut entry)?;
        stats.take(Oxs::parse(&mut entry)?);
        stats.with_actions(entry)
    }

    fn take(&mut self, counted: Oxs) {
        self.duration = counted.duration.unwrap_or_default();
        self.packets = counted.packets.unwrap_or_default();
        self.bytes = counted.bytes.unwrap_or_default();
        self.idle_age_s = counted.idle_time.map(|time| time.as_secs() as u32);
    }

    fn counted(&self) -> Oxs {
        Oxs {
            duration: Some(self.duration),
            idle_time: self.idle_age_s.map(|age| Duration::from_secs(age.into())),
            flows: None,
            packets: Some(self.packets),
            bytes: Some(self.bytes),
        }
    }

    /// The short form of OpenFlow 1.5 (`OFPMP_FLOW_STATS`); why it comes is not kept.
    pub(super) fn parse_counters(body: &mut Reader<'_>) -> Parsed<FlowStats> {
        let mut entry = entry(body)?;
        entry.skip(2)?;
        let mut stats = FlowStats::default();
        stats.flow.table = entry.u8()?;
        entry.skip(1)?;
        stats.flow.priority = entry.u16()?;
        stats.flow.matching = parse_match(&mut entry)?;
        stats.take(Oxs::parse(&mut entry)?);
        entry.finish()?;
        Ok(stats)
    }

    pub(super) fn emit_counters(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.zeros(4);
        out.u8(self.flow.table);
        out.u8(0);
        out.u16(self.flow.priority);
        emit_match(&self.flow.matching, out)?;
        self.counted().emit(out);
        out.set_length(start, start);
        Ok(())
    }

    pub(super) fn parse_nicira(body: &mut Reader<'_>) -> Parsed<FlowStats> {
        let mut entry = entry(body)?;
        let mut stats = FlowStats::default();
        stats.flow.table = entry.u8()?;
        entry.skip(1)?;
        stats.duration = parse_duration(&mut entry)?;
        stats.parse_times(&mut entry)?;
        let match_len = usize::from(entry.u16()?);
        stats.idle_age_s = parse_age(&mut entry)?;
        stats.hard_age_s = parse_age(&mut entry)?;
        stats.parse_counts(&mut entry)?;
        stats.flow.matching = parse_nxm(&mut entry, match_len)?.matching;
        stats.with_actions(entry)
    }

    pub(super) fn emit_nicira(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        self.emit_head(out);
        emit_duration(self.duration, out);
        self.emit_times(out);
        let at = out.len();
        out.zeros(2);
        out.u16(emit_age(self.idle_age_s));
        out.u16(emit_age(self.hard_age_s));
        self.emit_counts(out);
        emit_nxm(&self.flow.matching, None, at, out)?;
        self.emit_end(start, out)
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        match out.version() {
            Version::V10 => {
                self.emit_head(out);
                match_v10::emit(&self.flow.matching, out)?;
                emit_duration(self.duration, out);
                self.emit_times(out);
                out.zeros(6);
                self.emit_counts(out);
            }
            Version::V13 | Version::V14 => {
                self.emit_head(out);
                emit_duration(self.duration, out);
                self.emit_times(out);
                out.u16(self.flags);
                let old = out.version() == Version::V13;
                out.u16(if old { 0 } else { self.flow.importance });
                out.zeros(2);
                self.emit_counts(out);
                emit_match(&self.flow.matching, out)?;
            }
            Version::V15 => {
                out.zeros(2);
                self.emit_head(out);
                self.emit_times(out);
                out.u16(self.flags);
                out.u16(self.flow.importance);
                out.u64(self.flow.cookie);
                emit_match(&self.flow.matching, out)?;
                self.counted().emit(out);
            }
        }
        self.emit_end(start, out)
    }

    /// Room for the length, and the table.
    fn emit_head(&self, out: &mut Writer<'_>) {
        out.zeros(2);
        out.u8(self.flow.table);
        out.u8(0);
    }

    fn emit_times(&self, out: &mut Writer<'_>) {
        let flow = &self.flow;
        [flow.priority, flow.idle_timeout, flow.hard_timeout].into_iter().for_each(|word| out.u16(word));
    }

    fn emit_counts(&self, out: &mut Writer<'_>) {
        [self.flow.cookie, self.packets, self.bytes].into_iter().for_each(|count| out.u64(count));
    }

    fn emit_end(&self, start: usize, out: &mut Writer<'_>) -> Emitted {
        emit_instructions(&self.flow.actions, out)?;
        out.set_length(start, start);
        Ok(())
    }
}

/// One more than the seconds; 0 where not known.
fn parse_age(entry: &mut Reader<'_>) -> Parsed<Option<u32>> {
    Ok(u32::from(entry.u16()?).checked_sub(1))
}

fn emit_age(age: Option<u32>) -> u16 {
    age.map_or(0, |age| u16::try_from(age.saturating_add(1)).unwrap_or(u16::MAX))
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
        if body.version() == Version::V15 {
            let counted = Oxs::parse(body)?;
            return Ok(AggregateStats {
                packets: counted.packets.unwrap_or_default(),
                bytes: counted.bytes.unwrap_or_default(),
                flows: counted.flows.unwrap_or_default(),
            });
        }
        let stats = AggregateStats { packets: body.u64()?, bytes: body.u64()?, flows: body.u32()? };
        body.skip(4)?;
        Ok(stats)
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        if out.version() == Version::V15 {
            let (flows, packets, bytes) = (Some(self.flows), Some(self.packets), Some(self.bytes));
            Oxs { flows, packets, bytes, ..Oxs::default() }.emit(out);
            return Ok(());
        }
        out.u64(self.packets);
        out.u64(self.bytes);
        out.u32(self.flows);
        out.zeros(4);
        Ok(())
    }
}
