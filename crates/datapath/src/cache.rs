//! Remembers verdicts: hints by packet hash in front of a search by mask.
//!
//! A hint is never trusted: the entry's own mask and values decide.  An entry says at which version of the tables it
//! was known to be right; who owns the cache checks that, and makes the verdict anew where something that it depends
//! on has changed since.  So a change of the tables costs the cache nothing but a look at each entry when it is next
//! used, and nothing that is remembered is ever wrong.
//!
//! What packets do is gathered in the entries and credited to a [`Ledger`]: before counters are reported, before
//! rules go, and when an entry goes.

mod entry;
mod groups;
mod hints;

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::sharing::Recent;
use crate::tables::Credit;
use crate::verdict::{Translation, Verdict};
use entry::{Entries, Entry};
use groups::Groups;
use hints::{Hints, IngressHash};

use std::sync::Arc;
use tulle_classifier::hashing::PassThrough;
use tulle_classifier::{MaskedKey, PackedMask};
use tulle_flow::{Field, Key, Match};

/// The most verdicts remembered.
pub const MAX_ENTRIES: usize = 200_000;
/// The most operations in all verdicts together.
const MAX_OPS: usize = 4_000_000;
/// A verdict that no packet has used for this long is forgotten.
const IDLE_NS: u64 = 10_000_000_000;
/// Each sweep looks at this part of the entries, and at this many at least.
const SWEPT_PART: usize = 16;
const SWEPT_LEAST: usize = 1024;

/// Who is told what packets have done.
pub(crate) trait Ledger {
    /// Packets have gone the way of a verdict.
    fn credit(&mut self, verdict: &Verdict, credit: Credit);
}

/// Verdicts by key and mask.
#[derive(Debug)]
pub(crate) struct Cache {
    seed: u64,
    limit: usize,
    ingress: IngressHash,
    hints: Hints,
    /// Masks by ingress port.
    ports: HashMap<u64, Groups, BuildHasherDefault<PassThrough>>,
    entries: Entries,
    recent: Recent<Verdict>,
    /// Entries with something to credit; some may have gone or been credited since.
    dirty: Vec<u32>,
    ops: usize,
    /// Where the next sweep begins.
    swept: usize,
}

