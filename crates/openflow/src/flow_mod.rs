//! Changes of flows (OpenFlow 1.3.5 section 7.3.4.1).

use tulle_flow::{Flow, Match, port};

use crate::bytes::{Parsed, Put, Reader};
use crate::error::{EmitError, ErrorCode};
use crate::instructions::{emit_instructions, parse_instructions};
use crate::matching::{emit_match, parse_match};
use crate::{NO_BUFFER, TABLE_ALL};

/// Bits of [`FlowMod::flags`].
pub mod flow_mod_flags {
    /// Tell the controller when the flow goes.
    pub const SEND_FLOW_REMOVED: u16 = 1 << 0;
    /// Refuse a flow that overlaps another of the same priority.
    pub const CHECK_OVERLAP: u16 = 1 << 1;
    /// Start counting anew.
    pub const RESET_COUNTS: u16 = 1 << 2;
    /// Packets need not be counted.
    pub const NO_PACKET_COUNTS: u16 = 1 << 3;
    /// Bytes need not be counted.
    pub const NO_BYTE_COUNTS: u16 = 1 << 4;
    /// All bits with a meaning.
    pub const ALL: u16 = 0b1_1111;
}

/// What to do with flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowModCommand {
    /// Add this flow, in place of one with the same table, priority and match.
    Add,
    /// Change the actions of all flows that the match contains.
    Modify,
    /// Change the actions of the flow with the same priority and match.
    ModifyStrict,
    /// Delete all flows that the match contains.
    Delete,
    /// Delete the flow with the same priority and match.
    DeleteStrict,
}

const COMMANDS: [FlowModCommand; 5] = [
    FlowModCommand::Add,
    FlowModCommand::Modify,
    FlowModCommand::ModifyStrict,
    FlowModCommand::Delete,
    FlowModCommand::DeleteStrict,
];

impl FlowModCommand {
    /// True for the two that delete.
    pub fn deletes(self) -> bool {
        matches!(self, FlowModCommand::Delete | FlowModCommand::DeleteStrict)
    }
}

/// A change of flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowMod {
    /// What to do.
    pub command: FlowModCommand,
    /// The flow, or which flows; table [`TABLE_ALL`] means every table where flows are deleted.
    pub flow: Flow,
    /// Which bits of the cookie a flow must share to be changed or deleted; 0 means any cookie.
    pub cookie_mask: u64,
    /// Only delete flows that send to this port.
    pub out_port: Option<u32>,
    /// Only delete flows that send to this group.
    pub out_group: Option<u32>,
    /// A packet kept in the switch to send through the new flow.
    pub buffer: Option<u32>,
    /// [`flow_mod_flags`].
    pub flags: u16,
}

impl FlowMod {
    /// A change without filters or flags.
    pub fn new(command: FlowModCommand, flow: Flow) -> FlowMod {
        FlowMod { command, flow, cookie_mask: 0, out_port: None, out_group: None, buffer: None, flags: 0 }
    }

    /// Adds a flow.
    pub fn add(flow: Flow) -> FlowMod {
        FlowMod::new(FlowModCommand::Add, flow)
    }

    /// Deletes the flow of this table, priority and match.
    pub fn delete_strict(flow: Flow) -> FlowMod {
        FlowMod::new(FlowModCommand::DeleteStrict, flow)
    }

    /// Deletes all flows of a table (or of [`TABLE_ALL`]) that the match contains.
    pub fn delete(table: u8, matching: Match) -> FlowMod {
        FlowMod::new(FlowModCommand::Delete, Flow { table, matching, ..Flow::default() })
    }

    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<FlowMod> {
        let (cookie, cookie_mask, table) = (body.u64()?, body.u64()?, body.u8()?);
        let command = *COMMANDS.get(usize::from(body.u8()?)).ok_or(ErrorCode::BadFlowModCommand)?;
        let (idle_timeout, hard_timeout, priority) = (body.u16()?, body.u16()?, body.u16()?);
        let buffer = Some(body.u32()?).filter(|buffer| *buffer != NO_BUFFER);
        let out_port = Some(body.u32()?).filter(|number| *number != port::NONE);
        let out_group = Some(body.u32()?).filter(|group| *group != GROUP_ANY);
        let flags = body.u16()?;
        body.skip(2)?;
        let matching = parse_match(&mut body)?;
        let actions = parse_instructions(body, table)?;
        let flow =
            Flow { table, priority, cookie, idle_timeout, hard_timeout, matching, actions, importance: 0 };
        FlowMod { command, flow, cookie_mask, out_port, out_group, buffer, flags }.checked()
    }

    /// Deleting ignores the filters' counterparts of adding and the reverse, so both are normalised here.
    fn checked(mut self) -> Parsed<FlowMod> {
        if self.flags & !flow_mod_flags::ALL != 0 {
            return Err(ErrorCode::BadFlowModFlags);
        }
        if self.command.deletes() {
            self.flow.actions.clear();
            self.buffer = None;
            return Ok(self);
        }
        if self.flow.table == TABLE_ALL {
            return Err(ErrorCode::BadFlowModTable);
        }
        (self.out_port, self.out_group) = (None, None);
        Ok(self)
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) -> Result<(), EmitError> {
        out.u64(self.flow.cookie);
        out.u64(self.cookie_mask);
        out.u8(self.flow.table);
        out.u8(self.command as u8);
        out.u16(self.flow.idle_timeout);
        out.u16(self.flow.hard_timeout);
        out.u16(self.flow.priority);
        out.u32(self.buffer.unwrap_or(NO_BUFFER));
        out.u32(self.out_port.unwrap_or(port::NONE));
        out.u32(self.out_group.unwrap_or(GROUP_ANY));
        out.u16(self.flags);
        out.zeros(2);
        emit_match(&self.flow.matching, out);
        emit_instructions(&self.flow.actions, out)
    }
}

/// Any group (`OFPG_ANY`).
pub(crate) const GROUP_ANY: u32 = 0xffff_ffff;
