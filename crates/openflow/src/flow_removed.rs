//! Tells a controller that a flow is gone (OpenFlow 1.0 section 5.4.3, 1.3.5 section 7.4.2, 1.5.1 section 7.4.2, and
//! `NXT_FLOW_REMOVED`).

use std::time::Duration;

use tulle_flow::Match;

use crate::TABLE_ALL;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::match_v10;
use crate::matching::{emit_match, emit_nxm, parse_match, parse_nxm};
use crate::oxs::Oxs;
use crate::version::Version;

/// Why a flow is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovedReason {
    /// No packet came for its idle timeout.
    IdleTimeout,
    /// Its hard timeout is over.
    HardTimeout,
    /// A controller deleted it.
    Delete,
    /// Its group was deleted.
    GroupDelete,
    /// Its meter was deleted; before OpenFlow 1.4 said as `Delete`.
    MeterDelete,
    /// It made room for another; before OpenFlow 1.4 said as `Delete`.
    Eviction,
}

const REASONS: [RemovedReason; 6] = [
    RemovedReason::IdleTimeout,
    RemovedReason::HardTimeout,
    RemovedReason::Delete,
    RemovedReason::GroupDelete,
    RemovedReason::MeterDelete,
    RemovedReason::Eviction,
];

impl RemovedReason {
    fn parse(body: &mut Reader<'_>) -> Parsed<RemovedReason> {
        REASONS.get(usize::from(body.u8()?)).copied().ok_or(ErrorCode::BadReason)
    }

    fn number(self, version: Version) -> u8 {
        let newest = match version {
            Version::V10 => RemovedReason::Delete,
            Version::V13 => RemovedReason::GroupDelete,
            Version::V14 | Version::V15 => RemovedReason::Eviction,
        };
        if self as u8 > newest as u8 { RemovedReason::Delete as u8 } else { self as u8 }
    }
}

/// A flow that is gone, and what it counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRemoved {
    /// Its cookie.
    pub cookie: u64,
    /// Its priority.
    pub priority: u16,
    /// Why it is gone.
    pub reason: RemovedReason,
    /// Its table; [`TABLE_ALL`] where the message does not say (OpenFlow 1.0).
    pub table: u8,
    /// How long it lived.
    pub duration: Duration,
    /// Its idle timeout in seconds.
    pub idle_timeout: u16,
    /// Its hard timeout in seconds; OpenFlow 1.0 does not say.
    pub hard_timeout: u16,
    /// Packets that it saw.
    pub packets: u64,
    /// Bytes that it saw.
    pub bytes: u64,
    /// Which packets it matched.
    pub matching: Match,
}

/// Seconds and nanoseconds, as messages hold them; whole seconds in a nanosecond count carry over.
pub(crate) fn parse_duration(body: &mut Reader<'_>) -> Parsed<Duration> {
    let (seconds, nanoseconds) = (body.u32()?, body.u32()?);
    Ok(Duration::from_secs(u64::from(seconds)) + Duration::from_nanos(u64::from(nanoseconds)))
}

pub(crate) fn emit_duration(duration: Duration, out: &mut Writer<'_>) {
    out.u32(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX));
    out.u32(duration.subsec_nanos());
}

impl FlowRemoved {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<FlowRemoved> {
        match body.version() {
            Version::V10 => {
                let matching = match_v10::parse(&mut body)?;
                FlowRemoved { matching, ..FlowRemoved::parse_middle(&mut body)? }.parse_counts(body)
            }
            Version::V13 | Version::V14 => {
                let mut removed = FlowRemoved::parse_middle(&mut body)?.parse_counts_of(&mut body)?;
                removed.matching = parse_match(&mut body)?;
                body.finish()?;
                Ok(removed)
            }
            Version::V15 => FlowRemoved::parse_v15(body),
        }
    }

