//! From hashes to the first of the entries that have them, laid out for large tables.
//!
//! Where a table has a million entries, each look is for memory far away.  So a place holds all that a lookup wants
//! of an entry but its values: one place is one cache line, and what the entry's value leads to can be fetched while
//! the values still are.  Hashes are tried place by place (linear probing) from where they fall, of any number of
//! places, so that the table grows by half and not to twice its size.

/// What a lookup wants of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<T> {
    pub hash: u32,
    pub place: u32,
    pub value: T,
    pub priority: u16,
    pub is_clause: bool,
}

/// At most three quarters of the places are taken, so that a search ends soon.
const FEWEST: usize = 4;

#[derive(Debug)]
pub(crate) struct Heads<T> {
    places: Vec<Option<Head<T>>>,
    count: usize,
}

impl<T: Copy> Heads<T> {
    pub fn new() -> Self {
        Heads { places: Vec::new(), count: 0 }
    }

    #[inline]
    pub fn get(&self, hash: u32) -> Option<&Head<T>> {
        let mut at = self.home(hash);
        loop {
            let head = self.places.get(at)?.as_ref()?;
            if head.hash == hash {
                return Some(head);
            }
            at = self.after(at);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Head<T>> {
        self.places.iter().flatten()
    }

    /// Adds the head of a hash, or puts another in its place.
    pub fn put(&mut self, head: Head<T>) {
        if (self.count + 1) * 4 > self.places.len() * 3 {
            self.grow();
        }
        let at = self.search(head.hash);
        self.count += usize::from(self.places[at].is_none());
        self.places[at] = Some(head);
    }

    /// Takes the head of a hash away; those that it had pushed on move back.
    pub fn remove(&mut self, hash: u32) {
        if self.count == 0 {
            return;
        }
        let mut hole = self.search(hash);
        self.count -= usize::from(self.places[hole].take().is_some());
        let mut at = self.after(hole);
        while let Some(head) = self.places[at] {
            if self.distance(self.home(head.hash), at) >= self.distance(hole, at) {
                self.places.swap(hole, at);
                hole = at;
            }
            at = self.after(at);
        }
    }

    /// The place of a hash, or where it is to go; there is one that is free.
    fn search(&self, hash: u32) -> usize {
        let mut at = self.home(hash);
        while self.places[at].as_ref().is_some_and(|head| head.hash != hash) {
            at = self.after(at);
        }
        at
    }

    fn grow(&mut self) {
        let wanted = (self.places.len() + self.places.len() / 2).max(FEWEST);
        let old = std::mem::replace(&mut self.places, vec![None; wanted]);
        for head in old.into_iter().flatten() {
            let at = self.search(head.hash);
            self.places[at] = Some(head);
        }
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.places.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.places.len() { 0 } else { at + 1 }
    }

    /// How many places it is from one to another, onwards.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.places.len() - from }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Few hashes, many of which fall together at the end, where places begin anew.
    fn hash() -> impl Strategy<Value = u32> {
        prop_oneof![(0..40_u32).prop_map(|n| u32::MAX - n), 0..20_u32, any::<u32>()]
    }

    proptest! {
        #[test]
        fn has_what_a_map_has(changes in prop::collection::vec((hash(), prop::bool::weighted(0.6)), 0..200)) {
            let (mut heads, mut map) = (Heads::new(), HashMap::new());
            for (number, (hash, comes)) in changes.into_iter().enumerate() {
                if comes {
                    let place = number as u32;
                    heads.put(Head { hash, place, value: number, priority: 1, is_clause: false });
                    map.insert(hash, number);
                } else {
                    heads.remove(hash);
                    map.remove(&hash);
                }
                prop_assert_eq!(heads.count, map.len());
                prop_assert_eq!(heads.iter().count(), map.len());
                prop_assert!(map.iter().all(|(hash, value)| heads.get(*hash).is_some_and(|head| head.value == *value)));
                prop_assert!(heads.get(hash).is_some() == map.contains_key(&hash));
            }
        }
    }
}
