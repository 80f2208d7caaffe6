//! Finds the best of many prioritised, masked matches for a packet: tuple-space search.
//!
//! How it works: entries with the same mask share a subtable, a hash table over the words that the mask
//! touches.  Subtables are visited by falling highest priority, until none that remains can win.
//! Within a subtable, the hash is taken in stages (metadata, then layer 2, 3, 4) and the visit ends at the first
//! stage whose hash no entry has, so that a packet of another network is told apart without looking at its ports.
//! Tries of all prefixes of addresses and ports pass subtables over, and tell after a miss which few leading bits
//! show it: a packet outside of 10.1.2.0/24 is often told apart by its first byte.
//!
//! What holds: a lookup reports every bit that its answer depends on, so an answer may be reused for
//! each packet that agrees in those bits.  A lookup allocates nothing.
//!
//! What it is not: it does not know what a match is for, and it counts nothing.

mod conjunction;
pub mod hashing;
mod heads;
mod masked;
mod packed;
mod sight;
mod subtable;
mod trie;
mod tries;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

pub use conjunction::Clause;
use conjunction::Gathered;
use hashing::{HashIndex, PassThrough};
pub use masked::MaskedKey;
pub use packed::{PackedMask, PackedMatch};
use sight::Sight;
use subtable::{Covering, Subtable};
use tries::{Search, TRIES, Tries, prefix_lengths};
use tulle_flow::{Field, Key, Match};

/// Prioritised matches, each with a value.
///
/// At most one entry stands at the same match and priority.  Where entries of one priority overlap, the winner
/// depends on the entries present, never on the order in which they came.
#[derive(Debug)]
pub struct Classifier<T> {
    seed: u64,
    length: usize,
    subtables: Vec<Subtable<T>>,
    free: Vec<u32>,
    by_mask: HashMap<Arc<PackedMask>, u32, BuildHasherDefault<PassThrough>>,
    /// Subtables by falling maximum priority, then by mask.
    order: Vec<Rank>,
    tries: Tries,
    /// What entries contribute to conjunctive matches, by subtable and place.
    clauses: HashIndex<Box<[Clause]>>,
}

/// A subtable's place in the order of visits.
#[derive(Clone, Copy, Debug)]
struct Rank {
    max_priority: u16,
    /// The prefixes that its entries have, so that it is often passed over without a look at it.
    prefixes: [u8; TRIES],
    subtable: u32,
}

