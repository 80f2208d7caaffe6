//! What the owner of a switch sets of its tables, and what controllers are told of it.

use std::collections::BTreeMap;

use tulle_datapath::TablePolicy;
use tulle_io::clock::monotonic_ns;

use crate::engine::Engine;
use crate::error::SwitchError;
use crate::switch::Switch;

/// What is set of a flow table (`ovs-vswitchd.conf.db(5)`, table `Flow_Table`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableSettings {
    /// Its name; none is one made of its number.
    pub name: Option<String>,
    /// How many flows it may hold, and which make place.
    pub policy: TablePolicy,
}

impl Switch {
    /// Sets the tables, all of them anew; those that are not named are as they are without settings.
    pub fn configure_tables(&self, tables: BTreeMap<u8, TableSettings>) -> Result<(), SwitchError> {
        self.call(move |engine| engine.configure_tables(tables))
    }

    /// Says what controllers are told for people: a description and a serial number.
    pub fn describe(&self, description: String, serial: String) -> Result<(), SwitchError> {
        self.call(move |engine| (engine.description, engine.serial) = (description, serial))
    }
}

impl Engine {
    fn configure_tables(&mut self, tables: BTreeMap<u8, TableSettings>) {
        let before = std::mem::replace(&mut self.table_settings, tables);
        let mut numbers: Vec<u8> = before.keys().chain(self.table_settings.keys()).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        for table in numbers {
            let policy = |settings: &BTreeMap<u8, TableSettings>| {
                settings.get(&table).map(|one| one.policy.clone()).unwrap_or_default()
            };
            let (old, new) = (policy(&before), policy(&self.table_settings));
            if old == new {
                continue;
            }
            // Controllers may have a table give up flows, too, and what they set stays.
            let is_asked = self.datapath.table_policy(table).evicts && !old.evicts;
            let policy = TablePolicy { evicts: new.evicts || is_asked, ..new };
            let removed = self.datapath.set_table_policy(table, policy, monotonic_ns());
            self.tell_removed(removed);
        }
    }

    /// The name that a table was given.
    pub(crate) fn table_name(&self, table: u8) -> Option<&str> {
        self.table_settings.get(&table)?.name.as_deref()
    }

    /// True where the owner has a table give up flows, whatever controllers say.
    pub(crate) fn evicts_always(&self, table: u8) -> bool {
        self.table_settings.get(&table).is_some_and(|settings| settings.policy.evicts)
    }
}
