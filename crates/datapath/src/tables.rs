//! The flow tables: classifiers over rules, and what flow modifications do to them.
//!
//! They know nothing of caches.  Who owns both must have the caches credit what they have gathered before rules go
//! or their counters are set or read, and check remembered verdicts against [`Tables::is_current`].

mod change;
mod check;
mod eviction;
mod journal;
mod learned;
mod select;
mod timers;
mod unasked;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::cache::Ledger;
use crate::flow_mod::{FlowChange, FlowEvent, FlowStats, TableStats};
use crate::rules::{Rule, RuleId, Rules};
use crate::sharing::Recent;
use crate::verdict::Verdict;
use crate::versions::{Shared, Versions};
use eviction::Evictor;
pub use eviction::TablePolicy;
use journal::{Journal, Undo};
use timers::Timers;
use tulle_classifier::Classifier;
use tulle_flow::{Action, Key};
pub(crate) use unasked::Unasked;

/// Tables 0 to 254 hold flows.
pub const TABLE_COUNT: usize = 255;

/// What a cached way through the tables has seen since it was last credited.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Credit {
    pub packets: u64,
    pub bytes: u64,
    pub used_ns: u64,
    /// The version at which the way was known to be right: a number of a rule that has come since was another's.
    pub version: u64,
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
    /// Lists of actions, which many flows have in common.
    actions: Recent<[Action]>,
    limit: usize,
    versions: Versions,
    timers: Timers,
    /// Rules that have a cookie, by cookie.
    cookies: BTreeSet<(u64, RuleId)>,
    /// Of the tables that have a policy.
    evictors: Vec<Option<Box<Evictor>>>,
    journal: Option<Journal>,
    /// What happened to flows, kept while somebody wants to know.
    events: Option<Vec<FlowEvent>>,
    /// Tables and cookies of what flows had learned that have gone.
    orphans: Vec<(u8, u64)>,
    /// Flows that have gone though nobody asked for it, kept while somebody wants to know.
    unasked: Option<Vec<Unasked>>,
    /// Flows that have been added, ever.
    added: u64,
}

impl Tables {
    pub fn new(seed: u64, limit: usize) -> Self {
        let tables = (0..TABLE_COUNT as u64).map(|i| Classifier::new(seed.wrapping_add(i))).collect();
        Tables {
            tables,
            counts: vec![Counts::default(); TABLE_COUNT],
            rules: Rules::default(),
            actions: Recent::new(),
            limit,
            versions: Versions::new(),
            timers: Timers::default(),
            cookies: BTreeSet::new(),
            evictors: (0..TABLE_COUNT).map(|_| None).collect(),
            journal: None,
            events: None,
            orphans: Vec::new(),
            unasked: None,
            added: 0,
        }
    }

    /// The best rule of a table for a key; sets the bits looked at, but for known ones.
    #[inline]
    pub fn lookup(&self, table: u8, key: &Key, known: &Key, looked_at: &mut Key) -> Option<(RuleId, &Rule)> {
        let id = self.tables.get(usize::from(table))?.lookup_knowing(key, known, looked_at)?;
        Some((id, self.rules.get(id)?))
    }

    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// The number of the last change of anything that verdicts depend on.
    #[inline]
    pub fn version(&self) -> u64 {
        self.versions.now()
    }

    /// Notes a change of something that verdicts depend on besides flows.
    pub fn change(&mut self, what: Shared) {
        self.versions.change(what);
    }

    /// True where a verdict made at a version would be made again, but for its mask, which may have become wider.
    pub fn is_current(&self, verdict: &Verdict, version: u64) -> bool {
        self.versions.are_unchanged(&verdict.tables, verdict.depends, version)
            && verdict.rules.iter().all(|id| self.rules.is_unchanged(*id, version))
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

    /// Keeps what happens to flows from now on, or no longer.
    pub fn watch(&mut self, is_watched: bool) {
        self.events = is_watched.then(|| self.events.take().unwrap_or_default());
    }

    /// What has happened to flows since the last call, while it was watched.
    pub fn take_events(&mut self) -> Vec<FlowEvent> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn put(&mut self, mut rule: Rule) -> RuleId {
        rule.serial = self.versions.next();
        self.timers.arm(&mut rule);
        let id = self.rules.insert(rule);
        self.enter(id);
        id
    }

    /// Puts a rule that has a number into its table.
    fn enter(&mut self, id: RuleId) {
        let Some(rule) = self.rules.get(id) else { return };
        self.timers.put(id, rule);
        if rule.flow.cookie != 0 {
            self.cookies.insert((rule.flow.cookie, id));
        }
        if let Some(evictor) = &mut self.evictors[usize::from(rule.flow.table)] {
            evictor.insert(id, rule);
        }
        let flow = &rule.flow;
        self.tables[usize::from(flow.table)].insert_packed(
            &flow.matching,
            flow.priority,
            &rule.clauses(),
            id,
        );
        self.versions.change_table(flow.table);
    }

    fn take(&mut self, id: RuleId) -> Option<Rule> {
        let version = self.versions.next();
        let rule = self.rules.remove(id, version)?;
        self.timers.forget(&rule);
        self.cookies.remove(&(rule.flow.cookie, id));
        if let Some(evictor) = &mut self.evictors[usize::from(rule.flow.table)] {
            evictor.remove(id, &rule);
        }
        self.tables[usize::from(rule.flow.table)].remove_packed(&rule.flow.matching, rule.flow.priority);
        if rule.is_clause() {
            self.versions.change_table(rule.flow.table);
        }
        Some(rule)
    }

    /// A list of actions, shared with flows that have the same.
    fn shared(&mut self, actions: &[Action]) -> Arc<[Action]> {
        let mut hasher = DefaultHasher::new();
        actions.hash(&mut hasher);
        self.actions.share(hasher.finish(), actions)
    }

    /// Forgets lists of actions that no flow has any more.
    pub fn tidy(&mut self) {
        self.actions.forget_unused();
    }

    fn tell(&mut self, change: FlowChange, rule: &Rule, now: u64) {
        if let Some(events) = &mut self.events {
            events.push(FlowEvent { change, stats: FlowStats::of(rule, now) });
        }
    }

    fn note(&mut self, undo: impl FnOnce() -> Undo) {
        if let Some(journal) = &mut self.journal {
            journal.push(undo());
        }
    }
}

impl Ledger for Tables {
    /// Adds what packets have done: the verdict's rules matched, its tables were looked up.
    fn credit(&mut self, verdict: &Verdict, credit: Credit) {
        for table in &verdict.tables {
            if let Some(counts) = self.counts.get_mut(usize::from(*table)) {
                counts.lookups += credit.packets;
            }
        }
        for id in &verdict.rules {
            let known = self.rules.get_mut(*id).filter(|rule| rule.serial <= credit.version);
            let Some(rule) = known else { continue };
            rule.packets += credit.packets;
            rule.bytes += credit.bytes;
            rule.used_ns = rule.used_ns.max(credit.used_ns);
            self.counts[usize::from(rule.flow.table)].matched += credit.packets;
        }
    }
}
