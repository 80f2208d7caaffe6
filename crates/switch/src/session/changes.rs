//! Flow modifications, and what is told of flows that went.

use std::sync::Arc;
use std::time::Duration;

use tulle_datapath as datapath;
use tulle_openflow::{
    ErrorCode, FlowMod, FlowModCommand, FlowRemoved, Message, RemovedReason, Role, TABLE_ALL, Xid,
    flow_mod_flags,
};

use super::Session;
use crate::engine::Engine;
use crate::notice::Notice;

impl Session {
    /// Applies one flow modification.
    pub(super) fn change_flows(&mut self, engine: &mut Engine, xid: Xid, change: FlowMod) {
        if let Err(code) = self.apply(engine, &change) {
            self.refuse(xid, &Message::FlowMod(change), code);
        }
    }

    fn apply(&mut self, engine: &mut Engine, change: &FlowMod) -> Result<(), ErrorCode> {
        if self.role == Role::Slave {
            return Err(ErrorCode::RoleForbids);
        }
        if change.buffer.is_some() {
            return Err(ErrorCode::BufferUnknown);
        }
        let now = tulle_io::clock::monotonic_ns();
        let removed =
            engine.datapath.flow_mod(&change_of(change), now).map_err(|error| error_code(&error))?;
        engine.tell_removed(removed);
        Ok(())
    }
}

impl Engine {
    /// Queues notices of flows that went, where a controller asked for them.
    pub(crate) fn tell_removed(&mut self, removed: Vec<datapath::FlowRemoved>) {
        for flow in removed.into_iter().filter(|flow| flow.notify) {
            self.wires.sessions.tell(Notice::FlowRemoved(Arc::new(flow)));
        }
    }
}

fn change_of(change: &FlowMod) -> datapath::FlowMod {
    datapath::FlowMod {
        command: match change.command {
            FlowModCommand::Add => datapath::Command::Add,
            FlowModCommand::Modify => datapath::Command::Modify,
            FlowModCommand::ModifyStrict => datapath::Command::ModifyStrict,
            FlowModCommand::Delete => datapath::Command::Delete,
            FlowModCommand::DeleteStrict => datapath::Command::DeleteStrict,
        },
        flow: change.flow.clone(),
        all_tables: change.flow.table == TABLE_ALL && change.command.deletes(),
        cookie_mask: change.cookie_mask,
        out_port: change.out_port,
        notify_removal: change.flags & flow_mod_flags::SEND_FLOW_REMOVED != 0,
        check_overlap: change.flags & flow_mod_flags::CHECK_OVERLAP != 0,
        reset_counts: change.flags & flow_mod_flags::RESET_COUNTS != 0,
    }
}

fn error_code(error: &datapath::FlowModError) -> ErrorCode {
    match error {
        datapath::FlowModError::TableFull { .. } => ErrorCode::TableFull,
        datapath::FlowModError::BadTable(_) => ErrorCode::BadFlowModTable,
        datapath::FlowModError::Overlap => ErrorCode::Overlap,
        datapath::FlowModError::ReadOnlyField(_) => ErrorCode::BadSetType,
        datapath::FlowModError::BackwardGoto(_) => ErrorCode::BadGotoTable,
    }
}

pub(super) fn removed_reason(reason: datapath::RemovalReason) -> RemovedReason {
    match reason {
        datapath::RemovalReason::IdleTimeout => RemovedReason::IdleTimeout,
        datapath::RemovalReason::HardTimeout => RemovedReason::HardTimeout,
        datapath::RemovalReason::Delete => RemovedReason::Delete,
    }
}

pub(super) fn flow_removed(removed: &datapath::FlowRemoved) -> FlowRemoved {
    let stats = &removed.stats;
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
