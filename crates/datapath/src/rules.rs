//! Flows as they stand in the tables, with their counters, each under a number that caches may keep.

use tulle_flow::{Action, Flow};

/// The number of a rule; stays good until the next change of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub(crate) u32);

/// A flow in a table, and what it has seen.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The flow as it was written.
    pub flow: Flow,
    /// Whether the controller wants to hear of its end.
    pub notify_removal: bool,
    /// Packets that it matched.
    pub packets: u64,
    /// Bytes of these packets.
    pub bytes: u64,
    /// When it was added, in nanoseconds.
    pub created_ns: u64,
    /// When it last matched a packet, or was added or modified, in nanoseconds.
    pub used_ns: u64,
}

impl Rule {
    pub(crate) fn has_timeout(&self) -> bool {
        self.flow.idle_timeout != 0 || self.flow.hard_timeout != 0
    }

    pub(crate) fn sends_to(&self, port: u32) -> bool {
        self.flow.actions.iter().any(|action| match action {
            Action::Output(to) => *to == port,
            Action::Controller { .. } => port == tulle_flow::port::CONTROLLER,
            _ => false,
        })
    }
}

/// Rules by number; numbers are used again.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    slots: Vec<Option<Rule>>,
    free: Vec<u32>,
}

impl Rules {
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn insert(&mut self, rule: Rule) -> RuleId {
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = Some(rule);
            return RuleId(index);
        }
        self.slots.push(Some(rule));
        RuleId((self.slots.len() - 1) as u32)
    }

    pub fn remove(&mut self, id: RuleId) -> Option<Rule> {
        let removed = self.slots.get_mut(id.0 as usize)?.take();
        if removed.is_some() {
            self.free.push(id.0);
        }
        removed
    }

    pub fn get(&self, id: RuleId) -> Option<&Rule> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, id: RuleId) -> Option<&mut Rule> {
        self.slots.get_mut(id.0 as usize)?.as_mut()
    }

    pub fn iter(&self) -> impl Iterator<Item = (RuleId, &Rule)> {
        self.slots.iter().enumerate().filter_map(|(i, slot)| Some((RuleId(i as u32), slot.as_ref()?)))
    }
}
