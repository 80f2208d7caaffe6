//! The words in which a controller changes and queries the flow tables (OpenFlow 1.3.5 sections 6.4 and 7.3).

use crate::rules::Rule;
use thiserror::Error;
use tulle_flow::{Field, Flow, Match};

/// What a flow modification does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// Adds the flow, replacing one with the same match and priority.
    #[default]
    Add,
    /// Gives new actions to each flow that the match contains.
    Modify,
    /// Gives new actions to the flow with the same match and priority.
    ModifyStrict,
    /// Removes each flow that the match contains.
    Delete,
    /// Removes the flow with the same match and priority.
    DeleteStrict,
}

/// One flow modification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowMod {
    /// What to do.
    pub command: Command,
    /// The flow; for a modification its match, actions and filters, for a removal its match and filters.
    pub flow: Flow,
    /// Modifies or removes in all tables rather than in `flow.table`.
    pub all_tables: bool,
    /// Modifies or removes only where these bits of the cookie agree.
    pub cookie_mask: u64,
    /// Removes only flows that send to this port.
    pub out_port: Option<u32>,
    /// Tells the controller when the added flow goes.
    pub notify_removal: bool,
    /// Refuses to add where a flow of the same priority overlaps.
    pub check_overlap: bool,
    /// Sets the counters of modified flows to zero.
    pub reset_counts: bool,
}

/// Why a flow modification is refused; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FlowModError {
    /// As many flows as the limit allows.
    #[error("the tables are full: {limit} flows")]
    TableFull {
        /// The most flows.
        limit: usize,
    },
    /// Table 255 cannot hold flows.
    #[error("table {0} does not exist")]
    BadTable(u8),
    /// A flow of the same priority matches some of the same packets.
    #[error("a flow of the same priority overlaps")]
    Overlap,
    /// The field cannot be written.
    #[error("{field} cannot be set", field = .0.name())]
    ReadOnlyField(Field),
    /// A goto must lead to a later table.
    #[error("goto_table:{0} does not lead to a later table")]
    BackwardGoto(u8),
}

/// Which flows a query or a removal is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowFilter {
    /// Only in this table.
    pub table: Option<u8>,
    /// Only flows whose match this one contains.
    pub matching: Match,
    /// Only flows with these bits ...
    pub cookie: u64,
    /// ... where this mask is set.
    pub cookie_mask: u64,
    /// Only flows that send to this port.
    pub out_port: Option<u32>,
}

impl FlowFilter {
    pub(crate) fn of(change: &FlowMod) -> FlowFilter {
        let deletes = matches!(change.command, Command::Delete | Command::DeleteStrict);
        FlowFilter {
            table: (!change.all_tables).then_some(change.flow.table),
            matching: change.flow.matching,
            cookie: change.flow.cookie,
            cookie_mask: change.cookie_mask,
            out_port: change.out_port.filter(|_| deletes),
        }
    }

    pub(crate) fn selects(&self, rule: &Rule) -> bool {
        self.table.is_none_or(|table| table == rule.flow.table)
            && (rule.flow.cookie ^ self.cookie) & self.cookie_mask == 0
            && self.out_port.is_none_or(|port| rule.sends_to(port))
            && self.matching.contains(&rule.flow.matching)
    }
}

/// A flow and its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowStats {
    /// The flow as it was written.
    pub flow: Flow,
    /// Packets that it matched.
    pub packets: u64,
    /// Bytes of these packets.
    pub bytes: u64,
    /// Time since it was added, in nanoseconds.
    pub duration_ns: u64,
    /// Time since it last matched a packet, in nanoseconds.
    pub idle_ns: u64,
}

impl FlowStats {
    pub(crate) fn of(rule: &Rule, now: u64) -> FlowStats {
        FlowStats {
            flow: rule.flow.clone(),
            packets: rule.packets,
            bytes: rule.bytes,
            duration_ns: now.saturating_sub(rule.created_ns),
            idle_ns: now.saturating_sub(rule.used_ns),
        }
    }
}

/// Why a flow went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalReason {
    /// No packet for its idle timeout.
    IdleTimeout,
    /// Its hard timeout has passed.
    HardTimeout,
    /// The controller removed it.
    Delete,
}

/// A flow that has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRemoved {
    /// The flow and its last counters.
    pub stats: FlowStats,
    /// Why it went.
    pub reason: RemovalReason,
    /// Whether the controller asked to hear of it.
    pub notify: bool,
}

/// Counters of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// The table.
    pub table: u8,
    /// Flows in it.
    pub active: usize,
    /// Packets looked up in it.
    pub lookups: u64,
    /// Packets that matched a flow of it.
    pub matched: u64,
}
