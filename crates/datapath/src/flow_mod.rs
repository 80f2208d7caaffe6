//! The words in which a controller changes and queries the flow tables (OpenFlow 1.3.5 sections 6.4 and 7.3).

use crate::rules::{FlowFlags, Rule};
use thiserror::Error;
use tulle_classifier::PackedMatch;
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

impl Command {
    pub(crate) fn deletes(self) -> bool {
        matches!(self, Command::Delete | Command::DeleteStrict)
    }

    pub(crate) fn is_strict(self) -> bool {
        matches!(self, Command::ModifyStrict | Command::DeleteStrict)
    }
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
    /// Removes only flows that send to this group.
    pub out_group: Option<u32>,
    /// Tells the controller when the added flow goes.
    pub notify_removal: bool,
    /// Refuses to add where a flow of the same priority overlaps.
    pub check_overlap: bool,
    /// A packet has asked for it, not a controller.
    pub is_learned: bool,
    /// Sets the counters of modified flows to zero; a flow that is added in place of another counts on without it.
    pub reset_counts: bool,
    /// The controller does not care for packet counts.
    pub no_packet_counts: bool,
    /// The controller does not care for byte counts.
    pub no_byte_counts: bool,
    /// A modification that finds no flow adds one (OpenFlow 1.0 and 1.1, `OFPFC_MODIFY`).
    pub adds_if_none: bool,
    /// A modification also gives its flows this cookie (OpenFlow 1.0 and 1.1).
    pub new_cookie: Option<u64>,
}

impl FlowMod {
    pub(crate) fn flags(&self) -> FlowFlags {
        FlowFlags {
            notify_removal: self.notify_removal,
            check_overlap: self.check_overlap,
            reset_counts: self.reset_counts,
            no_packet_counts: self.no_packet_counts,
            no_byte_counts: self.no_byte_counts,
        }
    }
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
    /// The flow executes a group that does not exist.
    #[error("group {0} does not exist")]
    UnknownGroup(u32),
    /// The flow passes a meter that does not exist.
    #[error("meter {0} does not exist")]
    UnknownMeter(u32),
    /// The flow matches or uses a `tun_metadata` field that the bridge's map has no option for.
    #[error("{field} is not mapped to an option", field = .0.name())]
    UnmappedOption(Field),
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
    /// Only flows that send to this group.
    pub out_group: Option<u32>,
}

impl FlowFilter {
    pub(crate) fn of(change: &FlowMod) -> FlowFilter {
        let deletes = change.command.deletes();
        FlowFilter {
            table: (!change.all_tables).then_some(change.flow.table),
            matching: change.flow.matching,
            cookie: change.flow.cookie,
            cookie_mask: change.cookie_mask,
            out_port: change.out_port.filter(|_| deletes),
            out_group: change.out_group.filter(|_| deletes),
        }
    }

    /// What is to be said of a flow besides its table and match.
    pub(crate) fn accepts(&self, rule: &Rule) -> bool {
        (rule.flow.cookie ^ self.cookie) & self.cookie_mask == 0
            && self.out_port.is_none_or(|port| rule.sends_to(port))
            && self.out_group.is_none_or(|group| rule.uses_group(group))
    }

    pub(crate) fn packed(&self) -> PackedMatch {
        PackedMatch::new(&self.matching)
    }
}

/// A flow and its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowStats {
    /// The flow as it was written.
    pub flow: Flow,
    /// What the controller wants of it.
    pub flags: FlowFlags,
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
            flow: rule.flow.unpacked(),
            flags: rule.flow.flags,
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
    /// A group that it used was removed.
    GroupDelete,
    /// A meter that it used was removed.
    MeterDelete,
    /// It made place for another.
    Eviction,
}

/// A flow that has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRemoved {
    /// Why it went.
    pub reason: RemovalReason,
    /// Whether the controller asked to hear of it.
    pub notify: bool,
    rule: Rule,
    /// Its match as the controller wrote it, where that is not how the table had it.
    named: Option<Box<Match>>,
    now: u64,
}

impl FlowRemoved {
    pub(crate) fn new(rule: Rule, reason: RemovalReason, now: u64) -> FlowRemoved {
        FlowRemoved { reason, notify: rule.flow.flags.notify_removal, rule, named: None, now }
    }

    /// The flow and its last counters.
    pub fn stats(&self) -> FlowStats {
        let mut stats = FlowStats::of(&self.rule, self.now);
        stats.flow.matching = self.named.as_deref().copied().unwrap_or(stats.flow.matching);
        stats
    }

    pub(crate) fn set_named(&mut self, matching: Match) {
        self.named = Some(Box::new(matching));
    }
}

/// What happened to a flow, for those who monitor flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowChange {
    /// It is new, or stands in the place of another.
    Added,
    /// It has other actions or another cookie.
    Modified,
    /// It has gone.
    Removed(RemovalReason),
}

/// A change of a flow, and the flow after it (or, where it has gone, as it was last).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowEvent {
    /// What happened.
    pub change: FlowChange,
    /// The flow and its counters.
    pub stats: FlowStats,
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
