//! Finds the best of many prioritised, masked matches for a packet: tuple-space search.
//!
//! How it works: entries with the same mask share a subtable, a hash table over the
//! masked key.  Subtables are visited by falling highest priority, until none that remains can win.
//! Within a subtable, shorter and shorter-sighted hashes (metadata, then layer 2, 3, 4) are tried first,
//! so that a packet of another network is told apart without looking at its ports.
//!
//! What holds: a lookup reports every bit that its answer depends on, so an answer may be reused for
//! each packet that agrees in those bits.  A lookup allocates nothing.
//!
//! What it is not: it does not know what a match is for, and it counts nothing.

mod hashing;
mod subtable;

use subtable::Subtable;
use tulle_flow::{Key, Match};

/// Prioritised matches, each with a value.
///
/// At most one entry stands at the same match and priority.  Where entries of one priority overlap, the winner
/// depends on the entries present, never on the order in which they came.
#[derive(Debug)]
pub struct Classifier<T> {
    seed: u64,
    length: usize,
    /// Ordered by falling maximum priority, then by mask.
    subtables: Vec<Subtable<T>>,
}

impl<T> Classifier<T> {
    /// An empty classifier; `seed` keeps tenants from aiming at one hash bucket.
    pub fn new(seed: u64) -> Self {
        Classifier { seed, length: 0, subtables: Vec::new() }
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True where there is no entry.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds an entry; gives back the value that stood at the same match and priority.
    pub fn insert(&mut self, matching: &Match, priority: u16, value: T) -> Option<T> {
        let position = self.position(matching.mask()).unwrap_or_else(|| {
            self.subtables.push(Subtable::new(*matching.mask(), self.seed));
            self.subtables.len() - 1
        });
        let replaced = self.subtables[position].insert(matching, priority, value);
        self.length += usize::from(replaced.is_none());
        self.reorder();
        replaced
    }

    /// Removes the entry with exactly this match and priority.
    pub fn remove(&mut self, matching: &Match, priority: u16) -> Option<T> {
        let position = self.position(matching.mask())?;
        let removed = self.subtables[position].remove(matching, priority)?;
        self.length -= 1;
        if self.subtables[position].is_empty() {
            self.subtables.remove(position);
        }
        self.reorder();
        Some(removed)
    }

    /// The value with exactly this match and priority.
    pub fn find_exact(&self, matching: &Match, priority: u16) -> Option<&T> {
        let position = self.position(matching.mask())?;
        self.subtables[position].find_exact(matching, priority)
    }

    /// The value of the highest priority that covers a packet.
    ///
    /// Sets in `looked_at` each bit of `key` that the answer depends on, also where there is none.
    #[inline]
    pub fn lookup(&self, key: &Key, looked_at: &mut Key) -> Option<&T> {
        let mut best: Option<(u16, &T)> = None;
        for subtable in &self.subtables {
            if best.is_some_and(|(priority, _)| subtable.max_priority() <= priority) {
                break;
            }
            let found = subtable.lookup(key, looked_at);
            best = match (best, found) {
                (Some(best), Some(found)) if found.0 > best.0 => Some(found),
                (best, found) => best.or(found),
            };
        }
        best.map(|(_, value)| value)
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&Match, u16, &T)> {
        self.subtables.iter().flat_map(Subtable::iter)
    }

    /// The number of different masks, which is what a lookup may cost.
    pub fn mask_count(&self) -> usize {
        self.subtables.len()
    }

    fn position(&self, mask: &Key) -> Option<usize> {
        self.subtables.iter().position(|subtable| subtable.mask() == mask)
    }

    fn reorder(&mut self) {
        let rank =
            |subtable: &Subtable<T>| (std::cmp::Reverse(subtable.max_priority()), subtable.mask().words);
        if !self.subtables.is_sorted_by_key(rank) {
            self.subtables.sort_by_key(rank);
        }
    }
}
