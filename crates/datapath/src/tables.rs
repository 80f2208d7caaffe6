//! The flow tables: classifiers over rules, and what flow modifications do to them.
//!
//! They know nothing of caches; who owns both must credit and empty the caches before a change.

use crate::flow_mod::{
    Command, FlowFilter, FlowMod, FlowModError, FlowRemoved, FlowStats, RemovalReason, TableStats,
};
use crate::rules::{Rule, RuleId, Rules};
use tulle_classifier::Classifier;
use tulle_flow::{Action, Field, Flow, Key, Match};

/// Tables 0 to 254 hold flows.
pub const TABLE_COUNT: usize = 255;

const NS_PER_S: u64 = 1_000_000_000;

/// What a cached way through the tables has seen since it was last credited.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Credit {
    pub packets: u64,
    pub bytes: u64,
    pub used_ns: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    lookups: u64,
    matched: u64,
}

/// All flow tables of a switch.
#[derive(Debug)]
pub(crate) struct Tables {
    tables: Vec<Classifier<RuleId>>,
    counts: Vec<Counts>,
    rules: Rules,
    limit: usize,
    with_timeout: usize,
}

impl Tables {
    pub fn new(seed: u64, limit: usize) -> Self {
        let tables = (0..TABLE_COUNT as u64).map(|i| Classifier::new(seed.wrapping_add(i))).collect();
        let counts = vec![Counts::default(); TABLE_COUNT];
        Tables { tables, counts, rules: Rules::default(), limit, with_timeout: 0 }
    }

    /// The best rule of a table for a key; sets the bits looked at.
    #[inline]
    pub fn lookup(&self, table: u8, key: &Key, looked_at: &mut Key) -> Option<(RuleId, &Rule)> {
        let id = *self.tables.get(usize::from(table))?.lookup(key, looked_at)?;
        Some((id, self.rules.get(id)?))
    }

    pub fn len(&self) -> usize {
        self.rules.len()
    }

    pub fn has_timeouts(&self) -> bool {
        self.with_timeout > 0
    }

    pub fn apply(&mut self, change: &FlowMod, now: u64) -> Result<Vec<FlowRemoved>, FlowModError> {
        match change.command {
            Command::Add => self.add(change, now).map(|()| Vec::new()),
            Command::Modify | Command::ModifyStrict => self.modify(change, now).map(|()| Vec::new()),
            Command::Delete | Command::DeleteStrict => Ok(self.delete(change, now)),
        }
    }

    fn add(&mut self, change: &FlowMod, now: u64) -> Result<(), FlowModError> {
        let flow = &change.flow;
        self.check_table(flow.table)?;
        check_actions(flow.table, &flow.actions)?;
        if change.check_overlap && self.overlaps(flow) {
            return Err(FlowModError::Overlap);
        }
        let replaced = self.find(flow.table, &flow.matching, flow.priority);
        if replaced.is_none() && self.rules.len() >= self.limit {
            return Err(FlowModError::TableFull { limit: self.limit });
        }
        if let Some(id) = replaced {
            self.take(id);
        }
        self.put(Rule {
            flow: flow.clone(),
            notify_removal: change.notify_removal,
            packets: 0,
            bytes: 0,
            created_ns: now,
            used_ns: now,
        });
        Ok(())
    }

    fn modify(&mut self, change: &FlowMod, now: u64) -> Result<(), FlowModError> {
        if !change.all_tables {
            self.check_table(change.flow.table)?;
        }
        let selected = self.selected(change);
        for id in &selected {
            let table = self.rules.get(*id).map_or(change.flow.table, |rule| rule.flow.table);
            check_actions(table, &change.flow.actions)?;
        }
        for id in selected {
            let Some(rule) = self.rules.get_mut(id) else { continue };
            rule.flow.actions.clone_from(&change.flow.actions);
            rule.used_ns = now;
            if change.reset_counts {
                (rule.packets, rule.bytes) = (0, 0);
            }
        }
        Ok(())
    }

    fn delete(&mut self, change: &FlowMod, now: u64) -> Vec<FlowRemoved> {
        let selected = self.selected(change);
        selected.into_iter().filter_map(|id| self.remove(id, RemovalReason::Delete, now)).collect()
    }

    /// Removes flows whose time has come.
    pub fn expire(&mut self, now: u64) -> Vec<FlowRemoved> {
        if !self.has_timeouts() {
            return Vec::new();
        }
        let expired = |(id, rule): (RuleId, &Rule)| Some((id, expiry(rule, now)?));
        let ids: Vec<_> = self.rules.iter().filter_map(expired).collect();
        ids.into_iter().filter_map(|(id, reason)| self.remove(id, reason, now)).collect()
    }

    /// Flows and counters, in order of table, falling priority and age.
    pub fn flows(&self, filter: &FlowFilter, now: u64) -> Vec<FlowStats> {
        let mut rules: Vec<_> = self.rules.iter().filter(|(_, rule)| filter.selects(rule)).collect();
        rules.sort_by_key(|(id, rule)| {
            (rule.flow.table, std::cmp::Reverse(rule.flow.priority), rule.created_ns, *id)
        });
        rules.into_iter().map(|(_, rule)| FlowStats::of(rule, now)).collect()
    }

