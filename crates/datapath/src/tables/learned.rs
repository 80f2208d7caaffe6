//! What learning and groups want to know of flows.

use std::collections::HashMap;

use super::Tables;
use crate::flow_mod::FlowFilter;
use crate::rules::RuleId;
use tulle_classifier::PackedMatch;
use tulle_flow::{Action, Flow};

impl Tables {
    /// The rule with the match and priority of a flow.
    pub fn find_flow(&self, flow: &Flow) -> Option<RuleId> {
        self.find(flow.table, &PackedMatch::new(&flow.matching), flow.priority)
    }

    /// True where the flow is there as it is, timeouts aside.
    pub fn has_same(&self, flow: &Flow) -> bool {
        let rule = self.find_flow(flow).and_then(|id| self.rules.get(id));
        rule.is_some_and(|rule| rule.flow.actions[..] == flow.actions[..] && rule.flow.cookie == flow.cookie)
    }

    /// Notes that a flow is in use, though no packet need have matched it.
    pub fn touch(&mut self, id: RuleId, now: u64) {
        if let Some(rule) = self.rules.get_mut(id) {
            rule.used_ns = rule.used_ns.max(now);
        }
    }

    /// Idle and hard timeout.
    pub fn timeouts(&self, id: RuleId) -> Option<(u16, u16)> {
        self.rules.get(id).map(|rule| (rule.flow.idle_timeout, rule.flow.hard_timeout))
    }

    /// True where a flow is there, or may be learned with fewer than `limit` of the same cookie in its table.
    pub fn may_learn(&self, flow: &Flow, limit: u32) -> bool {
        let filter = FlowFilter { table: Some(flow.table), cookie: flow.cookie, ..FlowFilter::default() };
        let count = || self.select(&FlowFilter { cookie_mask: u64::MAX, ..filter }).len();
        self.find_flow(flow).is_some() || count() < limit as usize
    }

    /// How many flows use each group, or each meter, as `number` reads it from an action.
    pub fn users(&self, number: fn(&Action) -> Option<u32>) -> HashMap<u32, u32> {
        let mut users = HashMap::new();
        for (_, rule) in self.rules.iter() {
            let mut numbers = Vec::new();
            gather(&rule.flow.actions, number, &mut numbers);
            numbers.sort_unstable();
            numbers.dedup();
            numbers.into_iter().for_each(|number| *users.entry(number).or_default() += 1);
        }
        users
    }

    /// Notes what a rule that goes, or gets other actions, wants to take with it.
    pub(super) fn orphan(&mut self, actions: &[Action]) {
        let mut learns = Vec::new();
        gather_learned(actions, &mut learns);
        self.orphans.append(&mut learns);
    }

    /// Tables and cookies whose flows are to go, because those who had learned them have gone.
    pub fn take_orphans(&mut self) -> Vec<(u8, u64)> {
        let orphans = std::mem::take(&mut self.orphans);
        if orphans.is_empty() {
            return orphans;
        }
        let mut kept = Vec::new();
        self.rules.iter().for_each(|(_, rule)| gather_learned(&rule.flow.actions, &mut kept));
        orphans.into_iter().filter(|orphan| !kept.contains(orphan)).collect()
    }
}

fn gather(actions: &[Action], number: fn(&Action) -> Option<u32>, found: &mut Vec<u32>) {
    for action in actions {
        found.extend(number(action));
        if let Action::Clone(inner) | Action::WriteActions(inner) = action {
            gather(inner, number, found);
        }
    }
}

fn gather_learned(actions: &[Action], found: &mut Vec<(u8, u64)>) {
    for action in actions {
        match action {
            Action::Learn(learn) if learn.delete_learned => found.push((learn.table, learn.cookie)),
            Action::Clone(inner) | Action::WriteActions(inner) => gather_learned(inner, found),
            _ => {}
        }
    }
}
