//! Flow modifications, and what is told of flows that went.

use std::sync::Arc;
use std::time::Duration;

use tulle_datapath as datapath;
use tulle_openflow::{
    ErrorCode, FlowMod, FlowModCommand, FlowRemoved, Message, RemovedReason, TABLE_ALL, Version, Xid,
    flow_mod_flags,
};

use super::Session;
use crate::engine::Engine;
use crate::notice::{FlowChange, Notice};

/// Whether a change was made, or why not.
pub(crate) type Answer = Result<(), ErrorCode>;

impl Session {
    /// Applies one flow modification.
    pub(super) fn change_flows(&mut self, engine: &mut Engine, xid: Xid, change: FlowMod) {
        let before = engine.datapath.flows_added();
        match engine.change_flows(&change, self.version()) {
            Ok(()) => self.keep(engine, engine.datapath.flows_added() != before),
            Err(code) => self.refuse(xid, &Message::FlowMod(change), code),
        }
        engine.tell_flow_events(Some(self.id), xid);
    }
}

impl Engine {
    /// Applies one flow modification, as the version spoken means it.
    pub(crate) fn change_flows(&mut self, change: &FlowMod, version: Version) -> Answer {
        if change.buffer.is_some() {
            return Err(ErrorCode::BufferUnknown);
        }
        let now = tulle_io::clock::monotonic_ns();
        let change = change_of(change, version);
        let removed = self.datapath.flow_mod(&change, now).map_err(|error| error_code(&error))?;
        self.tell_removed(removed);
        Ok(())
    }

    /// Queues notices of flows that went, where a controller asked for them.
    pub(crate) fn tell_removed(&mut self, removed: Vec<datapath::FlowRemoved>) {
        for mut flow in removed.into_iter().filter(|flow| flow.notify) {
            self.datapath.name_removed(&mut flow);
            self.wires.sessions.tell(Notice::FlowRemoved(Arc::new(flow)));
        }
    }

    /// Queues a notice of what has happened to flows, for those who monitor them.
    pub(crate) fn tell_flow_events(&mut self, session: Option<u64>, xid: Xid) {
        let events = self.datapath.take_flow_events();
        if !events.is_empty() {
            self.wires.sessions.tell(Notice::FlowsChanged(Arc::new(FlowChange { session, xid, events })));
        }
    }
}

/// OpenFlow 1.0 counts anew where a flow is added in place of another, adds where a modification finds nothing, and
/// lets it change the cookie (1.0 section 4.6; 1.3.5 section 6.4).
pub(crate) fn change_of(change: &FlowMod, version: Version) -> datapath::FlowMod {
    let flag = |bit| change.flags & bit != 0;
    let is_old = version == Version::V10;
    let modifies = matches!(change.command, FlowModCommand::Modify | FlowModCommand::ModifyStrict);
    let keeps_cookie = change.flow.cookie == u64::MAX;
    let all_tables = change.flow.table == TABLE_ALL && (change.command.deletes() || (is_old && modifies));
    let mut flow = change.flow.clone();
    if all_tables && modifies {
        // Where there is nothing to modify in any table, the flow is added to the first.
        flow.table = 0;
    }
    datapath::FlowMod {
        command: match change.command {
            FlowModCommand::Add => datapath::Command::Add,
            FlowModCommand::Modify => datapath::Command::Modify,
            FlowModCommand::ModifyStrict => datapath::Command::ModifyStrict,
            FlowModCommand::Delete => datapath::Command::Delete,
            FlowModCommand::DeleteStrict => datapath::Command::DeleteStrict,
        },
        flow,
        all_tables,
        cookie_mask: change.cookie_mask,
        out_port: change.out_port,
        out_group: change.out_group,
        notify_removal: flag(flow_mod_flags::SEND_FLOW_REMOVED),
        check_overlap: flag(flow_mod_flags::CHECK_OVERLAP),
        reset_counts: flag(flow_mod_flags::RESET_COUNTS) || (is_old && change.command == FlowModCommand::Add),
        no_packet_counts: flag(flow_mod_flags::NO_PACKET_COUNTS),
        no_byte_counts: flag(flow_mod_flags::NO_BYTE_COUNTS),
        is_learned: false,
        adds_if_none: is_old && modifies && change.cookie_mask == 0,
        new_cookie: match change.cookie_mask {
            0 => (is_old && modifies && !keeps_cookie).then_some(change.flow.cookie),
            _ => change.new_cookie,
        },
    }
}

pub(super) fn error_code(error: &datapath::FlowModError) -> ErrorCode {
    match error {
        datapath::FlowModError::TableFull { .. } => ErrorCode::TableFull,
        datapath::FlowModError::BadTable(_) => ErrorCode::BadFlowModTable,
        datapath::FlowModError::Overlap => ErrorCode::Overlap,
        datapath::FlowModError::ReadOnlyField(_) => ErrorCode::BadSetType,
        datapath::FlowModError::BackwardGoto(_) => ErrorCode::BadGotoTable,
        datapath::FlowModError::UnknownGroup(_) => ErrorCode::BadOutGroup,
        datapath::FlowModError::UnknownMeter(_) => ErrorCode::InvalidMeter,
        datapath::FlowModError::UnmappedOption(_) => ErrorCode::InvalidTlvField,
    }
}

pub(super) fn removed_reason(reason: datapath::RemovalReason) -> RemovedReason {
    match reason {
        datapath::RemovalReason::IdleTimeout => RemovedReason::IdleTimeout,
        datapath::RemovalReason::HardTimeout => RemovedReason::HardTimeout,
        datapath::RemovalReason::Delete => RemovedReason::Delete,
        datapath::RemovalReason::GroupDelete => RemovedReason::GroupDelete,
        datapath::RemovalReason::MeterDelete => RemovedReason::MeterDelete,
        datapath::RemovalReason::Eviction => RemovedReason::Eviction,
    }
}

pub(super) fn flow_removed(removed: &datapath::FlowRemoved) -> FlowRemoved {
    let stats = removed.stats();
    FlowRemoved {
        cookie: stats.flow.cookie,
        priority: stats.flow.priority,
        reason: removed_reason(removed.reason),
        table: stats.flow.table,
        duration: Duration::from_nanos(stats.duration_ns),
        idle_timeout: stats.flow.idle_timeout,
        hard_timeout: stats.flow.hard_timeout,
        packets: stats.packets,
        bytes: stats.bytes,
        matching: stats.flow.matching,
    }
}