    /// Cookie to timeouts, as all forms but that of OpenFlow 1.5 have them.
    fn parse_middle(body: &mut Reader<'_>) -> Parsed<FlowRemoved> {
        let (cookie, priority) = (body.u64()?, body.u16()?);
        let (reason, table) = (RemovedReason::parse(body)?, body.u8()?);
        let (duration, idle_timeout) = (parse_duration(body)?, body.u16()?);
        let hard_timeout = body.u16()?;
        let old = body.version() == Version::V10;
        Ok(FlowRemoved {
            cookie,
            priority,
            reason,
            table: if old { TABLE_ALL } else { table },
            duration,
            idle_timeout,
            hard_timeout: if old { 0 } else { hard_timeout },
            packets: 0,
            bytes: 0,
            matching: Match::ANY,
        })
    }

    fn parse_counts_of(mut self, body: &mut Reader<'_>) -> Parsed<FlowRemoved> {
        (self.packets, self.bytes) = (body.u64()?, body.u64()?);
        Ok(self)
    }

    fn parse_counts(self, mut body: Reader<'_>) -> Parsed<FlowRemoved> {
        let removed = self.parse_counts_of(&mut body)?;
        body.finish()?;
        Ok(removed)
    }

    fn parse_v15(mut body: Reader<'_>) -> Parsed<FlowRemoved> {
        let (table, reason) = (body.u8()?, RemovedReason::parse(&mut body)?);
        let (priority, idle_timeout, hard_timeout) = (body.u16()?, body.u16()?, body.u16()?);
        let cookie = body.u64()?;
        let matching = parse_match(&mut body)?;
        let stats = Oxs::parse(&mut body)?;
        body.finish()?;
        Ok(FlowRemoved {
            cookie,
            priority,
            reason,
            table,
            duration: stats.duration.unwrap_or_default(),
            idle_timeout,
            hard_timeout,
            packets: stats.packets.unwrap_or_default(),
            bytes: stats.bytes.unwrap_or_default(),
            matching,
        })
    }

    pub(crate) fn parse_nicira(mut body: Reader<'_>) -> Parsed<FlowRemoved> {
        let (cookie, priority) = (body.u64()?, body.u16()?);
        let (reason, table) = (RemovedReason::parse(&mut body)?, body.u8()?.wrapping_sub(1));
        let (duration, idle_timeout) = (parse_duration(&mut body)?, body.u16()?);
        let match_len = usize::from(body.u16()?);
        let (packets, bytes) = (body.u64()?, body.u64()?);
        let matching = parse_nxm(&mut body, match_len)?.matching;
        body.finish()?;
        let hard_timeout = 0;
        Ok(FlowRemoved {
            cookie,
            priority,
            reason,
            table,
            duration,
            idle_timeout,
            hard_timeout,
            packets,
            bytes,
            matching,
        })
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        match out.version() {
            Version::V10 => {
                match_v10::emit(&self.matching, out)?;
                self.emit_middle(0, 0, out);
            }
            Version::V13 | Version::V14 => {
                self.emit_middle(self.table, self.hard_timeout, out);
                return emit_match(&self.matching, out);
            }
            Version::V15 => return self.emit_v15(out),
        }
        Ok(())
    }

    fn emit_middle(&self, table: u8, after_idle: u16, out: &mut Writer<'_>) {
        let version = out.version();
        out.u64(self.cookie);
        out.u16(self.priority);
        out.u8(self.reason.number(version));
        out.u8(table);
        emit_duration(self.duration, out);
        out.u16(self.idle_timeout);
        out.u16(after_idle);
        out.u64(self.packets);
        out.u64(self.bytes);
    }

    fn emit_v15(&self, out: &mut Writer<'_>) -> Emitted {
        let version = out.version();
        out.u8(self.table);
        out.u8(self.reason.number(version));
        [self.priority, self.idle_timeout, self.hard_timeout].into_iter().for_each(|word| out.u16(word));
        out.u64(self.cookie);
        emit_match(&self.matching, out)?;
        let stats = Oxs {
            duration: Some(self.duration),
            packets: Some(self.packets),
            bytes: Some(self.bytes),
            ..Oxs::default()
        };
        stats.emit(out);
        Ok(())
    }

    /// The table is one more than it is, 0 where not known.
    pub(crate) fn emit_nicira(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        self.emit_middle(self.table.wrapping_add(1), 0, out);
        // Cookie to idle timeout take 22 bytes; the match's length stands where others have the hard timeout.
        emit_nxm(&self.matching, None, start + 22, out)
    }
}
