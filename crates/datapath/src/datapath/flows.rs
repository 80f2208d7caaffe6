//! Flows: changes, timeouts, counters.

use super::Datapath;
use crate::flow_mod::{
    Command, FlowEvent, FlowFilter, FlowMod, FlowModError, FlowRemoved, FlowStats, TableStats,
};
use crate::rules::{FlowFlags, RuleId};
use crate::tables::{TablePolicy, Unasked};
use crate::versions::Shared;
use tulle_flow::{Action, Flow};

impl Datapath {
    /// Changes the flow tables.  Gives the flows that went and of which the controller wants to hear.
    /// Errors: nothing has changed.
    pub fn flow_mod(&mut self, change: &FlowMod, now: u64) -> Result<Vec<FlowRemoved>, FlowModError> {
        let change = &*self.resolved(change)?;
        self.check_users(change)?;
        if self.state.tables.needs_credit(change) {
            self.cache.credit(&mut self.state);
        }
        let mut removed = self.state.tables.apply(change, now)?;
        self.forget_learned(&mut removed, now);
        Ok(removed)
    }

    /// Makes all changes, or none: no packet sees some of them.  Errors: the first change that is refused, by its
    /// place; nothing has changed.
    pub fn flow_mods(
        &mut self,
        changes: &[FlowMod],
        now: u64,
    ) -> Result<Vec<FlowRemoved>, (usize, FlowModError)> {
        self.begin();
        let mut removed = Vec::new();
        for (place, change) in changes.iter().enumerate() {
            match self.apply(change, now) {
                Ok(gone) => removed.extend(gone),
                Err(error) => {
                    self.roll_back();
                    return Err((place, error));
                }
            }
        }
        self.commit();
        Ok(removed)
    }

    fn apply(&mut self, change: &FlowMod, now: u64) -> Result<Vec<FlowRemoved>, FlowModError> {
        let change = &*self.resolved(change)?;
        self.check_users(change)?;
        self.state.tables.apply(change, now)
    }

    /// Groups and meters that a flow uses have to exist (OpenFlow 1.3.5 section 6.4).
    fn check_users(&self, change: &FlowMod) -> Result<(), FlowModError> {
        if change.command.deletes() {
            return Ok(());
        }
        self.check_used(&change.flow.actions)
    }

    fn check_used(&self, actions: &[Action]) -> Result<(), FlowModError> {
        actions.iter().try_for_each(|action| match action {
            Action::Group(id) if self.groups().get(*id).is_none() => Err(FlowModError::UnknownGroup(*id)),
            Action::Meter(id) if self.meters().get(*id).is_none() => Err(FlowModError::UnknownMeter(*id)),
            Action::Clone(inner) | Action::WriteActions(inner) => self.check_used(inner),
            _ => Ok(()),
        })
    }

    /// Removes what flows have learned that have gone and had asked for that (`delete_learned`).
    fn forget_learned(&mut self, removed: &mut Vec<FlowRemoved>, now: u64) {
        // What goes may have learned in its turn; each round takes flows away, so there is an end.
        loop {
            let orphans = self.state.tables.take_orphans();
            if orphans.is_empty() {
                return;
            }
            for (table, cookie) in orphans {
                let mut change = FlowMod { command: Command::Delete, ..FlowMod::default() };
                (change.flow.table, change.flow.cookie, change.cookie_mask) = (table, cookie, u64::MAX);
                self.cache.credit(&mut self.state);
                removed.extend(self.state.tables.apply(&change, now).unwrap_or_default());
            }
        }
    }

    /// Sets what happens when a table is full.  Gives the flows that went because of it and of which the controller
    /// wants to hear.
    pub fn set_table_policy(&mut self, table: u8, policy: TablePolicy, now: u64) -> Vec<FlowRemoved> {
        self.cache.credit(&mut self.state);
        let mut removed = self.state.tables.set_policy(table, policy, now);
        self.forget_learned(&mut removed, now);
        removed
    }

    /// What happens when a table is full.
    pub fn table_policy(&self, table: u8) -> TablePolicy {
        self.state.tables.policy(table)
    }

    /// Keeps what happens to flows from now on, for [`take_flow_events`](Self::take_flow_events), or no longer.
    pub fn watch_flows(&mut self, is_watched: bool) {
        self.state.tables.watch(is_watched);
    }

    /// What has happened to flows since the last call, in order.  To be called soon after changes while watching.
    pub fn take_flow_events(&mut self) -> Vec<FlowEvent> {
        let mut events = self.state.tables.take_events();
        events.iter_mut().for_each(|event| self.name(&mut event.stats));
        events
    }