impl<T: Copy> Classifier<T> {
    /// An empty classifier; `seed` keeps tenants from aiming at one hash bucket.
    pub fn new(seed: u64) -> Self {
        Classifier {
            seed,
            length: 0,
            subtables: Vec::new(),
            free: Vec::new(),
            by_mask: HashMap::default(),
            order: Vec::new(),
            tries: Tries::new(),
            clauses: HashIndex::default(),
        }
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True where there is no entry.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Packs a match; it shares the mask with the entries that have the same.
    pub fn pack(&self, matching: &Match) -> PackedMatch {
        let mut packed = PackedMatch::new(matching);
        if let Some((mask, _)) = self.by_mask.get_key_value(&packed.mask) {
            packed.mask = Arc::clone(mask);
        }
        packed
    }

    /// Adds an entry; gives back the value that stood at the same match and priority.
    pub fn insert(&mut self, matching: &Match, priority: u16, value: T) -> Option<T> {
        self.insert_packed(&self.pack(matching), priority, &[], value)
    }

    /// As [`insert`](Self::insert); an entry with clauses is never found itself, but makes conjunctive matches.
    pub fn insert_packed(
        &mut self,
        matching: &PackedMatch,
        priority: u16,
        clauses: &[Clause],
        value: T,
    ) -> Option<T> {
        let subtable = self.subtable_for(&matching.mask);
        let entries = &mut self.subtables[subtable as usize];
        let before = entries.max_priority();
        let (place, replaced) = entries.insert(&matching.values, priority, !clauses.is_empty(), value);
        if replaced.is_none() {
            self.length += 1;
            entries.insert_prefixes(matching.unpacked().key(), &mut self.tries);
        }
        if clauses.is_empty() {
            self.clauses.remove(&entry_number(subtable, place));
        } else {
            self.clauses.insert(entry_number(subtable, place), clauses.into());
        }
        self.rank(subtable, before);
        replaced
    }

    /// Removes the entry with exactly this match and priority.
    pub fn remove(&mut self, matching: &Match, priority: u16) -> Option<T> {
        self.remove_packed(&PackedMatch::new(matching), priority)
    }

    /// As [`remove`](Self::remove).
    pub fn remove_packed(&mut self, matching: &PackedMatch, priority: u16) -> Option<T> {
        let subtable = *self.by_mask.get(&matching.mask)?;
        let entries = &mut self.subtables[subtable as usize];
        let before = entries.max_priority();
        let (place, removed) = entries.remove(&matching.values, priority)?;
        entries.remove_prefixes(matching.unpacked().key(), &mut self.tries);
        self.length -= 1;
        self.clauses.remove(&entry_number(subtable, place));
        let entries = &self.subtables[subtable as usize];
        if entries.is_empty() {
            self.drop_subtable(subtable, before);
        } else {
            self.rank(subtable, before);
        }
        Some(removed)
    }

    /// The value with exactly this match and priority.
    pub fn find_exact(&self, matching: &Match, priority: u16) -> Option<T> {
        self.find_packed(&PackedMatch::new(matching), priority)
    }

    /// As [`find_exact`](Self::find_exact).
    pub fn find_packed(&self, matching: &PackedMatch, priority: u16) -> Option<T> {
        let subtable = *self.by_mask.get(&matching.mask)?;
        self.subtables[subtable as usize].find_exact(&matching.values, priority)
    }

    /// The value of the highest priority that covers a packet; above it, that of the first conjunctive match which
    /// the packet matches and for which a search with `conj_id` set finds something.
    ///
    /// Sets in `looked_at` each bit of `key` that the answer depends on, also where there is none.
    #[inline]
    pub fn lookup(&self, key: &Key, looked_at: &mut Key) -> Option<T> {
        self.lookup_knowing(key, &Key::ZERO, looked_at)
    }

    /// As [`lookup`](Self::lookup), but sets no bit in `looked_at` that is set in `known`.
    #[inline]
    pub fn lookup_knowing(&self, key: &Key, known: &Key, looked_at: &mut Key) -> Option<T> {
        let mut sight = Sight { known, looked_at };
        let mut gathered = Gathered::default();
        let best = self.search(key, &mut sight, &mut |priority, entry| {
            gathered.push(priority, self.clauses.get(&entry).map_or(&[], |clauses| &**clauses));
        });
        if !gathered.is_empty()
            && let Some(found) =
                self.conjunctive(key, &mut sight, gathered, best.map(|(priority, _)| priority))
        {
            return Some(found);
        }
        best.map(|(_, value)| value)
    }

    #[cold]
    fn conjunctive(
        &self,
        key: &Key,
        sight: &mut Sight<'_>,
        mut gathered: Gathered<'_>,
        above: Option<u16>,
    ) -> Option<T> {
        gathered.complete(above).into_iter().find_map(|id| {
            let (mut with_id, mut bits) = (*key, Key::ZERO);
            with_id.set(Field::ConjId, u128::from(id));
            let mut with_bits = Sight { known: sight.known, looked_at: &mut bits };
            let found = self.search(&with_id, &mut with_bits, &mut |_, _| {});
            // These bits are not the packet's own.
            bits.set(Field::ConjId, 0);
            sight.looked_at.merge(&bits);
            found.map(|(_, value)| value)
        })
    }

    /// The best entry that is no clause; shows each clause above it that covers the packet.
    #[inline]
    fn search(
        &self,
        key: &Key,
        sight: &mut Sight<'_>,
        clause: &mut impl FnMut(u16, u64),
    ) -> Option<(u16, T)> {
        let mut search = Search::new(key, &self.tries);
        let mut best: Option<(u16, T)> = None;
        for rank in &self.order {
            if best.is_some_and(|(priority, _)| rank.max_priority <= priority) {
                break;
            }
            if search.has_excluded(&rank.prefixes) {
                continue;
            }
            let subtable = &self.subtables[rank.subtable as usize];
            let mut next = subtable.lookup(&mut search, sight);
            while let Some(Covering { place, priority, is_clause, value }) = next {
                if !is_clause {
                    if best.is_none_or(|(best, _)| priority > best) {
                        best = Some((priority, value));
                    }
                    break;
                }
                clause(priority, entry_number(rank.subtable, place));
                next = subtable.next_covering(place, key);
            }
        }
        best
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Match, u16, T)> {
        self.order.iter().flat_map(|rank| {
            let subtable = &self.subtables[rank.subtable as usize];
            subtable.iter().map(|(values, priority, value)| {
                let matching =
                    PackedMatch { mask: Arc::clone(subtable.mask()), values: values.to_vec().into() };
                (matching.unpacked(), priority, value)
            })
        })
    }

    /// The values of all entries whose match `matching` contains, with their priorities.
    pub fn contained_in(&self, matching: &PackedMatch) -> impl Iterator<Item = (u16, T)> {
        let narrower = self.order.iter().map(|rank| &self.subtables[rank.subtable as usize]);
        narrower.filter(|subtable| subtable.mask().includes(&matching.mask)).flat_map(|subtable| {
            // With the same mask, to contain is to be equal: found by hash.
            let is_same = *subtable.mask() == matching.mask;
            let same = is_same.then(|| subtable.with_values(&matching.values)).into_iter().flatten();
            let others = (!is_same).then(|| subtable.iter()).into_iter().flatten();
            let agrees = |entry: &(&[u64], u16, T)| matching.agrees(subtable.mask(), entry.0);
            same.chain(others.filter(agrees).map(|(_, priority, value)| (priority, value)))
        })
    }

    /// The values of all entries that share a packet with `matching`, with their priorities.
    pub fn overlapping(&self, matching: &PackedMatch) -> impl Iterator<Item = (u16, T)> {
        let subtables = self.order.iter().map(|rank| &self.subtables[rank.subtable as usize]);
        subtables.flat_map(|subtable| {
            let agrees = |entry: &(&[u64], u16, T)| matching.agrees(subtable.mask(), entry.0);
            subtable.iter().filter(agrees).map(|(_, priority, value)| (priority, value))
        })
    }

    /// The number of different masks, which is what a lookup may cost.
    pub fn mask_count(&self) -> usize {
        self.order.len()
    }

    /// The subtable of a mask, made where there is none.
    fn subtable_for(&mut self, mask: &Arc<PackedMask>) -> u32 {
        if let Some(subtable) = self.by_mask.get(mask) {
            return *subtable;
        }
        let made = Subtable::new(Arc::clone(mask), self.seed);
        let subtable = match self.free.pop() {
            Some(free) => {
                self.subtables[free as usize] = made;
                free
            }
            None => {
                self.subtables.push(made);
                (self.subtables.len() - 1) as u32
            }
        };
        self.by_mask.insert(Arc::clone(mask), subtable);
        let place = self.place(0, mask);
        let prefixes = prefix_lengths(&mask.unpacked());
        self.order.insert(place, Rank { max_priority: 0, prefixes, subtable });
        subtable
    }

    fn drop_subtable(&mut self, subtable: u32, max_priority: u16) {
        let mask = Arc::clone(self.subtables[subtable as usize].mask());
        self.order.remove(self.place(max_priority, &mask));
        self.by_mask.remove(&mask);
        self.subtables[subtable as usize] = Subtable::new(Arc::default(), self.seed);
        self.free.push(subtable);
    }

    /// Moves a subtable whose maximum priority was `before` to its new place.
    fn rank(&mut self, subtable: u32, before: u16) {
        let max_priority = self.subtables[subtable as usize].max_priority();
        if max_priority == before {
            return;
        }
        let mask = Arc::clone(self.subtables[subtable as usize].mask());
        let rank = self.order.remove(self.place(before, &mask));
        let place = self.place(max_priority, &mask);
        self.order.insert(place, Rank { max_priority, ..rank });
    }

    /// Where in the order a subtable stands, or would stand.
    fn place(&self, max_priority: u16, mask: &PackedMask) -> usize {
        let of = |rank: &Rank| &**self.subtables[rank.subtable as usize].mask();
        self.order
            .partition_point(|rank| (Reverse(rank.max_priority), of(rank)) < (Reverse(max_priority), mask))
    }
}

fn entry_number(subtable: u32, place: u32) -> u64 {
    u64::from(subtable) << 32 | u64::from(place)
}
