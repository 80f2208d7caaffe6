//! The tracker: its connections, and how one is found, kept, changed and forgotten.

use crate::config::Config;
use crate::connection::Connection;
use crate::drop_reason::DropReason;
use crate::expectation::Expectations;
use crate::hashing::Hasher;
use crate::list::{List, Use};
use crate::stats::Stats;
use crate::store::Store;
use crate::table::Table;
use crate::tuple::{Direction, Tuple};
use crate::wheel::Wheel;
use crate::zones::Zones;

/// What a new connection pays for the expiry of old ones.
const EXPIRY_PER_COMMIT: usize = 2;
/// The same where there is no room.
const EXPIRY_WHEN_FULL: usize = 512;

/// Bytes that a connection takes at most, its share of the tables included, when there are many. Those of SCTP, those
/// that control protocols have to do with, and those that came from another tracker take up to [`MEMORY_BESIDES`] more,
/// which [`Conntrack::memory`] does not count.
pub const MEMORY_PER_CONNECTION: usize = 280;
/// Bytes that few kinds of connections take besides.
pub const MEMORY_BESIDES: usize = 256;
const _: () = assert!(size_of::<crate::connection::Extra>() <= MEMORY_BESIDES);

/// A connection tracker.
#[derive(Debug)]
pub struct Conntrack {
    pub(crate) config: Config,
    pub(crate) hasher: Hasher,
    pub(crate) table: Table,
    pub(crate) store: Store,
    pub(crate) zones: Zones,
    pub(crate) stats: Stats,
    pub(crate) expectations: Expectations,
    wheel: Wheel,
    evictable: List,
    drawn: u64,
}

fn entry(id: u32, direction: Direction) -> u32 {
    id << 1 | u32::from(direction == Direction::Reply)
}

fn direction_of(entry: u32) -> Direction {
    if entry & 1 == 0 { Direction::Original } else { Direction::Reply }
}

impl Conntrack {
    /// Entries of the table have 31 bits for a connection.
    pub(crate) const MOST: usize = 1 << 30;

    /// Without connections. `seed` must be secret and random: it keeps tenants from aiming packets at
    /// one bucket, and from foretelling ports.
    #[must_use]
    pub fn new(config: Config, seed: u128) -> Self {
        let connections = config.connections.min(Self::MOST);
        Self {
            config: Config { connections, ..config },
            hasher: Hasher::new(seed),
            table: Table::new(),
            store: Store::default(),
            zones: Zones::new(config.zone_limit),
            stats: Stats::default(),
            expectations: Expectations::new(config.expectations),
            wheel: Wheel::new(),
            evictable: List::new(Use::Evictable),
            drawn: 0,
        }
    }

