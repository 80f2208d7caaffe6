//! Flows as they stand in the tables, with their counters, each under a number that caches may keep.

use std::mem::offset_of;
use std::sync::Arc;

use tulle_classifier::{Clause, PackedMatch};
use tulle_flow::{Action, Flow, port};

/// The number of a rule.  Numbers of rules that have gone are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub(crate) u32);

/// A flow as it is kept: only the words of the match that it touches.  What a packet needs stands first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct StoredFlow {
    /// What happens to packets, shared by many flows; empty means drop.
    pub actions: Arc<[Action]>,
    /// The controller's opaque mark.
    pub cookie: u64,
    /// Higher wins.
    pub priority: u16,
    /// The table.
    pub table: u8,
    /// What the controller wants of it.  Here, since by one of these bytes it is told whether there is a rule.
    pub flags: FlowFlags,
    /// Seconds without a packet until the flow goes; 0 means never.
    pub idle_timeout: u16,
    /// Seconds until the flow goes; 0 means never.
    pub hard_timeout: u16,
    /// Flows of lower importance are evicted first.
    pub importance: u16,
    /// Which packets.
    pub matching: PackedMatch,
}

impl StoredFlow {
    pub(crate) fn new(
        flow: &Flow,
        matching: PackedMatch,
        actions: Arc<[Action]>,
        flags: FlowFlags,
    ) -> StoredFlow {
        StoredFlow {
            flags,
            matching,
            actions,
            cookie: flow.cookie,
            priority: flow.priority,
            idle_timeout: flow.idle_timeout,
            hard_timeout: flow.hard_timeout,
            importance: flow.importance,
            table: flow.table,
        }
    }

    /// The flow as a controller writes it.
    pub fn unpacked(&self) -> Flow {
        Flow {
            table: self.table,
            priority: self.priority,
            cookie: self.cookie,
            idle_timeout: self.idle_timeout,
            hard_timeout: self.hard_timeout,
            importance: self.importance,
            matching: self.matching.unpacked(),
            actions: self.actions.to_vec(),
        }
    }

    /// True for the flow that a table's misses find: of the lowest priority, and matching everything.
    pub fn is_miss_flow(&self) -> bool {
        self.priority == 0 && self.matching.mask().is_empty()
    }
}

/// What a controller wants of a flow besides its actions (`OFPFF_*`, OpenFlow 1.3.5 section 7.3.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowFlags {
    /// It wants to hear of the flow's end.
    pub notify_removal: bool,
    /// It asked for a check of overlaps when it added the flow.
    pub check_overlap: bool,
    /// Counters were to start anew.
    pub reset_counts: bool,
    /// It does not care for packet counts.
    pub no_packet_counts: bool,
    /// It does not care for byte counts.
    pub no_byte_counts: bool,
}

/// A flow in a table, and what it has seen.  What a packet needs fills the first cache line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Rule {
    /// Packets that it matched.
    pub packets: u64,
    /// Bytes of these packets.
    pub bytes: u64,
    /// When it last matched a packet, or was added or modified, in nanoseconds.
    pub used_ns: u64,
    /// Rises from each rule to the next that is added.
    pub(crate) serial: u64,
    /// The flow.
    pub flow: StoredFlow,
    /// When it was added, in nanoseconds.
    pub created_ns: u64,
    /// When its timeouts are looked at next.
    pub(crate) armed_ns: u64,
    /// A file may have it, as a change or copied: whoever reads that needs to know when it goes.
    pub(crate) is_written: bool,
}

/// What a packet needs of a rule ends here.
const _: () = assert!(offset_of!(Rule, flow) + offset_of!(StoredFlow, idle_timeout) == 64);

impl Rule {
    pub(crate) fn has_timeout(&self) -> bool {
        self.flow.idle_timeout != 0 || self.flow.hard_timeout != 0
    }

    /// True for one clause of a conjunctive match: it has no actions of its own.
    pub(crate) fn is_clause(&self) -> bool {
        self.flow.actions.iter().any(|action| matches!(action, Action::Conjunction { .. }))
    }

