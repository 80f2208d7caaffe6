//! Changes of flows (OpenFlow 1.0 section 5.3.3, 1.3.5 section 7.3.4.1, 1.4 section 7.3.4.2, and `NXT_FLOW_MOD`).

use tulle_flow::{Flow, Match, port};

use crate::actions::{check_actions, retarget_ports};
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::group::group_id;
use crate::instructions::{emit_instructions, parse_instructions};
use crate::match_v10;
use crate::matching::{emit_match, emit_nxm, parse_match, parse_nxm};
use crate::port_number::{emit_port, emit_short_port, parse_port, parse_short_port};
use crate::version::Version;
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
    /// Those of OpenFlow 1.0; its third bit (an emergency flow) is refused.
    pub(crate) const V10: u16 = 0b11;
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
    /// The flow, or which flows.
    ///
    /// Table [`TABLE_ALL`] means every table where flows are deleted.  A plain flow mod of OpenFlow 1.0 has no table:
    /// it adds to table 0, and changes and deletes in [`TABLE_ALL`].
    pub flow: Flow,
    /// Which bits of the cookie a flow must share to be changed or deleted; 0 means any cookie.
    pub cookie_mask: u64,
    /// The cookie that changed flows get, where that is another one than the one they are chosen by: only Nicira's
    /// message of OpenFlow 1.0 can say so.
    pub new_cookie: Option<u64>,
    /// Only delete flows that send to this port.
    pub out_port: Option<u32>,
    /// Only delete flows that send to this group.
    pub out_group: Option<u32>,
    /// A packet kept in the switch to send through the new flow.
    pub buffer: Option<u32>,
    /// [`flow_mod_flags`].
    pub flags: u16,
}

/// In the place of a new cookie: flows keep theirs.
const KEPT_COOKIE: u64 = u64::MAX;

fn none_if<T: PartialEq>(value: T, none: T) -> Option<T> {
    if value == none { None } else { Some(value) }
}

impl FlowMod {
    /// A change without filters or flags.
    pub fn new(command: FlowModCommand, flow: Flow) -> FlowMod {
        FlowMod {
            command,
            flow,
            cookie_mask: 0,
            new_cookie: None,
            out_port: None,
            out_group: None,
            buffer: None,
            flags: 0,
        }
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
        if body.version() == Version::V10 {
            return FlowMod::parse_v10(body);
        }
        let (cookie, cookie_mask, table) = (body.u64()?, body.u64()?, body.u8()?);
        let command = *COMMANDS.get(usize::from(body.u8()?)).ok_or(ErrorCode::BadFlowModCommand)?;
        let mut change = FlowMod::new(command, Flow { table, cookie, ..Flow::default() });
        change.cookie_mask = cookie_mask;
        change.parse_times(&mut body)?;
        change.buffer = none_if(body.u32()?, NO_BUFFER);
        change.out_port = none_if(body.u32()?, port::NONE);
        change.out_group = none_if(body.u32()?, group_id::ANY);
        change.flags = body.u16()?;
        let importance = body.u16()?;
        if body.version() >= Version::V14 {
            change.flow.importance = importance;
        }
        change.flow.matching = parse_match(&mut body)?;
        change.finish(body)
    }

    fn parse_times(&mut self, body: &mut Reader<'_>) -> Parsed<()> {
        self.flow.idle_timeout = body.u16()?;
        self.flow.hard_timeout = body.u16()?;
        self.flow.priority = body.u16()?;
        Ok(())
    }

    fn parse_v10(mut body: Reader<'_>) -> Parsed<FlowMod> {
        let matching = match_v10::parse(&mut body)?;
        let cookie = body.u64()?;
        let mut change = FlowMod::parse_v10_middle(&mut body, cookie, parse_port)?;
        change.flow.matching = matching;
        // Exact matches come first, whatever their priority (OpenFlow 1.0 section 3.4).
        if match_v10::is_exact(&matching) {
            change.flow.priority = u16::MAX;
        }
        change.finish(body)
    }