    /// Connections that are kept, counting those that have expired and not been looked at since.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there is no connection.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.store.len() == 0
    }

    /// A number that nobody without the seed can foretell.
    pub(crate) fn random(&mut self) -> u64 {
        self.drawn += 1;
        self.hasher.hash([self.drawn])
    }

    /// The clock may begin anywhere.
    #[inline]
    pub(crate) fn start(&mut self, now_ns: u64) {
        self.wheel.start(now_ns);
    }

    /// The connection that packets with this tuple belong to; an expired one is removed.
    #[inline]
    pub(crate) fn find(&mut self, tuple: &Tuple, now_ns: u64) -> Option<(u32, Direction)> {
        let (id, direction) = self.find_any(tuple)?;
        if self.store[id].expires_at_ns <= now_ns {
            self.stats.expired += 1;
            self.remove(id);
            return None;
        }
        Some((id, direction))
    }

    #[inline]
    fn find_any(&self, tuple: &Tuple) -> Option<(u32, Direction)> {
        let is_it = |entry: u32| self.store[entry >> 1].tuple(direction_of(entry)) == tuple;
        let entry = self.table.find(self.hasher.hash(tuple.words()), is_it)?;
        Some((entry >> 1, direction_of(entry)))
    }

    /// Makes room for one more connection in a zone, if need be by giving up one that is half open, but
    /// not `spared`.
    pub(crate) fn make_room(
        &mut self,
        zone: u16,
        spared: Option<u32>,
        now_ns: u64,
    ) -> Result<(), DropReason> {
        let is_full = |it: &Self| it.zones.is_full(zone) || it.store.len() >= it.config.connections;
        self.expire(now_ns, EXPIRY_PER_COMMIT);
        if is_full(self) {
            self.expire(now_ns, EXPIRY_WHEN_FULL);
        }
        if self.zones.is_full(zone) {
            return Err(DropReason::ZoneFull);
        }
        if self.store.len() >= self.config.connections {
            let oldest = self.evictable.first().filter(|id| spared != Some(*id));
            let oldest = oldest.ok_or(DropReason::TableFull)?;
            self.stats.evicted += 1;
            self.remove(oldest);
        }
        Ok(())
    }

    /// Keeps a connection, neither of whose tuples is in use.
    pub(crate) fn insert(&mut self, mut connection: Connection, now_ns: u64) -> u32 {
        let tuples = [connection.original, connection.reply];
        connection.expires_at_ns = now_ns.saturating_add(connection.timeout_ns(&self.config.timeouts));
        let id = self.store.insert(connection);
        for (tuple, direction) in tuples.iter().zip([Direction::Original, Direction::Reply]) {
            self.table.insert(self.hasher.hash(tuple.words()), entry(id, direction));
        }
        self.zones.add(tuples[0].zone);
        self.wheel.place(id, &mut self.store);
        self.sort_in(id);
        self.stats.created += 1;
        id
    }

    /// Forgets a connection.
    pub(crate) fn remove(&mut self, id: u32) {
        self.wheel.remove(id, &mut self.store);
        self.remove_placed(id);
    }

    /// Forgets a connection that the wheel does not hold.
    fn remove_placed(&mut self, id: u32) {
        if self.store[id].evictable {
            self.evictable.remove(id, &mut self.store);
        }
        for direction in [Direction::Original, Direction::Reply] {
            let tuple = *self.store[id].tuple(direction);
            self.table.remove(self.hasher.hash(tuple.words()), entry(id, direction));
        }
        self.zones.subtract(self.store[id].original.zone);
        self.store.remove(id);
    }

    pub(crate) fn forget_all(&mut self) {
        self.table = Table::new();
        self.store = Store::default();
        self.evictable = List::new(Use::Evictable);
        self.wheel.clear();
        self.zones.clear_counts();
        self.expectations.clear();
    }

    /// Gives a connection another reply tuple, which is not in use.
    pub(crate) fn set_reply(&mut self, id: u32, reply: Tuple) {
        let old = std::mem::replace(&mut self.store[id].reply, reply);
        self.table.remove(self.hasher.hash(old.words()), entry(id, Direction::Reply));
        self.table.insert(self.hasher.hash(reply.words()), entry(id, Direction::Reply));
    }

    /// A packet has come: the connection lives on from now.
    #[inline]
    pub(crate) fn refresh(&mut self, id: u32, now_ns: u64) {
        let timeouts = &self.config.timeouts;
        let connection = &mut self.store[id];
        connection.expires_at_ns = now_ns.saturating_add(connection.timeout_ns(timeouts));
        if Wheel::is_late(connection.due, connection.expires_at_ns) {
            self.wheel.remove(id, &mut self.store);
            self.wheel.place(id, &mut self.store);
        }
        self.sort_in(id);
    }

    /// Lets a connection expire at another time, if no packet comes.
    pub(crate) fn set_expiry(&mut self, id: u32, at_ns: u64) {
        self.store[id].expires_at_ns = at_ns;
        if Wheel::is_late(self.store[id].due, at_ns) {
            self.wheel.remove(id, &mut self.store);
            self.wheel.place(id, &mut self.store);
        }
    }

    /// Keeps the list of connections that may be given up right.
    #[inline]
    fn sort_in(&mut self, id: u32) {
        let connection = &mut self.store[id];
        let expendable = connection.is_expendable();
        if expendable == connection.evictable {
            return;
        }
        connection.evictable = expendable;
        if expendable {
            self.evictable.push_last(id, &mut self.store);
        } else {
            self.evictable.remove(id, &mut self.store);
        }
    }

    /// Forgets connections that have expired, and looks at no more than `budget` of them (or of empty
    /// seconds). To be called every second or so with some thousands; a new connection also pays for
    /// two. Gives how many were forgotten.
    pub fn expire(&mut self, now_ns: u64, budget: usize) -> usize {
        self.wheel.start(now_ns);
        let (mut budget, mut expired) = (budget, 0);
        while let Some(id) = self.wheel.next_due(now_ns, &mut budget, &mut self.store) {
            if self.store[id].expires_at_ns <= now_ns {
                self.remove_placed(id);
                expired += 1;
            } else {
                self.wheel.place(id, &mut self.store);
            }
        }
        self.stats.expired += expired as u64;
        expired
    }
}
