//! Where Ethernet addresses are: learned from packets, for a time, or told.

use std::collections::{HashMap, VecDeque};

use crate::consequence::Seen;

const NS_PER_S: u64 = 1_000_000_000;
/// How long after a gratuitous ARP a bond does not move the address: the frame may come back over another member.
const LOCK_NS: u64 = 5 * NS_PER_S;

/// An address and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FdbEntry {
    /// The VLAN; 0 is none.
    pub vlan: u16,
    /// The address, in the low 48 bits.
    pub mac: u64,
    /// The port.
    pub port: u32,
    /// Seconds since a packet came from it.
    pub age_s: u64,
    /// Told rather than learned.
    pub is_static: bool,
}

/// What the table of addresses has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FdbStats {
    /// Addresses now.
    pub current: usize,
    /// Of these, told ones.
    pub current_static: usize,
    /// The most learned addresses.
    pub limit: usize,
    /// Addresses learned.
    pub learned: u64,
    /// Addresses that grew too old.
    pub expired: u64,
    /// Addresses that gave way to others.
    pub evicted: u64,
    /// Addresses that came to another port.
    pub moved: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    port: u32,
    used_ns: u64,
    locked_until_ns: u64,
    is_static: bool,
}

/// What seeing an address has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taught {
    /// Nothing that a verdict could depend on.
    Nothing,
    /// It is in another place than before.
    Changed,
}

type Address = (u16, u64);

/// Addresses by VLAN.
#[derive(Debug)]
pub(crate) struct MacTable {
    entries: HashMap<Address, Entry>,
    /// Of each port the addresses in the order of their use, as far as known: an address that was used later than
    /// noted here gets a second chance.
    queues: HashMap<u32, VecDeque<(Address, u64)>>,
    limit: usize,
    aging_ns: u64,
    stats: FdbStats,
}

impl Default for MacTable {
    fn default() -> Self {
        MacTable {
            entries: HashMap::new(),
            queues: HashMap::new(),
            limit: 8192,
            aging_ns: 300 * NS_PER_S,
            stats: FdbStats::default(),
        }
    }
}

impl MacTable {
    pub fn configure(&mut self, aging_s: u16, limit: usize) {
        self.aging_ns = u64::from(aging_s) * NS_PER_S;
        self.limit = limit.max(1);
        while self.learned() > self.limit {
            self.evict();
        }
    }

    fn learned(&self) -> usize {
        self.entries.len() - self.stats.current_static
    }

    /// The port of an address.
    pub fn port(&self, vlan: u16, mac: u64) -> Option<u32> {
        self.entries.get(&(vlan, mac)).map(|entry| entry.port)
    }

    /// Takes note of an address that a packet came from.
    pub fn see(&mut self, seen: Seen, now: u64) -> Taught {
        let address = (seen.vlan, seen.mac);
        let Some(entry) = self.entries.get_mut(&address) else {
            self.insert(seen, now);
            return Taught::Changed;
        };
        if entry.is_static {
            return Taught::Nothing;
        }
        if seen.is_gratuitous && !seen.is_bonded {
            entry.locked_until_ns = now.saturating_add(LOCK_NS);
        } else if seen.is_bonded && entry.port != seen.port && entry.locked_until_ns > now {
            return Taught::Nothing;
        }
        entry.used_ns = entry.used_ns.max(now);
        if entry.port == seen.port {
            return Taught::Nothing;
        }
        entry.port = seen.port;
        self.stats.moved += 1;
        self.queues.entry(seen.port).or_default().push_back((address, now));
        Taught::Changed
    }

    /// Notes that packets of a remembered verdict have come from an address.  Where it has gone since then, or come to
    /// another port, others know better, unless it was locked when that verdict was made.
    pub fn refresh(&mut self, seen: Seen, used_ns: u64) -> Taught {
        match self.entries.get(&(seen.vlan, seen.mac)) {
            Some(entry) if used_ns > entry.used_ns => self.see(seen, used_ns),
            _ => Taught::Nothing,
        }
    }

