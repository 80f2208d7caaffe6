//! Limits of single tables, and which flow makes place for another (`ovs-vswitchd.conf.db(5)`, table `Flow_Table`,
//! "Eviction Policy").

use std::collections::{BTreeMap, BTreeSet};

use super::Tables;
use crate::flow_mod::{FlowModError, FlowRemoved, RemovalReason};
use crate::rules::{Rule, RuleId};
use tulle_flow::SubField;

/// The most groups of the largest size that are compared.
const MOST_COMPARED: usize = 64;

/// How many flows a table may hold, and what happens to one that is too many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TablePolicy {
    /// The most flows; none leaves only the limit of the switch.
    pub flow_limit: Option<usize>,
    /// Another flow makes place; else the new one is refused.
    pub evicts: bool,
    /// Flows with the same values here are a group; flows of the largest group go first.
    pub groups: Vec<SubField>,
}

type Group = Box<[u128]>;

/// The flows of a table that may be evicted, those that have a timeout.
#[derive(Debug, Default)]
pub(super) struct Evictor {
    policy: TablePolicy,
    /// By group: importance and time of expiry as far as known.
    groups: BTreeMap<Group, BTreeSet<(u16, u64, RuleId)>>,
    sizes: BTreeSet<(usize, Group)>,
}

impl Evictor {
    fn group_of(&self, rule: &Rule) -> Group {
        if self.policy.groups.is_empty() {
            return Group::default();
        }
        let matching = rule.flow.matching.unpacked();
        self.policy.groups.iter().map(|part| part.value(matching.key())).collect()
    }

    fn change(&mut self, group: Group, change: impl FnOnce(&mut BTreeSet<(u16, u64, RuleId)>)) {
        let members = self.groups.entry(group.clone()).or_default();
        let before = members.len();
        change(members);
        let after = members.len();
        if after == 0 {
            self.groups.remove(&group);
        }
        if before != after {
            self.sizes.remove(&(before, group.clone()));
            if after > 0 {
                self.sizes.insert((after, group));
            }
        }
    }

    pub fn insert(&mut self, id: RuleId, rule: &Rule) {
        if self.policy.evicts && rule.has_timeout() {
            let member = (rule.flow.importance, rule.armed_ns, id);
            self.change(self.group_of(rule), |members| {
                members.insert(member);
            });
        }
    }

    pub fn remove(&mut self, id: RuleId, rule: &Rule) {
        if self.policy.evicts && rule.has_timeout() {
            let member = (rule.flow.importance, rule.armed_ns, id);
            self.change(self.group_of(rule), |members| {
                members.remove(&member);
            });
        }
    }

    /// Of the largest groups, the flow of the lowest importance that expires soonest.
    fn choose(&self) -> Option<RuleId> {
        let (largest, _) = self.sizes.last()?;
        let largest = self.sizes.iter().rev().take(MOST_COMPARED).take_while(|(size, _)| size == largest);
        let first = largest.filter_map(|(_, group)| self.groups.get(group)?.first()).min()?;
        Some(first.2)
    }
}

impl Tables {
    /// Sets what happens when a table is full.  Gives the flows that are too many now and went, as far as somebody
    /// wants to hear of them.  What caches have gathered is to be credited before.
    pub fn set_policy(&mut self, table: u8, policy: TablePolicy, now: u64) -> Vec<FlowRemoved> {
        let Some(slot) = self.evictors.get_mut(usize::from(table)) else { return Vec::new() };
        let mut evictor = Evictor { policy, ..Evictor::default() };
        for (_, id) in self.tables[usize::from(table)].contained_in(&Default::default()) {
            if let Some(rule) = self.rules.get(id) {
                evictor.insert(id, rule);
            }
        }
        *slot = Some(Box::new(evictor));
        self.versions.next();
        let mut removed = Vec::new();
        while self.excess(table) > 0
            && let Some(id) = self.victim(table)
        {
            removed.extend(self.remove(id, RemovalReason::Eviction, now));
        }
        removed
    }

    /// What happens when a table is full.
    pub fn policy(&self, table: u8) -> TablePolicy {
        let evictor = self.evictors.get(usize::from(table)).and_then(Option::as_deref);
        evictor.map(|evictor| evictor.policy.clone()).unwrap_or_default()
    }

    /// True where another flow in a table would be too many.
    pub(super) fn is_full(&self, table: u8) -> bool {
        let flows = self.tables.get(usize::from(table)).map_or(0, |table| table.len());
        self.rules.len() >= self.limit || self.flow_limit(table).is_some_and(|limit| flows >= limit)
    }

    /// Makes room for a flow, if need be at the cost of another.
    pub(super) fn make_room(&mut self, table: u8, now: u64) -> Result<Vec<FlowRemoved>, FlowModError> {
        if !self.is_full(table) {
            return Ok(Vec::new());
        }
        let limit = self.flow_limit(table).map_or(self.limit, |limit| limit.min(self.limit));
        let full = FlowModError::TableFull { limit };
        if self.excess(table) > 0 || limit == 0 {
            return Err(full);
        }
        let id = self.victim(table).ok_or(full)?;
        Ok(self.remove(id, RemovalReason::Eviction, now).into_iter().collect())
    }

    fn flow_limit(&self, table: u8) -> Option<usize> {
        self.evictors.get(usize::from(table))?.as_ref()?.policy.flow_limit
    }

    fn excess(&self, table: u8) -> usize {
        let flows = self.tables[usize::from(table)].len();
        self.flow_limit(table).map_or(0, |limit| flows.saturating_sub(limit))
    }

    fn victim(&self, table: u8) -> Option<RuleId> {
        self.evictors.get(usize::from(table))?.as_ref()?.choose()
    }
}