    pub(crate) fn clauses(&self) -> Vec<Clause> {
        let clause = |action: &Action| match action {
            Action::Conjunction { id, clause, clauses } => {
                Some(Clause { id: *id, clause: *clause, clauses: *clauses })
            }
            _ => None,
        };
        self.flow.actions.iter().filter_map(clause).collect()
    }

    pub(crate) fn sends_to(&self, number: u32) -> bool {
        sends_to(&self.flow.actions, number)
    }

    pub(crate) fn uses_group(&self, number: u32) -> bool {
        uses_group(&self.flow.actions, number)
    }

    pub(crate) fn uses_meter(&self, number: u32) -> bool {
        any_action(&self.flow.actions, &|action| match action {
            Action::Meter(meter) => *meter == number,
            Action::ControllerWith(to) => to.meter == Some(number),
            _ => false,
        })
    }
}

/// True where actions send to a port, by its number.
pub fn sends_to(actions: &[Action], number: u32) -> bool {
    any_action(actions, &|action| match action {
        Action::Output(to)
        | Action::OutputNoting { port: to, .. }
        | Action::OutputTruncated { port: to, .. } => *to == number,
        Action::Enqueue { port: to, .. } => *to == number,
        Action::Controller { .. } | Action::ControllerWith(_) => number == port::CONTROLLER,
        _ => false,
    })
}

/// True where actions execute a group.
pub fn uses_group(actions: &[Action], number: u32) -> bool {
    any_action(actions, &|action| matches!(action, Action::Group(group) if *group == number))
}

/// True where an action, or one inside it, is such.
fn any_action(actions: &[Action], is_such: &impl Fn(&Action) -> bool) -> bool {
    actions.iter().any(|action| {
        is_such(action)
            || match action {
                Action::Clone(inner) | Action::WriteActions(inner) => any_action(inner, is_such),
                _ => false,
            }
    })
}

/// A rule in two cache lines of its own.
#[derive(Debug)]
#[repr(C, align(64))]
struct Slot {
    rule: Option<Rule>,
    /// The version at which another rule, or another set of actions, came here, or the rule went.
    version: u64,
}

const _: () = assert!(size_of::<Slot>() == 128);

/// Rules by number; numbers are used again.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Rules {
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn insert(&mut self, rule: Rule) -> RuleId {
        let (version, rule) = (rule.serial, Some(rule));
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = Slot { rule, version };
            return RuleId(index);
        }
        self.slots.push(Slot { rule, version });
        RuleId((self.slots.len() - 1) as u32)
    }

    /// Puts a rule back under its number, which must be free.
    pub fn restore(&mut self, id: RuleId, rule: Rule, version: u64) {
        let Some(slot) = self.slots.get_mut(id.0 as usize).filter(|slot| slot.rule.is_none()) else { return };
        *slot = Slot { rule: Some(rule), version };
        // Changes are undone backwards, so it is the last one that was freed.
        if let Some(place) = self.free.iter().rposition(|free| *free == id.0) {
            self.free.remove(place);
        }
    }

    pub fn remove(&mut self, id: RuleId, version: u64) -> Option<Rule> {
        let slot = self.slots.get_mut(id.0 as usize)?;
        let removed = slot.rule.take();
        if removed.is_some() {
            slot.version = version;
            self.free.push(id.0);
        }
        removed
    }

    #[inline]
    pub fn get(&self, id: RuleId) -> Option<&Rule> {
        self.slots.get(id.0 as usize)?.rule.as_ref()
    }

    pub fn get_mut(&mut self, id: RuleId) -> Option<&mut Rule> {
        self.slots.get_mut(id.0 as usize)?.rule.as_mut()
    }

    /// Notes that a rule does something else from now on.
    pub fn change(&mut self, id: RuleId, version: u64) {
        if let Some(slot) = self.slots.get_mut(id.0 as usize) {
            slot.version = version;
        }
    }

    /// True where the number stands for the same rule, doing the same, as at a version.
    pub fn is_unchanged(&self, id: RuleId, since: u64) -> bool {
        self.slots.get(id.0 as usize).is_some_and(|slot| slot.version <= since)
    }

    pub fn iter(&self) -> impl Iterator<Item = (RuleId, &Rule)> {
        self.slots.iter().enumerate().filter_map(|(i, slot)| Some((RuleId(i as u32), slot.rule.as_ref()?)))
    }
}
