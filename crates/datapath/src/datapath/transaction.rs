//! Several changes of flows and groups that happen together or not at all.

use super::Datapath;
use crate::groups::Groups;
use crate::versions::Shared;

/// What is needed to undo a transaction besides the tables' own journal.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// The groups before the first change of them.
    pub groups: Option<Groups>,
}

impl Datapath {
    /// From now on changes of flows and groups can be undone together.  No packet may be processed before
    /// [`commit`](Self::commit) or [`roll_back`](Self::roll_back).
    pub fn begin(&mut self) {
        self.cache.credit(&mut self.state);
        self.state.tables.begin();
        self.transaction = Some(Transaction::default());
    }

    /// Keeps the changes since [`begin`](Self::begin).
    pub fn commit(&mut self) {
        self.transaction = None;
        self.state.tables.commit();
    }

    /// Undoes the changes since [`begin`](Self::begin).
    pub fn roll_back(&mut self) {
        self.state.tables.roll_back();
        let groups = self.transaction.take().and_then(|transaction| transaction.groups);
        if let Some(groups) = groups {
            self.state.groups = groups;
            self.state.tables.change(Shared::Groups);
        }
    }
}
