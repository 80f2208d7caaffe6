//! Watching flows come, change and go (`ovs-ofctl(8)` under `monitor`: Nicira's messages in OpenFlow 1.0, the ONF's
//! extension 187 in 1.3, the standard since OpenFlow 1.4 section 7.3.5.19).

mod update;

pub use update::{FlowUpdate, FlowUpdateEvent, FlowUpdateFull};

use tulle_flow::{Match, port};

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::group::group_id;
use crate::matching::{emit_match, emit_nxm, parse_match, parse_nxm};
use crate::port_number::{emit_short_port, parse_short_port};
use crate::version::Version;

/// Bits of a monitor's flags, numbered as in OpenFlow 1.4.
pub mod flow_monitor_flags {
    /// Report the flows that there are.
    pub const INITIAL: u16 = 1;
    /// Report flows that come.
    pub const ADD: u16 = 1 << 1;
    /// Report flows that go.
    pub const REMOVED: u16 = 1 << 2;
    /// Report flows that change.
    pub const MODIFY: u16 = 1 << 3;
    /// Report actions.
    pub const INSTRUCTIONS: u16 = 1 << 4;
    /// Report one's own changes in full (`OFPFMF_NO_ABBREV`; OpenFlow 1.4 only).
    pub const NO_ABBREV: u16 = 1 << 5;
    /// Before OpenFlow 1.4: report one's own changes in full too.  Since: report only one's own changes.
    pub const OWN: u16 = 1 << 6;
}

use flow_monitor_flags::{ADD, MODIFY, OWN, REMOVED};

/// The flags of Nicira's and the ONF's messages have no `NO_ABBREV` before `OWN`.
const OLD_OWN: u16 = 1 << 5;

/// What to do with a monitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowMonitorCommand {
    /// Add it; the only one before OpenFlow 1.4.
    #[default]
    Add,
    /// Change it.
    Modify,
    /// Delete it.
    Delete,
}

const COMMANDS: [FlowMonitorCommand; 3] =
    [FlowMonitorCommand::Add, FlowMonitorCommand::Modify, FlowMonitorCommand::Delete];

/// A request to watch flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowMonitor {
    /// The controller's number for it.
    pub monitor: u32,
    /// What to do with it.
    pub command: FlowMonitorCommand,
    /// [`flow_monitor_flags`].
    pub flags: u16,
    /// Only flows that send to this port.
    pub out_port: Option<u32>,
    /// Only flows that send to this group.
    pub out_group: Option<u32>,
    /// The table, or [`TABLE_ALL`](crate::TABLE_ALL).
    pub table: u8,
    /// Only flows that this match contains.
    pub matching: Match,
}

fn any_port(number: u32) -> Option<u32> {
    Some(number).filter(|number| *number != port::NONE)
}

impl FlowMonitor {
    pub(crate) fn parse(body: &mut Reader<'_>) -> Parsed<FlowMonitor> {
        let monitor = match body.version() {
            Version::V10 => FlowMonitor::parse_nicira(body),
            Version::V13 => FlowMonitor::parse_onf(body),
            Version::V14 | Version::V15 => FlowMonitor::parse_v14(body),
        }?;
        if monitor.command != FlowMonitorCommand::Delete && monitor.flags & (ADD | REMOVED | MODIFY) == 0 {
            return Err(ErrorCode::BadMonitorFlags);
        }
        Ok(monitor)
    }

    fn parse_nicira(body: &mut Reader<'_>) -> Parsed<FlowMonitor> {
        let (monitor, flags) = (body.u32()?, parse_old_flags(body)?);
        let out_port = any_port(parse_short_port(body)?);
        let (match_len, table) = (usize::from(body.u16()?), body.u8()?);
        parse_zeros(body, 5)?;
        let matching = parse_nxm(body, match_len)?.matching;
        Ok(FlowMonitor { monitor, flags, out_port, table, matching, ..FlowMonitor::default() })
    }

    fn parse_onf(body: &mut Reader<'_>) -> Parsed<FlowMonitor> {
        let (monitor, flags) = (body.u32()?, parse_old_flags(body)?);
        body.skip(2)?;
        let (out_port, table) = (any_port(body.u32()?), body.u8()?);
        parse_zeros(body, 3)?;
        let matching = parse_match(body)?;
        Ok(FlowMonitor { monitor, flags, out_port, table, matching, ..FlowMonitor::default() })
    }

    fn parse_v14(body: &mut Reader<'_>) -> Parsed<FlowMonitor> {
        let monitor = body.u32()?;
        let (out_port, out_group) = (any_port(body.u32()?), body.u32()?);
        let out_group = Some(out_group).filter(|group| *group != group_id::ANY);
        let (flags, table) = (body.u16()?, body.u8()?);
        let command = COMMANDS.get(usize::from(body.u8()?)).copied().ok_or(ErrorCode::BadMonitorCommand)?;
        // `ovs-ofctl` leaves the match out where it cancels.
        let matching = match command {
            FlowMonitorCommand::Delete if body.is_empty() => Match::ANY,
            _ => parse_match(body)?,
        };
        if flags & !0x7f != 0 {
            return Err(ErrorCode::BadMonitorFlags);
        }
        Ok(FlowMonitor { monitor, command, flags, out_port, out_group, table, matching })
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let version = out.version();
        if version < Version::V14 && self.command != FlowMonitorCommand::Add {
            return out.lacks("changing a flow monitor");
        }
        let number = self.out_port.unwrap_or(port::NONE);
        out.u32(self.monitor);
        match version {
            Version::V10 => {
                out.u16(old_flags(self.flags));
                emit_short_port(number, out)?;
                let at = out.len();
                out.u16(0);
                out.u8(self.table);
                out.zeros(5);
                emit_nxm(&self.matching, None, at, out)
            }
            Version::V13 => {
                out.u16(old_flags(self.flags));
                let at = out.len();
                out.u16(0);
                out.u32(number);
                out.u8(self.table);
                out.zeros(3);
                let start = out.len();
                emit_match(&self.matching, out)?;
                out.set_length(at, start);
                Ok(())
            }
            Version::V14 | Version::V15 => {
                out.u32(number);
                out.u32(self.out_group.unwrap_or(group_id::ANY));
                out.u16(self.flags);
                out.u8(self.table);
                out.u8(self.command as u8);
                emit_match(&self.matching, out)
            }
        }
    }
}

impl Default for FlowMonitor {
    /// Watches nothing yet, in every table.
    fn default() -> Self {
        FlowMonitor {
            monitor: 0,
            command: FlowMonitorCommand::Add,
            flags: 0,
            out_port: None,
            out_group: None,
            table: crate::TABLE_ALL,
            matching: Match::ANY,
        }
    }
}

fn parse_zeros(body: &mut Reader<'_>, count: usize) -> Parsed<()> {
    let zeros = body.take(count)?.iter().all(|byte| *byte == 0);
    if zeros { Ok(()) } else { Err(ErrorCode::MustBeZero) }
}

fn parse_old_flags(body: &mut Reader<'_>) -> Parsed<u16> {
    let flags = body.u16()?;
    if flags & !0x3f != 0 {
        return Err(ErrorCode::BadMonitorFlags);
    }
    Ok((flags & 0x1f) | if flags & OLD_OWN != 0 { OWN } else { 0 })
}

fn old_flags(flags: u16) -> u16 {
    (flags & 0x1f) | if flags & OWN != 0 { OLD_OWN } else { 0 }
}