    fn insert(&mut self, seen: Seen, now: u64) {
        if self.learned() >= self.limit {
            self.evict();
        }
        let locked = seen.is_gratuitous && !seen.is_bonded;
        let locked_until_ns = if locked { now.saturating_add(LOCK_NS) } else { 0 };
        let entry = Entry { port: seen.port, used_ns: now, locked_until_ns, is_static: false };
        self.entries.insert((seen.vlan, seen.mac), entry);
        self.queues.entry(seen.port).or_default().push_back(((seen.vlan, seen.mac), now));
        self.stats.learned += 1;
    }

    /// Forgets the address that was used longest ago at the port that has most of them: who floods the table with
    /// addresses loses his own.
    fn evict(&mut self) {
        while let Some(queue) = self.queues.values_mut().max_by_key(|queue| queue.len()) {
            let Some((address, noted_ns)) = queue.pop_front() else { return };
            let Some(entry) = self.entries.get(&address) else { continue };
            let port = entry.port;
            if entry.is_static {
                continue;
            }
            if entry.used_ns > noted_ns {
                let used_ns = entry.used_ns;
                self.queues.entry(port).or_default().push_back((address, used_ns));
                continue;
            }
            self.entries.remove(&address);
            self.stats.evicted += 1;
            return;
        }
    }

    /// Forgets addresses that no packet has come from for too long.  True where there were any.
    pub fn expire(&mut self, now: u64) -> bool {
        let before = self.entries.len();
        let aging_ns = self.aging_ns;
        self.entries.retain(|_, entry| entry.is_static || now.saturating_sub(entry.used_ns) < aging_ns);
        let expired = before - self.entries.len();
        self.stats.expired += expired as u64;
        if expired > 0 {
            self.tidy();
        }
        expired > 0
    }

    /// Takes addresses out of the queues that are not at that port any more.
    fn tidy(&mut self) {
        let entries = &self.entries;
        for (port, queue) in &mut self.queues {
            queue.retain(|(address, _)| entries.get(address).is_some_and(|entry| entry.port == *port));
        }
        self.queues.retain(|_, queue| !queue.is_empty());
    }

    /// Tells where an address is; packets do not move it.
    pub fn put_static(&mut self, vlan: u16, mac: u64, port: u32) {
        let entry = Entry { port, used_ns: 0, locked_until_ns: 0, is_static: true };
        let before = self.entries.insert((vlan, mac), entry);
        if !before.is_some_and(|before| before.is_static) {
            self.stats.current_static += 1;
        }
    }

    /// Forgets an address, told or learned; true where it was known.
    pub fn remove(&mut self, vlan: u16, mac: u64) -> bool {
        let removed = self.entries.remove(&(vlan, mac));
        self.stats.current_static -= usize::from(removed.is_some_and(|entry| entry.is_static));
        removed.is_some()
    }

    /// Forgets all learned addresses.
    pub fn flush(&mut self) {
        self.entries.retain(|_, entry| entry.is_static);
        self.queues.clear();
    }

    /// Forgets the addresses of a port.
    pub fn flush_port(&mut self, port: u32) -> bool {
        let before = self.entries.len();
        self.entries.retain(|_, entry| entry.port != port || entry.is_static);
        self.queues.remove(&port);
        before != self.entries.len()
    }

    /// All addresses, in order.
    pub fn entries(&self, now: u64) -> Vec<FdbEntry> {
        let row = |((vlan, mac), entry): (&Address, &Entry)| FdbEntry {
            vlan: *vlan,
            mac: *mac,
            port: entry.port,
            age_s: if entry.is_static { 0 } else { now.saturating_sub(entry.used_ns) / NS_PER_S },
            is_static: entry.is_static,
        };
        let mut rows: Vec<_> = self.entries.iter().map(row).collect();
        rows.sort_unstable();
        rows
    }

    pub fn clear_stats(&mut self) {
        self.stats = FdbStats { current_static: self.stats.current_static, ..FdbStats::default() };
    }

    pub fn stats(&self) -> FdbStats {
        FdbStats { current: self.entries.len(), limit: self.limit, ..self.stats }
    }
}