impl Cache {
    pub fn new(seed: u64, limit: usize) -> Self {
        Cache {
            seed,
            limit,
            ingress: IngressHash::new(seed),
            hints: Hints::new(),
            ports: HashMap::default(),
            entries: Entries::default(),
            recent: Recent::new(),
            dirty: Vec::new(),
            ops: 0,
            swept: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The most verdicts that are remembered.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The number of different masks of all ports.
    pub fn mask_count(&self) -> usize {
        self.ports.values().map(Groups::len).sum()
    }

    /// The number of the entry for a packet, if there is one.
    #[inline]
    pub fn find(&mut self, key: &Key) -> Option<u32> {
        let hash = self.ingress.of(key);
        let Self { hints, entries, .. } = self;
        if let Some(entry) = hints.find(hash, |entry| entries.holds(entry, key)) {
            return Some(entry);
        }
        self.search(key, hash)
    }

    /// Looks under each mask of the packet's port, and remembers the way.
    #[cold]
    #[inline(never)]
    fn search(&mut self, key: &Key, hash: u64) -> Option<u32> {
        let Self { entries, .. } = self;
        let groups = self.ports.get_mut(&port_of(key))?;
        let found = groups.search(key, self.seed, |entry| entries.holds(entry, key))?;
        self.hints.set(hash, found);
        Some(found)
    }

    /// The version at which an entry was last known to be right.
    #[inline]
    pub fn version(&self, entry: u32) -> u64 {
        self.entries.get(entry).map_or(0, |entry| entry.version)
    }

    /// The verdict of an entry.
    pub fn verdict(&self, entry: u32) -> Option<&Verdict> {
        self.entries.get(entry).map(|entry| &*entry.verdict)
    }

    /// Notes that an entry is right at a version.
    pub fn confirm(&mut self, entry: u32, version: u64) {
        if let Some(entry) = self.entries.get_mut(entry) {
            entry.version = version;
        }
    }

    /// Remembers what was found for a packet at a version, and gives its number.
    pub fn insert(&mut self, key: &Key, made: Translation, version: u64, ledger: &mut impl Ledger) -> u32 {
        while self.is_full()
            && let Some(victim) = self.entries.victim()
        {
            self.remove(victim, ledger);
        }
        let Translation { verdict, mask } = made;
        self.ops += verdict.ops.len();
        let verdict = self.recent.share(verdict.digest(), verdict);
        let mask = self.place_for(key, &mask, ledger);
        let hash = mask.hash_key(key, self.seed);
        let seen = MaskedKey::new(&mask, key);
        let number = self.entries.insert(Entry::new(Arc::clone(&mask), seen, verdict, version));
        let replaced = self.ports.entry(port_of(key)).or_default().insert(&mask, hash, number);
        if let Some(replaced) = replaced {
            self.remove(replaced, ledger);
        }
        self.hints.set(self.ingress.of(key), number);
        if self.dirty.len() > 2 * self.entries.len() + SWEPT_LEAST {
            self.credit(ledger);
        }
        number
    }

    /// Puts what was found anew for a packet in the place of a stale entry, and gives its number.
    pub fn replace(
        &mut self,
        stale: u32,
        key: &Key,
        made: Translation,
        version: u64,
        ledger: &mut impl Ledger,
    ) -> u32 {
        if let Some(entry) = self.entries.get_mut(stale)
            && entry.mask.is(PackedMask::map_of(&made.mask), &made.mask)
        {
            entry.credit_to(ledger);
            self.ops = self.ops + made.verdict.ops.len() - entry.verdict.ops.len();
            (entry.verdict, entry.version) =
                (self.recent.share(made.verdict.digest(), made.verdict), version);
            return stale;
        }
        self.remove(stale, ledger);
        self.insert(key, made, version, ledger)
    }

    /// The mask to remember a verdict under: as given, or a narrower one where its port has too many.
    fn place_for(&mut self, key: &Key, mask: &Key, ledger: &mut impl Ledger) -> Arc<PackedMask> {
        let groups = self.ports.entry(port_of(key)).or_default();
        if let Some(shared) = groups.shared(mask) {
            return shared;
        }
        if !groups.is_full() {
            return Arc::new(PackedMask::new(mask));
        }
        match groups.least_useful() {
            Some(entries) => {
                entries.into_iter().for_each(|entry| self.remove(entry, ledger));
                Arc::new(PackedMask::new(mask))
            }
            None => groups.exact(),
        }
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= self.limit || self.ops >= MAX_OPS
    }

    /// Counts a packet and gives its verdict.
    #[inline]
    pub fn count(&mut self, number: u32, bytes: usize, now: u64) -> Option<&Verdict> {
        let entry = self.entries.get_mut(number)?;
        if !entry.is_dirty() {
            self.dirty.push(number);
        }
        entry.count(bytes, now);
        Some(&entry.verdict)
    }

    /// A line for people about each verdict: match as `named` gives it, packets and bytes not yet credited,
    /// operations.
    pub fn lines<'a>(&'a self, named: impl Fn(&Match) -> Match + 'a) -> impl Iterator<Item = String> + 'a {
        self.entries.iter().map(move |entry| {
            let matching = named(&Match::new(&entry.seen.key(), &entry.mask.unpacked()));
            let Credit { packets, bytes, .. } = entry.credit();
            let ops: Vec<String> = entry.verdict.ops.iter().map(ToString::to_string).collect();
            format!("{matching}, recent_packets:{packets}, recent_bytes:{bytes}, actions:{}", ops.join(","))
        })
    }

    /// Tells the ledger what packets have done since the last time.
    pub fn credit(&mut self, ledger: &mut impl Ledger) {
        for number in self.dirty.drain(..) {
            if let Some(entry) = self.entries.get_mut(number) {
                entry.credit_to(ledger);
            }
        }
    }

    /// Credits and forgets all verdicts.
    pub fn flush(&mut self, ledger: &mut impl Ledger) {
        self.credit(ledger);
        self.entries = Entries::default();
        self.recent.forget_unused();
        self.ports.clear();
        self.hints.clear();
        self.ops = 0;
    }

    /// Forgets idle verdicts, looking at a part of them at each call.
    pub fn sweep(&mut self, ledger: &mut impl Ledger, now: u64) {
        let slots = self.entries.slots();
        for _ in 0..slots.min(SWEPT_LEAST.max(slots / SWEPT_PART)) {
            self.swept = if self.swept + 1 < slots { self.swept + 1 } else { 0 };
            let number = self.swept as u32;
            let is_idle = |entry: &Entry| now.saturating_sub(entry.used_ns) >= IDLE_NS;
            if self.entries.get(number).is_some_and(is_idle) {
                self.remove(number, ledger);
            }
        }
        self.recent.forget_unused();
        self.ports.values_mut().for_each(Groups::age);
    }

    fn remove(&mut self, number: u32, ledger: &mut impl Ledger) {
        let Some(mut entry) = self.entries.remove(number) else { return };
        entry.credit_to(ledger);
        self.ops -= entry.verdict.ops.len();
        let key = entry.seen.key();
        if let Some(groups) = self.ports.get_mut(&port_of(&key)) {
            groups.remove(&entry.mask, entry.mask.hash_key(&key, self.seed), number);
            if groups.len() == 0 {
                self.ports.remove(&port_of(&key));
            }
        }
    }
}

fn port_of(key: &Key) -> u64 {
    key.field(Field::InPort) as u64
}
