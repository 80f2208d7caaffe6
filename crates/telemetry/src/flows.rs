//! A bounded table of flows that gives up the oldest first.

use std::collections::HashMap;
use std::hash::Hash;

use crate::hashing::Seeded;

/// No slot.
const NIL: u32 = u32::MAX;
/// Uses of a flow are noted at this distance: the order among those that are in use all the time is of no interest,
/// and keeping it would touch the memory of two other flows for each packet.
const USES_NOTED_NS: u64 = 100_000_000;

/// Flows by key, in two orders: when they were last used, and when they began.
#[derive(Debug)]
pub(crate) struct Flows<K, V> {
    index: HashMap<K, u32, Seeded>,
    slots: Vec<Slot<K, V>>,
    free: Vec<u32>,
    limit: usize,
    used: List,
    begun: List,
}

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    value: V,
    used_ns: u64,
    begun_ns: u64,
    links: [Links; 2],
}

/// Neighbours in a list.
#[derive(Clone, Copy, Debug)]
struct Links {
    before: u32,
    after: u32,
}

/// One order of the slots, the oldest first.
#[derive(Debug)]
struct List {
    first: u32,
    last: u32,
    which: usize,
}

impl<K: Copy + Eq + Hash, V: Copy> Flows<K, V> {
    /// Room for `limit` flows, taken now; `seed` keeps tenants from aiming at one bucket.
    pub fn new(limit: usize, seed: u64) -> Self {
        let limit = limit.clamp(1, NIL as usize - 1);
        Flows {
            index: HashMap::with_capacity_and_hasher(limit, Seeded(seed)),
            slots: Vec::with_capacity(limit),
            free: Vec::with_capacity(limit),
            limit,
            used: List::new(0),
            begun: List::new(1),
        }
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_full(&self) -> bool {
        self.index.len() >= self.limit
    }

    /// The flow of this key, which is used now; that is noted to a tenth of a second.
    #[inline]
    pub fn touch(&mut self, key: &K, now_ns: u64) -> Option<&mut V> {
        let number = *self.index.get(key)?;
        let slot = self.slots.get_mut(number as usize)?;
        if now_ns.saturating_sub(slot.used_ns) >= USES_NOTED_NS {
            slot.used_ns = now_ns;
            self.used.move_to_end(&mut self.slots, number);
        }
        Some(&mut self.slots.get_mut(number as usize)?.value)
    }

    /// Adds a flow that is not there, into a table that is not full.
    pub fn insert(&mut self, key: K, value: V, now_ns: u64) {
        if self.is_full() || self.index.contains_key(&key) {
            return;
        }
        let links = [Links { before: NIL, after: NIL }; 2];
        let slot = Slot { key, value, used_ns: now_ns, begun_ns: now_ns, links };
        let number = match self.free.pop() {
            Some(number) => {
                self.slots[number as usize] = slot;
                number
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        self.index.insert(key, number);
        self.used.append(&mut self.slots, number);
        self.begun.append(&mut self.slots, number);
    }

    /// Takes a flow out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let number = *self.index.get(key)?;
        self.take(number).map(|(_, value)| value)
    }

    /// Takes out the flow that was used longest ago.
    pub fn pop_unused(&mut self) -> Option<(K, V)> {
        self.take(self.used.first)
    }

    /// Takes out the flow that began first.
    pub fn pop_oldest(&mut self) -> Option<(K, V)> {
        self.take(self.begun.first)
    }

    /// Takes out a flow that was last used at this time or before.
    pub fn pop_unused_since(&mut self, time_ns: u64) -> Option<(K, V)> {
        let is_due = self.slots.get(self.used.first as usize)?.used_ns <= time_ns;
        if is_due { self.pop_unused() } else { None }
    }

    /// Takes out a flow that began at this time or before.
    pub fn pop_begun_until(&mut self, time_ns: u64) -> Option<(K, V)> {
        let is_due = self.slots.get(self.begun.first as usize)?.begun_ns <= time_ns;
        if is_due { self.pop_oldest() } else { None }
    }

    fn take(&mut self, number: u32) -> Option<(K, V)> {
        let slot = self.slots.get(number as usize)?;
        let (key, value) = (slot.key, slot.value);
        self.index.remove(&key)?;
        self.used.unlink(&mut self.slots, number);
        self.begun.unlink(&mut self.slots, number);
        self.free.push(number);
        Some((key, value))
    }
}

impl List {
    fn new(which: usize) -> List {
        List { first: NIL, last: NIL, which }
    }

    fn append<K, V>(&mut self, slots: &mut [Slot<K, V>], number: u32) {
        let before = self.last;
        if let Some(slot) = slots.get_mut(number as usize) {
            slot.links[self.which] = Links { before, after: NIL };
        }
        match slots.get_mut(before as usize) {
            Some(slot) => slot.links[self.which].after = number,
            None => self.first = number,
        }
        self.last = number;
    }

    fn unlink<K, V>(&mut self, slots: &mut [Slot<K, V>], number: u32) {
        let Some(slot) = slots.get(number as usize) else { return };
        let Links { before, after } = slot.links[self.which];
        match slots.get_mut(before as usize) {
            Some(slot) => slot.links[self.which].after = after,
            None => self.first = after,
        }
        match slots.get_mut(after as usize) {
            Some(slot) => slot.links[self.which].before = before,
            None => self.last = before,
        }
    }

    #[inline]
    fn move_to_end<K, V>(&mut self, slots: &mut [Slot<K, V>], number: u32) {
        if self.last != number {
            self.unlink(slots, number);
            self.append(slots, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the table should do, as a plain list: key, value, used, begun.
    #[derive(Default)]
    struct Model(Vec<(u8, u32, u64, u64)>);

    impl Model {
        fn pop(&mut self, time: impl Fn(&(u8, u32, u64, u64)) -> u64) -> Option<(u8, u32)> {
            let oldest = (0..self.0.len()).min_by_key(|place| time(&self.0[*place]))?;
            let (key, value, ..) = self.0.remove(oldest);
            Some((key, value))
        }
    }

    proptest! {
        #[test]
        fn the_table_does_what_a_list_does(steps in proptest::collection::vec((0_u8..5, 0_u8..12), 1..200)) {
            let (mut flows, mut model) = (Flows::new(6, 1), Model::default());
            for (now, (what, key)) in steps.into_iter().enumerate() {
                let now = now as u64 * USES_NOTED_NS / 3;
                match what {
                    0 | 1 => {
                        let found = flows.touch(&key, now).map(|value| { *value += 1; *value });
                        let slot = model.0.iter_mut().find(|one| one.0 == key);
                        prop_assert_eq!(found, slot.map(|one| {
                            one.1 += 1;
                            one.2 = if now - one.2 >= USES_NOTED_NS { now } else { one.2 };
                            one.1
                        }));
                        if found.is_none() && !flows.is_full() {
                            flows.insert(key, 0, now);
                            model.0.push((key, 0, now, now));
                        }
                    }
                    2 => prop_assert_eq!(flows.pop_unused(), model.pop(|one| one.2)),
                    3 => prop_assert_eq!(flows.pop_oldest(), model.pop(|one| one.3)),
                    _ => {
                        let place = model.0.iter().position(|one| one.0 == key);
                        prop_assert_eq!(flows.remove(&key), place.map(|place| model.0.remove(place).1));
                    }
                }
                prop_assert_eq!(flows.len(), model.0.len());
            }
        }
    }

    #[test]
    fn only_what_is_due_is_taken_out() {
        let mut flows = Flows::new(4, 1);
        let [ten, twenty, thirty] = [10, 20, 30].map(|times| times * USES_NOTED_NS);
        flows.insert(1, 'a', ten);
        flows.insert(2, 'b', twenty);
        flows.touch(&1, thirty);
        assert_eq!(flows.pop_unused_since(twenty - 1), None);
        assert_eq!(flows.pop_unused_since(twenty), Some((2, 'b')));
        assert_eq!(flows.pop_begun_until(ten - 1), None);
        assert_eq!(flows.pop_begun_until(ten), Some((1, 'a')));
        assert_eq!((flows.pop_unused_since(u64::MAX), flows.len()), (None, 0));
    }
}
