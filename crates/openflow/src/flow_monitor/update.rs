//! What a flow monitor reports.

use tulle_flow::Flow;

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::instructions::{emit_instructions, parse_instructions};
use crate::matching::{emit_match, emit_nxm, parse_match, parse_nxm};
use crate::message::Xid;
use crate::version::Version;

/// What happened to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowUpdateEvent {
    /// It was there already; before OpenFlow 1.4 reported as added.
    Initial,
    /// It came.
    Added,
    /// It went.
    Removed,
    /// Its actions changed.
    Modified,
}

/// A flow that came, changed or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowUpdateFull {
    /// What happened.
    pub event: FlowUpdateEvent,
    /// Of a flow that went: the number of a [`RemovedReason`](crate::RemovedReason).
    pub reason: u8,
    /// The flow; without actions where the monitor does not ask for them.
    pub flow: Flow,
}

/// One entry of a flow monitor's report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // almost every update is the large one
pub enum FlowUpdate {
    /// A flow came, changed or went.
    Full(FlowUpdateFull),
    /// What this transaction of the controller asked for happened.
    Abbreviated(Xid),
    /// No updates until further notice: too many wait (since OpenFlow 1.4; before a message of its own).
    Paused,
    /// Updates go on (since OpenFlow 1.4).
    Resumed,
}

/// Numbers of events before OpenFlow 1.4, and from then on.
const OLD_EVENTS: [FlowUpdateEvent; 3] =
    [FlowUpdateEvent::Added, FlowUpdateEvent::Removed, FlowUpdateEvent::Modified];
const OLD_ABBREVIATED: u16 = 3;
const EVENTS: [FlowUpdateEvent; 4] =
    [FlowUpdateEvent::Initial, FlowUpdateEvent::Added, FlowUpdateEvent::Removed, FlowUpdateEvent::Modified];
const ABBREVIATED: u16 = 4;
const PAUSED: u16 = 5;
const RESUMED: u16 = 6;

impl FlowUpdate {
    pub(crate) fn parse(body: &mut Reader<'_>) -> Parsed<FlowUpdate> {
        let short = ErrorCode::BadRequestLength;
        let length = usize::from(body.u16()?);
        let mut entry = body.part(length.checked_sub(2).ok_or(short)?, short)?;
        let event = entry.u16()?;
        let old = entry.version() < Version::V14;
        let events: &[FlowUpdateEvent] = if old { &OLD_EVENTS } else { &EVENTS };
        if let Some(event) = events.get(usize::from(event)) {
            return FlowUpdateFull::parse(*event, entry).map(FlowUpdate::Full);
        }
        let update = match event {
            OLD_ABBREVIATED if old => FlowUpdate::Abbreviated(entry.u32()?),
            ABBREVIATED => FlowUpdate::Abbreviated(entry.u32()?),
            PAUSED | RESUMED if !old => {
                entry.skip(4)?;
                if event == PAUSED { FlowUpdate::Paused } else { FlowUpdate::Resumed }
            }
            _ => return Err(ErrorCode::BadFlowMonitorEvent),
        };
        entry.finish()?;
        Ok(update)
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let old = out.version() < Version::V14;
        let (event, word) = match self {
            FlowUpdate::Full(full) => return full.emit(out),
            FlowUpdate::Abbreviated(xid) if old => (OLD_ABBREVIATED, *xid),
            FlowUpdate::Abbreviated(xid) => (ABBREVIATED, *xid),
            FlowUpdate::Paused | FlowUpdate::Resumed if old => {
                return out.lacks("pausing among flow updates");
            }
            FlowUpdate::Paused => (PAUSED, 0),
            FlowUpdate::Resumed => (RESUMED, 0),
        };
        out.u16(8);
        out.u16(event);
        out.u32(word);
        Ok(())
    }
}

impl FlowUpdateFull {
    fn parse(event: FlowUpdateEvent, entry: Reader<'_>) -> Parsed<FlowUpdateFull> {
        if entry.version() < Version::V14 {
            FlowUpdateFull::parse_old(event, entry)
        } else {
            FlowUpdateFull::parse_v14(event, entry)
        }
    }

    fn parse_old(event: FlowUpdateEvent, mut entry: Reader<'_>) -> Parsed<FlowUpdateFull> {
        let (reason, priority) = (entry.u16()?, entry.u16()?);
        let (idle_timeout, hard_timeout) = (entry.u16()?, entry.u16()?);
        let (match_len, table) = (usize::from(entry.u16()?), entry.u8()?);
        entry.skip(1)?;
        let cookie = entry.u64()?;
        let matching = match entry.version() {
            Version::V10 => parse_nxm(&mut entry, match_len)?.matching,
            _ => parse_match(&mut entry)?,
        };
        let actions = parse_instructions(entry, table)?;
        let flow = Flow {
            table,
            priority,
            cookie,
            idle_timeout,
            hard_timeout,
            matching,
            actions,
            ..Flow::default()
        };
        Ok(FlowUpdateFull { event, reason: reason as u8, flow })
    }

    fn parse_v14(event: FlowUpdateEvent, mut entry: Reader<'_>) -> Parsed<FlowUpdateFull> {
        let (table, reason) = (entry.u8()?, entry.u8()?);
        let (idle_timeout, hard_timeout, priority) = (entry.u16()?, entry.u16()?, entry.u16()?);
        entry.skip(4)?;
        let cookie = entry.u64()?;
        let matching = parse_match(&mut entry)?;
        let actions = parse_instructions(entry, table)?;
        let flow = Flow {
            table,
            priority,
            cookie,
            idle_timeout,
            hard_timeout,
            matching,
            actions,
            ..Flow::default()
        };
        Ok(FlowUpdateFull { event, reason, flow })
    }

    fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.u16(0);
        if out.version() < Version::V14 { self.emit_old(out) } else { self.emit_v14(out) }?;
        emit_instructions(&self.flow.actions, out)?;
        out.set_length(start, start);
        Ok(())
    }

    fn emit_old(&self, out: &mut Writer<'_>) -> Emitted {
        let flow = &self.flow;
        let event = match self.event {
            FlowUpdateEvent::Initial | FlowUpdateEvent::Added => 0,
            FlowUpdateEvent::Removed => 1,
            FlowUpdateEvent::Modified => 2,
        };
        let words = [event, u16::from(self.reason), flow.priority, flow.idle_timeout, flow.hard_timeout];
        words.into_iter().for_each(|word| out.u16(word));
        let at = out.len();
        out.u16(0);
        out.u8(flow.table);
        out.u8(0);
        out.u64(flow.cookie);
        if out.version() == Version::V10 {
            return emit_nxm(&flow.matching, None, at, out);
        }
        let start = out.len();
        emit_match(&flow.matching, out)?;
        out.set_length(at, start);
        Ok(())
    }

    fn emit_v14(&self, out: &mut Writer<'_>) -> Emitted {
        let flow = &self.flow;
        out.u16(self.event as u16);
        out.u8(flow.table);
        out.u8(self.reason);
        [flow.idle_timeout, flow.hard_timeout, flow.priority].into_iter().for_each(|word| out.u16(word));
        out.zeros(4);
        out.u64(flow.cookie);
        emit_match(&flow.matching, out)
    }
}
