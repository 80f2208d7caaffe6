//! What the owner of a switch asks of its bridge and its connections: learning, mirrors, tracking.

use tulle_datapath::conntrack::Stats;
use tulle_datapath::{BridgeConfig, FdbEntry, FdbStats, Traffic};
use tulle_io::clock::monotonic_ns;

use crate::error::SwitchError;
use crate::switch::Switch;

/// Connections listed between two batches of packets.
const LISTED_AT_ONCE: usize = 4096;

/// What of all connections is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flush {
    /// All of them.
    All,
    /// Those of a zone.
    Zone(u16),
    /// Those whose line, as listed, has all of these parts.
    Parts(Option<u16>, Vec<String>),
}

/// How many connections there are and may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Connections.
    pub current: usize,
    /// The most in all zones together.
    pub limit: usize,
    /// Connections by zone.
    pub zones: Vec<(u16, u32)>,
    /// The limit of zones without one of their own.
    pub default_limit: Option<u32>,
    /// Limits of zones.
    pub limits: Vec<(u16, u32)>,
    /// What has been done so far.
    pub stats: Stats,
}

impl Switch {
    /// Tells the bridge of its ports, bonds and mirrors, all of it anew.
    pub fn configure_bridge(&self, config: BridgeConfig) -> Result<(), SwitchError> {
        self.call(move |engine| engine.datapath.configure(config))
    }

    /// A number that rises with every change of flows, groups and meters.
    pub fn version(&self) -> Result<u64, SwitchError> {
        self.call(|engine| engine.datapath.version())
    }

    /// The addresses that are known, and where.
    pub fn fdb(&self) -> Result<Vec<FdbEntry>, SwitchError> {
        self.call(|engine| engine.datapath.fdb(monotonic_ns()))
    }

    /// Counts from 0 again what learning does.
    pub fn clear_fdb_stats(&self) -> Result<(), SwitchError> {
        self.call(|engine| engine.datapath.clear_fdb_stats())
    }

    /// What learning has done so far.
    pub fn fdb_stats(&self) -> Result<FdbStats, SwitchError> {
        self.call(|engine| engine.datapath.fdb_stats())
    }

    /// Forgets what was learned.
    pub fn flush_fdb(&self) -> Result<(), SwitchError> {
        self.call(|engine| engine.datapath.flush_fdb())
    }

    /// Says where an address is, until it is removed.
    pub fn add_fdb(&self, vlan: u16, mac: u64, port: u32) -> Result<(), SwitchError> {
        self.call(move |engine| engine.datapath.add_fdb(vlan, mac, port))
    }

    /// Forgets an address; false where it was not known.
    pub fn remove_fdb(&self, vlan: u16, mac: u64) -> Result<bool, SwitchError> {
        self.call(move |engine| engine.datapath.remove_fdb(vlan, mac))
    }

    /// What each mirror has copied.
    pub fn mirror_stats(&self) -> Result<Vec<(String, Traffic)>, SwitchError> {
        self.call(|engine| engine.datapath.mirror_stats())
    }

    /// A line about each tracked connection, of one zone or all, at most so many; packets pass meanwhile.
    pub fn connection_lines(&self, zone: Option<u16>, most: usize) -> Result<Vec<String>, SwitchError> {
        let mut lines = Vec::new();
        let mut place = 0;
        while lines.len() < most {
            let (part, next) = self.call(move |engine| {
                let Some(tracker) = engine.datapath.connections() else { return (Vec::new(), None) };
                let listed = tracker.entries_from(place, monotonic_ns()).take(LISTED_AT_ONCE);
                let listed: Vec<_> = listed.collect();
                let next = (listed.len() == LISTED_AT_ONCE).then(|| listed.last().map(|(at, _)| at + 1));
                (listed, next.flatten())
            })?;
            let wanted = part.iter().filter(|(_, entry)| zone.is_none_or(|zone| entry.zone == zone));
            lines.extend(wanted.map(|(_, entry)| format!("{entry:#}")).take(most - lines.len()));
            match next {
                Some(next) => place = next,
                None => break,
            }
        }
        Ok(lines)
    }

    /// Forgets connections.
    pub fn flush_connections(&self, flush: Flush) -> Result<(), SwitchError> {
        self.call(move |engine| {
            let Some(tracker) = engine.datapath.connections() else { return };
            match flush {
                Flush::All => tracker.flush(),
                Flush::Zone(zone) => drop(tracker.flush_zone(zone)),
                Flush::Parts(zone, parts) => {
                    let picks = |entry: &tulle_datapath::conntrack::Entry| {
                        let line = entry.to_string();
                        zone.is_none_or(|zone| entry.zone == zone)
                            && parts.iter().all(|part| line.contains(part))
                    };
                    tracker.flush_matching(monotonic_ns(), picks);
                }
            }
        })
    }

    /// How many connections there are and may be.
    pub fn connection_counts(&self) -> Result<ConnectionCounts, SwitchError> {
        self.call(|engine| {
            let Some(tracker) = engine.datapath.connections() else { return ConnectionCounts::default() };
            ConnectionCounts {
                current: tracker.len(),
                limit: tracker.limit(),
                zones: tracker.zone_counts().collect(),
                default_limit: tracker.default_limit(),
                limits: tracker.zone_limits().collect(),
                stats: tracker.stats(),
            }
        })
    }

    /// Changes the most connections in all zones together.
    pub fn set_connection_limit(&self, limit: usize) -> Result<(), SwitchError> {
        self.call(move |engine| {
            if let Some(tracker) = engine.datapath.connections() {
                tracker.set_limit(limit);
            }
        })
    }

    /// Changes the limit of a zone, or the default one; none lets in as many as there is room for.
    pub fn set_zone_limit(&self, zone: Option<u16>, limit: Option<u32>) -> Result<(), SwitchError> {
        self.call(move |engine| match (engine.datapath.connections(), zone) {
            (Some(tracker), Some(zone)) => tracker.set_zone_limit(zone, limit),
            (Some(tracker), None) => tracker.set_default_limit(limit),
            (None, _) => {}
        })
    }
}
