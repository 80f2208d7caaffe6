//! From hashes to connections: 256 open-addressing tables, each of which grows alone.
//!
//! An entry is one word: 32 bits of the hash, and a value. Growing one of the tables moves words only,
//! no connection is looked at, and a million connections never move at once: the longest pause is that
//! of one table in 256. Three quarters full at most; linear probing; no tombstones.

const SHARDS: usize = 256;
const FIRST_CAPACITY: usize = 16;
const EMPTY: u64 = 0;

/// A set of (hash, value) pairs; values are below 2^32 - 1.
#[derive(Debug)]
pub(crate) struct Table {
    shards: Vec<Shard>,
}

#[derive(Debug)]
struct Shard {
    entries: Vec<u64>,
    len: usize,
}

#[inline]
fn entry(hash: u64, value: u32) -> u64 {
    hash & 0xffff_ffff_0000_0000 | u64::from(value + 1)
}

#[inline]
fn value(entry: u64) -> u32 {
    entry as u32 - 1
}

impl Table {
    pub fn new() -> Self {
        let shard = || Shard { entries: vec![EMPTY; FIRST_CAPACITY], len: 0 };
        Self { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// The value with this hash of which `is_it` holds.
    #[inline]
    pub fn find(&self, hash: u64, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.shards[shard_of(hash)].find(hash, is_it)
    }

    pub fn insert(&mut self, hash: u64, value: u32) {
        self.shards[shard_of(hash)].insert(entry(hash, value));
    }

    /// Removes a pair, if it is there.
    pub fn remove(&mut self, hash: u64, value: u32) {
        self.shards[shard_of(hash)].remove(entry(hash, value));
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.entries.capacity() * 8).sum()
    }
}

#[inline]
fn shard_of(hash: u64) -> usize {
    hash as usize % SHARDS
}

impl Shard {
    #[inline]
    fn home(&self, entry: u64) -> usize {
        (entry >> 32) as usize & (self.entries.len() - 1)
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }

    #[inline]
    fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            match self.entries[at] {
                EMPTY => return None,
                found if found >> 32 == hash >> 32 && is_it(value(found)) => return Some(value(found)),
                _ => at = self.next(at),
            }
        }
    }

    fn insert(&mut self, new: u64) {
        if (self.len + 1) * 4 > self.entries.len() * 3 {
            self.grow();
        }
        self.len += 1;
        self.put(new);
    }

    fn put(&mut self, new: u64) {
        let mut at = self.home(new);
        while self.entries[at] != EMPTY {
            at = self.next(at);
        }
        self.entries[at] = new;
    }

    fn grow(&mut self) {
        let bigger = vec![EMPTY; self.entries.len() * 2];
        let old = std::mem::replace(&mut self.entries, bigger);
        old.into_iter().filter(|entry| *entry != EMPTY).for_each(|entry| self.put(entry));
    }

    fn remove(&mut self, gone: u64) {
        let mut at = self.home(gone);
        while self.entries[at] != gone {
            if self.entries[at] == EMPTY {
                return;
            }
            at = self.next(at);
        }
        self.len -= 1;
        self.close_gap(at);
    }

    /// Moves later entries of the run into the gap, where that brings them no further from home.
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.entries.len() - 1;
        let mut at = self.next(gap);
        while self.entries[at] != EMPTY {
            let distance = at.wrapping_sub(self.home(self.entries[at])) & mask;
            if distance >= (at.wrapping_sub(gap) & mask) {
                self.entries[gap] = self.entries[at];
                gap = at;
            }
            at = self.next(at);
        }
        self.entries[gap] = EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_a_list_of_pairs_holds(
            steps in prop::collection::vec((any::<bool>(), 0..40_u64, 0..200_u32), 0..400),
        ) {
            let mut table = Table::new();
            let mut pairs: Vec<(u64, u32)> = Vec::new();
            for (insert, spread, value) in steps {
                // One shard and few homes, so that runs collide and wrap around.
                let hash = spread << 32;
                let known = pairs.iter().position(|pair| *pair == (hash, value));
                match (insert, known) {
                    (true, None) => {
                        table.insert(hash, value);
                        pairs.push((hash, value));
                    }
                    (false, _) => {
                        table.remove(hash, value);
                        pairs.retain(|pair| *pair != (hash, value));
                    }
                    _ => {}
                }
                for hash in (0..40).map(|spread| spread << 32) {
                    let mut found = Vec::new();
                    table.find(hash, |value| { found.push(value); false });
                    let mut expected: Vec<_> =
                        pairs.iter().filter(|pair| pair.0 == hash).map(|pair| pair.1).collect();
                    found.sort_unstable();
                    expected.sort_unstable();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
