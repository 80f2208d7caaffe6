//! Tells a controller that a flow is gone (OpenFlow 1.3.5 section 7.4.2).

use std::time::Duration;

use tulle_flow::Match;

use crate::bytes::{Parsed, Put, Reader};
use crate::error::ErrorCode;
use crate::matching::{emit_match, parse_match};

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
    /// Its table.
    pub table: u8,
    /// How long it lived.
    pub duration: Duration,
    /// Its idle timeout in seconds.
    pub idle_timeout: u16,
    /// Its hard timeout in seconds.
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

pub(crate) fn emit_duration(duration: Duration, out: &mut Vec<u8>) {
    out.u32(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX));
    out.u32(duration.subsec_nanos());
}

impl FlowRemoved {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<FlowRemoved> {
        let (cookie, priority) = (body.u64()?, body.u16()?);
        let reason = match body.u8()? {
            0 => RemovedReason::IdleTimeout,
            1 => RemovedReason::HardTimeout,
            2 => RemovedReason::Delete,
            3 => RemovedReason::GroupDelete,
            _ => return Err(ErrorCode::BadType),
        };
        let removed = FlowRemoved {
            cookie,
            priority,
            reason,
            table: body.u8()?,
            duration: parse_duration(&mut body)?,
            idle_timeout: body.u16()?,
            hard_timeout: body.u16()?,
            packets: body.u64()?,
            bytes: body.u64()?,
            matching: parse_match(&mut body)?,
        };
        body.finish()?;
        Ok(removed)
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.u64(self.cookie);
        out.u16(self.priority);
        out.u8(self.reason as u8);
        out.u8(self.table);
        emit_duration(self.duration, out);
        out.u16(self.idle_timeout);
        out.u16(self.hard_timeout);
        out.u64(self.packets);
        out.u64(self.bytes);
        emit_match(&self.matching, out);
    }
}
