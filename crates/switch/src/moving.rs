//! Connections of a zone on their way to another switch, and from it.

use std::net::IpAddr;

use tulle_datapath::conntrack::{Imported, Record};
use tulle_io::clock::monotonic_ns;

use crate::error::SwitchError;
use crate::switch::Switch;

impl Switch {
    /// A line about each connection of a zone with one of these addresses (none: all of the zone), at most so
    /// many: all that another switch needs to go on with it.  For `lenient_ns` the windows of these follow here too what
    /// the other switch may see.
    pub fn export_connections(
        &self,
        zone: u16,
        addresses: Vec<IpAddr>,
        most: usize,
        lenient_ns: u64,
    ) -> Result<Vec<String>, SwitchError> {
        let records = self.call(move |engine| {
            let Some(tracker) = engine.datapath.connections() else { return Vec::new() };
            let now = monotonic_ns();
            if lenient_ns > 0 {
                tracker.relax(zone, &addresses, most, lenient_ns, now);
            }
            tracker.export(zone, &addresses, most, now)
        })?;
        Ok(records.iter().map(Record::to_string).collect())
    }

    /// Takes such lines over into a zone.  For `lenient_ns` windows follow what the other switch may have seen.
    pub fn import_connections(
        &self,
        zone: u16,
        records: Vec<Record>,
        lenient_ns: u64,
    ) -> Result<Imported, SwitchError> {
        self.call(move |engine| {
            let tracker = engine.datapath.connections();
            let refused = Imported { refused: records.len(), ..Imported::default() };
            tracker.map_or(refused, |tracker| tracker.import(zone, &records, lenient_ns, monotonic_ns()))
        })
    }
}