    /// Command (with the table, where agreed) to flags, as both messages of OpenFlow 1.0 have them.
    fn parse_v10_middle(
        body: &mut Reader<'_>,
        cookie: u64,
        parse_port: impl Fn(&mut Reader<'_>) -> Parsed<u32>,
    ) -> Parsed<FlowMod> {
        let word = body.u16()?;
        let (table, number) = match body.dialect().flow_mod_table_id {
            true => (Some((word >> 8) as u8), word & 0xff),
            false => (None, word),
        };
        let command = *COMMANDS.get(usize::from(number)).ok_or(ErrorCode::BadFlowModCommand)?;
        let table = table.filter(|table| *table != TABLE_ALL || command != FlowModCommand::Add);
        let table = table.unwrap_or(if command == FlowModCommand::Add { 0 } else { TABLE_ALL });
        let mut change = FlowMod::new(command, Flow { table, cookie, ..Flow::default() });
        change.parse_times(body)?;
        change.buffer = none_if(body.u32()?, NO_BUFFER);
        change.out_port = none_if(parse_port(body)?, port::NONE);
        change.flags = body.u16()?;
        Ok(change)
    }

    pub(crate) fn parse_nicira(mut body: Reader<'_>) -> Parsed<FlowMod> {
        let cookie = body.u64()?;
        let mut change = FlowMod::parse_v10_middle(&mut body, cookie, parse_short_port)?;
        let match_len = usize::from(body.u16()?);
        body.skip(6)?;
        let found = parse_nxm(&mut body, match_len)?;
        change.flow.matching = found.matching;
        if let Some((wanted, mask)) = found.cookie {
            if change.command == FlowModCommand::Add {
                return Err(ErrorCode::InvalidNxm);
            }
            (change.flow.cookie, change.cookie_mask) = (wanted, mask);
            if mask != 0 && !change.command.deletes() {
                change.new_cookie = none_if(cookie, KEPT_COOKIE);
            }
        }
        change.finish(body)
    }

    fn finish(mut self, body: Reader<'_>) -> Parsed<FlowMod> {
        let known = match body.version() {
            Version::V10 => flow_mod_flags::V10,
            _ => flow_mod_flags::ALL,
        };
        if self.flags & !known != 0 {
            return Err(ErrorCode::BadFlowModFlags);
        }
        self.flow.actions = parse_instructions(body, self.flow.table)?;
        if body.version() == Version::V10 {
            retarget_ports(&mut self.flow.actions, &self.flow.matching);
            check_actions(&self.flow.actions, None)?;
        } else {
            check_actions(&self.flow.actions, Some(&self.flow.matching))?;
        }
        self.checked(body.version())
    }

    /// Deleting ignores the filters' counterparts of adding and the reverse, so both are normalised here.
    fn checked(mut self, version: Version) -> Parsed<FlowMod> {
        if self.command.deletes() {
            self.flow.actions.clear();
            self.buffer = None;
            return Ok(self);
        }
        let everywhere = version == Version::V10 && self.command != FlowModCommand::Add;
        if self.flow.table == TABLE_ALL && !everywhere {
            return Err(ErrorCode::BadFlowModTable);
        }
        (self.out_port, self.out_group) = (None, None);
        Ok(self)
    }

    /// True where only Nicira's message of OpenFlow 1.0 can hold it.
    pub(crate) fn is_extended(&self) -> bool {
        self.filters_cookies() || !match_v10::holds(&self.flow.matching)
    }

    /// True where only flows with some cookie are meant; to add one, there is nothing to choose from.
    fn filters_cookies(&self) -> bool {
        self.cookie_mask != 0 && self.command != FlowModCommand::Add
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        if out.version() == Version::V10 {
            match_v10::emit(&self.flow.matching, out)?;
            out.u64(self.flow.cookie);
            self.emit_v10_middle(out)?;
            return emit_instructions(&self.flow.actions, out);
        }
        out.u64(self.flow.cookie);
        out.u64(self.cookie_mask);
        out.u8(self.flow.table);
        out.u8(self.command as u8);
        self.emit_times(out);
        out.u32(self.buffer.unwrap_or(NO_BUFFER));
        emit_port(self.out_port.unwrap_or(port::NONE), out)?;
        out.u32(self.out_group.unwrap_or(group_id::ANY));
        out.u16(self.flags);
        let importance = if out.version() >= Version::V14 { self.flow.importance } else { 0 };
        out.u16(importance);
        emit_match(&self.flow.matching, out)?;
        emit_instructions(&self.flow.actions, out)
    }

    fn emit_times(&self, out: &mut Writer<'_>) {
        let flow = &self.flow;
        [flow.idle_timeout, flow.hard_timeout, flow.priority].into_iter().for_each(|word| out.u16(word));
    }

    fn emit_v10_middle(&self, out: &mut Writer<'_>) -> Emitted {
        let default = if self.command == FlowModCommand::Add { 0 } else { TABLE_ALL };
        if out.dialect().flow_mod_table_id {
            out.u16(u16::from(self.flow.table) << 8 | self.command as u16);
        } else if self.flow.table == default {
            out.u16(self.command as u16);
        } else {
            return out.lacks("a table in a flow mod, unless agreed upon");
        }
        self.emit_times(out);
        out.u32(self.buffer.unwrap_or(NO_BUFFER));
        emit_short_port(self.out_port.unwrap_or(port::NONE), out)?;
        out.u16(self.flags & flow_mod_flags::V10);
        Ok(())
    }

    /// The cookie to look for stands in the match; all ones beside it leave the flows' cookies as they are.
    pub(crate) fn emit_nicira(&self, out: &mut Writer<'_>) -> Emitted {
        let filter = (self.flow.cookie, self.cookie_mask);
        let filter = self.filters_cookies().then_some(filter);
        out.u64(if filter.is_some() { self.new_cookie.unwrap_or(KEPT_COOKIE) } else { self.flow.cookie });
        self.emit_v10_middle(out)?;
        let at = out.len();
        out.zeros(8);
        emit_nxm(&self.flow.matching, filter, at, out)?;
        emit_instructions(&self.flow.actions, out)
    }
}
