//! Groups and meters: changes and counters.

use super::Datapath;
use crate::flow_mod::{FlowRemoved, RemovalReason};
use crate::groups::{GroupMod, GroupModError, GroupStats, Groups};
use crate::meters::{MeterMod, MeterModError, MeterStats, Meters};
use crate::versions::Shared;
use tulle_flow::Action;

impl Datapath {
    /// Changes the groups.  Gives the flows that went with a group and of which the controller wants to hear.
    /// Errors: nothing has changed.
    pub fn group_mod(&mut self, change: &GroupMod, now: u64) -> Result<Vec<FlowRemoved>, GroupModError> {
        self.cache.credit(&mut self.state);
        self.keep_groups();
        let gone = self.state.groups.apply(change, now)?;
        self.state.tables.change(Shared::Groups);
        let remove = |id: u32| self.state.tables.remove_users(RemovalReason::GroupDelete, id, now);
        Ok(gone.into_iter().flat_map(remove).collect())
    }

    /// What a transaction needs to undo a change of the groups.
    fn keep_groups(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.groups.get_or_insert_with(|| self.state.groups.clone());
        }
    }

    /// Changes the meters.  Gives the flows that went with a meter and of which the controller wants to hear.
    /// Errors: nothing has changed.
    pub fn meter_mod(&mut self, change: &MeterMod, now: u64) -> Result<Vec<FlowRemoved>, MeterModError> {
        self.cache.credit(&mut self.state);
        let gone = self.machine.meters.apply(change, now)?;
        self.state.tables.change(Shared::Meters);
        let remove = |id: u32| self.state.tables.remove_users(RemovalReason::MeterDelete, id, now);
        Ok(gone.into_iter().flat_map(remove).collect())
    }

    /// The groups as they were written.
    pub fn groups(&self) -> &Groups {
        &self.state.groups
    }

    /// The meters as they were written.
    pub fn meters(&self) -> &Meters {
        &self.machine.meters
    }

    /// Exact counters of the groups, in order.
    pub fn group_stats(&mut self, now: u64) -> Vec<GroupStats> {
        self.cache.credit(&mut self.state);
        let users = self.state.tables.users(|action| match action {
            Action::Group(id) => Some(*id),
            _ => None,
        });
        self.state.groups.stats(|id| users.get(&id).copied().unwrap_or(0), now)
    }

    /// Exact counters of the meters, in order.
    pub fn meter_stats(&self, now: u64) -> Vec<MeterStats> {
        let users = self.state.tables.users(|action| match action {
            Action::Meter(id) => Some(*id),
            Action::ControllerWith(to) => to.meter,
            _ => None,
        });
        self.machine.meters.stats(|id| users.get(&id).copied().unwrap_or(0), now)
    }
}