    pub fn stats(&self) -> Vec<TableStats> {
        let row = |(i, counts): (usize, &Counts)| TableStats {
            table: i as u8,
            active: self.tables[i].len(),
            lookups: counts.lookups,
            matched: counts.matched,
        };
        self.counts.iter().enumerate().map(row).collect()
    }

    /// Adds what packets have done since the last credit: `rules` matched, `tables` were looked up.
    pub fn credit(&mut self, rules: &[RuleId], tables: &[u8], credit: Credit) {
        for table in tables {
            if let Some(counts) = self.counts.get_mut(usize::from(*table)) {
                counts.lookups += credit.packets;
            }
        }
        for id in rules {
            let Some(rule) = self.rules.get_mut(*id) else { continue };
            rule.packets += credit.packets;
            rule.bytes += credit.bytes;
            rule.used_ns = rule.used_ns.max(credit.used_ns);
            self.counts[usize::from(rule.flow.table)].matched += credit.packets;
        }
    }

    fn selected(&self, change: &FlowMod) -> Vec<RuleId> {
        let filter = FlowFilter::of(change);
        if matches!(change.command, Command::Modify | Command::Delete) {
            return self.rules.iter().filter(|(_, rule)| filter.selects(rule)).map(|(id, _)| id).collect();
        }
        let tables = match filter.table {
            Some(table) => table..=table,
            None => 0..=254,
        };
        let exact = |table| self.find(table, &change.flow.matching, change.flow.priority);
        let selects = |id: &RuleId| self.rules.get(*id).is_some_and(|rule| filter.selects(rule));
        tables.filter_map(exact).filter(selects).collect()
    }

    fn find(&self, table: u8, matching: &Match, priority: u16) -> Option<RuleId> {
        self.tables.get(usize::from(table))?.find_exact(matching, priority).copied()
    }

    fn overlaps(&self, flow: &Flow) -> bool {
        self.tables[usize::from(flow.table)].iter().any(|(matching, priority, _)| {
            priority == flow.priority && *matching != flow.matching && overlap(matching, &flow.matching)
        })
    }

    fn check_table(&self, table: u8) -> Result<(), FlowModError> {
        if usize::from(table) < TABLE_COUNT { Ok(()) } else { Err(FlowModError::BadTable(table)) }
    }

    fn put(&mut self, rule: Rule) {
        self.with_timeout += usize::from(rule.has_timeout());
        let (table, matching, priority) = (rule.flow.table, rule.flow.matching, rule.flow.priority);
        let id = self.rules.insert(rule);
        self.tables[usize::from(table)].insert(&matching, priority, id);
    }

    fn take(&mut self, id: RuleId) -> Option<Rule> {
        let rule = self.rules.remove(id)?;
        self.with_timeout -= usize::from(rule.has_timeout());
        self.tables[usize::from(rule.flow.table)].remove(&rule.flow.matching, rule.flow.priority);
        Some(rule)
    }

    fn remove(&mut self, id: RuleId, reason: RemovalReason, now: u64) -> Option<FlowRemoved> {
        let rule = self.take(id)?;
        Some(FlowRemoved { stats: FlowStats::of(&rule, now), reason, notify: rule.notify_removal })
    }
}

fn expiry(rule: &Rule, now: u64) -> Option<RemovalReason> {
    let over =
        |timeout: u16, since: u64| timeout != 0 && now.saturating_sub(since) >= u64::from(timeout) * NS_PER_S;
    if over(rule.flow.hard_timeout, rule.created_ns) {
        Some(RemovalReason::HardTimeout)
    } else if over(rule.flow.idle_timeout, rule.used_ns) {
        Some(RemovalReason::IdleTimeout)
    } else {
        None
    }
}

/// True where some packet fits both matches.
fn overlap(a: &Match, b: &Match) -> bool {
    let words = |i: usize| (a.key().words[i] ^ b.key().words[i]) & a.mask().words[i] & b.mask().words[i];
    (0..tulle_flow::KEY_WORDS).all(|i| words(i) == 0)
}

fn check_actions(table: u8, actions: &[Action]) -> Result<(), FlowModError> {
    for action in actions {
        match action {
            Action::Set { field, .. } if is_read_only(*field) => {
                return Err(FlowModError::ReadOnlyField(*field));
            }
            Action::Move { target, .. } if is_read_only(target.field) => {
                return Err(FlowModError::ReadOnlyField(target.field));
            }
            Action::GotoTable(to) if *to <= table || usize::from(*to) >= TABLE_COUNT => {
                return Err(FlowModError::BackwardGoto(*to));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Fields that say what headers there are, or that no header change supports yet.
pub(crate) fn is_read_only(field: Field) -> bool {
    use Field::{EthType, IpFrag, IpProto, TcpFlags, VlanTci};
    matches!(field, EthType | IpFrag | IpProto | TcpFlags | VlanTci)
}
