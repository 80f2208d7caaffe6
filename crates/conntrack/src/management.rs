//! What an operator sees and changes: connections, counts and limits by zone.

use crate::config::Timeouts;
use crate::connection::Connection;
use crate::conntrack::Conntrack;
use crate::entry::Entry;
use crate::stats::Stats;
use crate::tuple::{Endpoints, Tuple};

impl Conntrack {
    /// All connections that have not expired.
    pub fn entries(&self, now_ns: u64) -> impl Iterator<Item = Entry> + '_ {
        self.entries_from(0, now_ns).map(|(_, entry)| entry)
    }

    /// Connections in places from `place` on, with their places; so that a million of them can be
    /// listed in turns.
    pub fn entries_from(&self, place: u32, now_ns: u64) -> impl Iterator<Item = (u32, Entry)> + '_ {
        let places = (place..self.store.places()).filter_map(|id| Some((id, self.store.get(id)?)));
        let living = places.filter(move |(_, connection)| connection.expires_at_ns > now_ns);
        living.map(move |(id, connection)| (id, Entry::of(connection, now_ns)))
    }

    /// Forgets all connections, and gives their memory back.
    pub fn flush(&mut self) {
        self.forget_all();
    }

    /// Forgets the connections of a zone; gives how many. Looks at all connections of all zones.
    pub fn flush_zone(&mut self, zone: u16) -> usize {
        self.flush_where(|connection| connection.original.zone == zone)
    }

    /// Forgets the connections that a caller picks; gives how many.
    pub fn flush_matching(&mut self, now_ns: u64, mut picks: impl FnMut(&Entry) -> bool) -> usize {
        self.flush_where(|connection| picks(&Entry::of(connection, now_ns)))
    }

    /// Forgets the one connection whose packets in either direction are these; gives whether there was
    /// one.
    pub fn flush_tuple(&mut self, zone: u16, endpoints: &Endpoints, now_ns: u64) -> bool {
        let Some(tuple) = Tuple::of(zone, endpoints) else { return false };
        let found = self.find(&tuple, now_ns);
        found.inspect(|(id, _)| self.remove(*id)).is_some()
    }

    fn flush_where(&mut self, mut picks: impl FnMut(&Connection) -> bool) -> usize {
        let picked: Vec<u32> =
            self.store.iter().filter(|(_, connection)| picks(connection)).map(|(id, _)| id).collect();
        picked.iter().for_each(|id| self.remove(*id));
        picked.len()
    }

    /// Connections of one zone.
    #[must_use]
    pub fn zone_count(&self, zone: u16) -> u32 {
        self.zones.count(zone)
    }

    /// Zones with connections, and how many.
    pub fn zone_counts(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        self.zones.counts()
    }

    /// The limit that holds for a zone, its own or the default.
    #[must_use]
    pub fn zone_limit(&self, zone: u16) -> Option<u32> {
        self.zones.limit(zone)
    }

    /// Zones with a limit of their own.
    pub fn zone_limits(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        self.zones.limits()
    }

    /// Gives a zone a limit of its own, or none, so that the default holds. Connections that are there
    /// stay.
    pub fn set_zone_limit(&mut self, zone: u16, limit: Option<u32>) {
        self.zones.set_limit(zone, limit);
    }

    /// The limit of zones without one of their own.
    #[must_use]
    pub fn default_limit(&self) -> Option<u32> {
        self.zones.default_limit()
    }

    /// Changes the limit of zones without one of their own.
    pub fn set_default_limit(&mut self, limit: Option<u32>) {
        self.zones.set_default_limit(limit);
    }

    /// The most connections in all zones together.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.config.connections
    }

    /// Changes the most connections in all zones together. Those that are there stay.
    pub fn set_limit(&mut self, connections: usize) {
        self.config.connections = connections.min(Self::MOST);
    }

    /// How long connections live without a packet.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.config.timeouts
    }

    /// Changes how long connections live; for each of them from its next packet on.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.config.timeouts = timeouts;
    }

    /// Counts since the tracker was made.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Bytes of memory in use for connections and tables.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.store.bytes() + self.table.bytes()
    }
}