    /// Keeps from now on which flows go though nobody asks for it, for [`take_unasked`](Self::take_unasked).
    pub fn note_unasked(&mut self) {
        self.state.tables.note_unasked(true);
    }

    /// Table, priority and match of the flows whose time has come or that were evicted since the last call, in order;
    /// without those that packets have made and that no file has.
    pub fn take_unasked(&mut self) -> Vec<Flow> {
        let gone = self.state.tables.take_unasked();
        let flow = |one: Unasked| Flow {
            table: one.table,
            priority: one.priority,
            matching: self.named(&one.matching.unpacked()),
            ..Flow::default()
        };
        gone.into_iter().map(flow).collect()
    }

    /// True where [`take_unasked`](Self::take_unasked) has something to give.
    pub fn has_unasked(&self) -> bool {
        self.state.tables.has_unasked()
    }

    /// How many flows have been added, ever, which tells whether a change has added one.
    pub fn flows_added(&self) -> u64 {
        self.state.tables.added()
    }

    /// Removes flows whose time has come, and forgets idle cached verdicts, old addresses and dead connections.
    /// To be called about once a second.
    pub fn expire(&mut self, now: u64) -> Vec<FlowRemoved> {
        self.cache.sweep(&mut self.state, now);
        // What packets keep fresh (addresses, learned flows) must hear of them before it is judged by its age.
        self.cache.credit(&mut self.state);
        if self.state.macs.expire(now) {
            self.state.tables.change(Shared::Macs);
        }
        self.continuations.sweep();
        self.machine.expire(now);
        self.state.tables.tidy();
        if !self.state.tables.is_expiry_due(now) {
            return Vec::new();
        }
        let mut removed = self.state.tables.expire(now);
        self.forget_learned(&mut removed, now);
        removed
    }

    /// Flows with exact counters, in order of table and falling priority.
    pub fn flows(&mut self, filter: &FlowFilter, now: u64) -> Vec<FlowStats> {
        self.cache.credit(&mut self.state);
        let Some(filter) = self.resolved_filter(filter) else { return Vec::new() };
        let mut found = self.state.tables.flows(&filter, now);
        found.iter_mut().for_each(|stats| self.name(stats));
        found
    }

    /// Numbers of the flows of a table, the oldest first, for [`written_flow`](Self::written_flow).
    pub fn flow_numbers(&self, table: u8) -> Vec<u32> {
        let filter = FlowFilter { table: Some(table), ..FlowFilter::default() };
        self.state.tables.select(&filter).into_iter().map(|id| id.0).collect()
    }

    /// The flow that has a number now, if any: a number of a flow that has gone may have become another's.  It is for a
    /// file: [`take_unasked`](Self::take_unasked) tells of its end from now on, even if a packet has made it.
    pub fn written_flow(&mut self, number: u32) -> Option<(Flow, FlowFlags)> {
        let stored = &self.state.tables.written(RuleId(number))?.flow;
        let (flow, flags) = (stored.unpacked(), stored.flags);
        Some((Flow { matching: self.named(&flow.matching), ..flow }, flags))
    }

    /// Shows flows with exact counters one by one, in order of table and falling priority: a million of them need
    /// not be in memory at once.
    pub fn visit_flows(&mut self, filter: &FlowFilter, now: u64, show: &mut dyn FnMut(FlowStats)) {
        self.cache.credit(&mut self.state);
        let Some(filter) = self.resolved_filter(filter) else { return };
        self.state.tables.visit(&filter, &mut |rule| {
            let mut stats = FlowStats::of(rule, now);
            self.name(&mut stats);
            show(stats);
        });
    }

    /// Packets, bytes and number of the flows that a filter selects.
    pub fn aggregate(&mut self, filter: &FlowFilter) -> (u64, u64, usize) {
        self.cache.credit(&mut self.state);
        self.resolved_filter(filter).map_or((0, 0, 0), |filter| self.state.tables.aggregate(&filter))
    }

    /// A number that rises with every change of flows, groups and meters.
    pub fn version(&self) -> u64 {
        self.state.tables.version()
    }

    /// The number of flows.
    pub fn flow_count(&self) -> usize {
        self.state.tables.len()
    }

    /// Counters of each table.
    pub fn table_stats(&mut self) -> Vec<TableStats> {
        self.cache.credit(&mut self.state);
        self.state.tables.stats()
    }
}
