//! Which flows a filter is about.

use super::{TABLE_COUNT, Tables};
use crate::flow_mod::{FlowFilter, FlowMod, FlowStats};
use crate::rules::{Rule, RuleId};
use tulle_classifier::PackedMatch;

impl Tables {
    /// Flows and counters, in order of table, falling priority and age.
    pub fn flows(&self, filter: &FlowFilter, now: u64) -> Vec<FlowStats> {
        let mut flows = Vec::new();
        self.visit(filter, &mut |rule| flows.push(FlowStats::of(rule, now)));
        flows
    }

    /// Packets, bytes and number of the flows that a filter selects.
    pub fn aggregate(&self, filter: &FlowFilter) -> (u64, u64, usize) {
        let selected = self.select(filter);
        let rules = selected.iter().filter_map(|id| self.rules.get(*id));
        rules.fold((0, 0, 0), |(packets, bytes, flows), rule| {
            (packets + rule.packets, bytes + rule.bytes, flows + 1)
        })
    }

    /// Shows each flow that a filter selects, in order of table, falling priority and age.
    pub fn visit(&self, filter: &FlowFilter, show: &mut dyn FnMut(&Rule)) {
        for table in tables_of(filter.table) {
            let one = FlowFilter { table: Some(table), ..*filter };
            let mut rules: Vec<&Rule> =
                self.select(&one).into_iter().filter_map(|id| self.rules.get(id)).collect();
            rules.sort_unstable_by_key(|rule| (std::cmp::Reverse(rule.flow.priority), rule.serial));
            rules.into_iter().for_each(&mut *show);
        }
    }

    /// The rules that a filter selects, the oldest first in each table.
    pub fn select(&self, filter: &FlowFilter) -> Vec<RuleId> {
        let matching = filter.packed();
        if filter.cookie != 0 && filter.cookie_mask == u64::MAX {
            return self.with_cookie(filter, &matching);
        }
        let mut selected = Vec::new();
        for table in tables_of(filter.table) {
            let begin = selected.len();
            let ids = self.tables[usize::from(table)].contained_in(&matching).map(|(_, id)| id);
            let accepts = |id: &RuleId| self.rules.get(*id).is_some_and(|rule| filter.accepts(rule));
            selected.extend(ids.filter(accepts));
            selected[begin..].sort_unstable_by_key(|id| self.rules.get(*id).map(|rule| rule.serial));
        }
        selected
    }

    /// As [`select`](Self::select), for a filter that wants one cookie.
    fn with_cookie(&self, filter: &FlowFilter, matching: &PackedMatch) -> Vec<RuleId> {
        let all = (filter.cookie, RuleId(0))..=(filter.cookie, RuleId(u32::MAX));
        let rules = self.cookies.range(all).filter_map(|(_, id)| Some((*id, self.rules.get(*id)?)));
        let selects = |(_, rule): &(RuleId, &Rule)| {
            filter.table.is_none_or(|table| table == rule.flow.table)
                && filter.accepts(rule)
                && matching.contains(&rule.flow.matching)
        };
        let mut selected: Vec<_> = rules.filter(selects).collect();
        selected.sort_unstable_by_key(|(_, rule)| (rule.flow.table, rule.serial));
        selected.into_iter().map(|(id, _)| id).collect()
    }

    /// The rules that a modification or removal is about.
    pub(super) fn selected(&self, change: &FlowMod) -> Vec<RuleId> {
        let filter = FlowFilter::of(change);
        if !change.command.is_strict() {
            return self.select(&filter);
        }
        let matching = filter.packed();
        let exact = |table| self.find(table, &matching, change.flow.priority);
        let accepts = |id: &RuleId| self.rules.get(*id).is_some_and(|rule| filter.accepts(rule));
        tables_of(filter.table).filter_map(exact).filter(accepts).collect()
    }

    pub(super) fn find(&self, table: u8, matching: &PackedMatch, priority: u16) -> Option<RuleId> {
        self.tables.get(usize::from(table))?.find_packed(matching, priority)
    }
}

/// One table, if it exists, or all.
fn tables_of(table: Option<u8>) -> impl Iterator<Item = u8> {
    let all = match table {
        Some(table) => table..=table,
        None => 0..=254,
    };
    all.filter(|table| usize::from(*table) < TABLE_COUNT)
}
