//! Adding, modifying and removing flows (OpenFlow 1.3.5 section 6.4).

use super::Tables;
use super::check::{check_actions, check_table};
use super::journal::Undo;
use crate::flow_mod::{Command, FlowChange, FlowMod, FlowModError, FlowRemoved, RemovalReason};
use crate::rules::{Rule, RuleId, StoredFlow};
use tulle_classifier::PackedMatch;

impl Tables {
    /// True where a change sets or reads counters, or removes rules: what caches have gathered is to be credited
    /// before.
    pub fn needs_credit(&self, change: &FlowMod) -> bool {
        match change.command {
            Command::Add => {
                let matching = PackedMatch::new(&change.flow.matching);
                self.is_full(change.flow.table)
                    || self.find(change.flow.table, &matching, change.flow.priority).is_some()
            }
            Command::Modify | Command::ModifyStrict => change.reset_counts || self.events.is_some(),
            Command::Delete | Command::DeleteStrict => true,
        }
    }

    /// Makes a change.  Gives the flows that went and of which somebody wants to hear.
    pub fn apply(&mut self, change: &FlowMod, now: u64) -> Result<Vec<FlowRemoved>, FlowModError> {
        match change.command {
            Command::Add => self.add(change, now),
            Command::Modify | Command::ModifyStrict => self.modify(change, now),
            Command::Delete | Command::DeleteStrict => Ok(self.delete(change, now)),
        }
    }

    fn add(&mut self, change: &FlowMod, now: u64) -> Result<Vec<FlowRemoved>, FlowModError> {
        let flow = &change.flow;
        check_table(flow.table)?;
        check_actions(flow.table, &flow.actions)?;
        let matching = self.tables[usize::from(flow.table)].pack(&flow.matching);
        if change.check_overlap && self.overlaps(flow.table, &matching, flow.priority) {
            return Err(FlowModError::Overlap);
        }
        let replaced = self.find(flow.table, &matching, flow.priority);
        let evicted = if replaced.is_none() { self.make_room(flow.table, now)? } else { Vec::new() };
        let mut rule = Rule {
            flow: StoredFlow::new(flow, matching, self.shared(&flow.actions), change.flags()),
            packets: 0,
            bytes: 0,
            created_ns: now,
            used_ns: now,
            serial: 0,
            armed_ns: 0,
            is_written: !change.is_learned,
        };
        if let Some((id, old)) = replaced.and_then(|id| Some((id, self.take(id)?))) {
            if !change.reset_counts {
                (rule.packets, rule.bytes) = (old.packets, old.bytes);
            }
            self.note(|| Undo::Removed(id, Box::new(old)));
        }
        self.tell(FlowChange::Added, &rule, now);
        let id = self.put(rule);
        self.added += 1;
        self.note(|| Undo::Added(id));
        Ok(evicted)
    }

    fn modify(&mut self, change: &FlowMod, now: u64) -> Result<Vec<FlowRemoved>, FlowModError> {
        if !change.all_tables {
            check_table(change.flow.table)?;
        }
        let selected = self.selected(change);
        if selected.is_empty() && change.adds_if_none {
            return self.add(change, now);
        }
        for id in &selected {
            let table = self.rules.get(*id).map_or(change.flow.table, |rule| rule.flow.table);
            check_actions(table, &change.flow.actions)?;
        }
        selected.into_iter().for_each(|id| self.modify_rule(id, change, now));
        Ok(Vec::new())
    }

    fn modify_rule(&mut self, id: RuleId, change: &FlowMod, now: u64) {
        let actions = self.shared(&change.flow.actions);
        let Some(rule) = self.rules.get_mut(id) else { return };
        let old = self.journal.is_some().then(|| rule.clone());
        let was_clause = rule.is_clause();
        rule.flow.actions = actions;
        if let Some(cookie) = change.new_cookie {
            self.cookies.remove(&(rule.flow.cookie, id));
            rule.flow.cookie = cookie;
            self.cookies.extend((cookie != 0).then_some((cookie, id)));
        }
        rule.used_ns = now;
        if change.reset_counts {
            (rule.packets, rule.bytes) = (0, 0);
        }
        let (is_clause, flow) = (rule.is_clause(), &rule.flow);
        if was_clause || is_clause {
            let classifier = &mut self.tables[usize::from(flow.table)];
            classifier.insert_packed(&flow.matching, flow.priority, &rule.clauses(), id);
            self.versions.change_table(flow.table);
        }
        let version = self.versions.next();
        self.rules.change(id, version);
        if let Some(old) = old {
            self.note(|| Undo::Modified(id, Box::new(old)));
        }
        if let Some(rule) = self.rules.get(id).filter(|_| self.events.is_some()).cloned() {
            self.tell(FlowChange::Modified, &rule, now);
        }
    }

    fn delete(&mut self, change: &FlowMod, now: u64) -> Vec<FlowRemoved> {
        let selected = self.selected(change);
        selected.into_iter().filter_map(|id| self.remove(id, RemovalReason::Delete, now)).collect()
    }

    /// Removes the flows that use a group or a meter that goes.  What caches have gathered is to be credited before.
    pub fn remove_users(&mut self, reason: RemovalReason, number: u32, now: u64) -> Vec<FlowRemoved> {
        let uses = |rule: &Rule| match reason {
            RemovalReason::MeterDelete => rule.uses_meter(number),
            _ => rule.uses_group(number),
        };
        let ids: Vec<_> = self.rules.iter().filter(|(_, rule)| uses(rule)).map(|(id, _)| id).collect();
        ids.into_iter().filter_map(|id| self.remove(id, reason, now)).collect()
    }

    /// Removes a rule; gives it where somebody wants to hear of it.
    pub(super) fn remove(&mut self, id: RuleId, reason: RemovalReason, now: u64) -> Option<FlowRemoved> {
        let rule = self.take(id)?;
        self.orphan(&rule.flow.actions);
        self.note_gone(&rule, reason);
        self.tell(FlowChange::Removed(reason), &rule, now);
        if self.journal.is_some() {
            let copy = Box::new(rule.clone());
            self.note(|| Undo::Removed(id, copy));
        }
        rule.flow.flags.notify_removal.then(|| FlowRemoved::new(rule, reason, now))
    }

    fn overlaps(&self, table: u8, matching: &PackedMatch, priority: u16) -> bool {
        let same = self.find(table, matching, priority);
        let others = self.tables[usize::from(table)].overlapping(matching);
        let mut others = others.filter(|(other, id)| *other == priority && Some(*id) != same);
        others.next().is_some()
    }
}
