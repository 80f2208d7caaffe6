//! The entries of one mask.

use std::collections::BTreeMap;

use crate::hashing::HashIndex;
use tulle_flow::{KEY_WORDS, Key, Match};

/// Where the parts of a key end that are tried one after another: metadata and registers, layer 2, layer 3.
/// The last word of layer 3 also holds the ports, so layer 4 begins with it.
const STAGE_ENDS: [usize; 3] = [28, 33, 38];

#[derive(Debug)]
struct Entry<T> {
    matching: Match,
    priority: u16,
    value: T,
}

/// A shortened mask, and how many entries have each hash under it.
#[derive(Debug)]
struct Stage {
    mask: Key,
    counts: HashIndex<u32>,
}

/// Entries that share a mask.
#[derive(Debug)]
pub(crate) struct Subtable<T> {
    mask: Key,
    seed: u64,
    stages: Vec<Stage>,
    /// Entries by hash of the masked key, each list by falling priority.
    buckets: HashIndex<Vec<Entry<T>>>,
    /// How many entries have each priority.
    priorities: BTreeMap<u16, u32>,
    max_priority: u16,
}

impl<T> Subtable<T> {
    pub fn new(mask: Key, seed: u64) -> Self {
        let (buckets, priorities) = (HashIndex::default(), BTreeMap::new());
        Subtable { mask, seed, stages: stages(&mask), buckets, priorities, max_priority: 0 }
    }

    pub fn mask(&self) -> &Key {
        &self.mask
    }

    pub fn max_priority(&self) -> u16 {
        self.max_priority
    }

    pub fn is_empty(&self) -> bool {
        self.priorities.is_empty()
    }

    pub fn insert(&mut self, matching: &Match, priority: u16, value: T) -> Option<T> {
        let bucket = self.buckets.entry(matching.key().hash_masked(&self.mask, self.seed)).or_default();
        if let Some(entry) = bucket.iter_mut().find(|entry| entry.is_at(matching, priority)) {
            return Some(std::mem::replace(&mut entry.value, value));
        }
        let place = bucket.partition_point(|entry| entry.priority >= priority);
        bucket.insert(place, Entry { matching: *matching, priority, value });
        for stage in &mut self.stages {
            *stage.counts.entry(matching.key().hash_masked(&stage.mask, self.seed)).or_default() += 1;
        }
        *self.priorities.entry(priority).or_default() += 1;
        self.max_priority = self.max_priority.max(priority);
        None
    }

    pub fn remove(&mut self, matching: &Match, priority: u16) -> Option<T> {
        let hash = matching.key().hash_masked(&self.mask, self.seed);
        let bucket = self.buckets.get_mut(&hash)?;
        let place = bucket.iter().position(|entry| entry.is_at(matching, priority))?;
        let entry = bucket.remove(place);
        if bucket.is_empty() {
            self.buckets.remove(&hash);
        }
        for stage in &mut self.stages {
            release(&mut stage.counts, matching.key().hash_masked(&stage.mask, self.seed));
        }
        self.forget_priority(priority);
        Some(entry.value)
    }

    fn forget_priority(&mut self, priority: u16) {
        if let Some(count) = self.priorities.get_mut(&priority) {
            *count -= 1;
            if *count == 0 {
                self.priorities.remove(&priority);
            }
        }
        self.max_priority = self.priorities.last_key_value().map_or(0, |(priority, _)| *priority);
    }

    pub fn find_exact(&self, matching: &Match, priority: u16) -> Option<&T> {
        let bucket = self.buckets.get(&matching.key().hash_masked(&self.mask, self.seed))?;
        bucket.iter().find(|entry| entry.is_at(matching, priority)).map(|entry| &entry.value)
    }

    /// The best entry that covers `key`.  Sets the bits looked at, which are those of the first stage that misses.
    #[inline]
    pub fn lookup(&self, key: &Key, looked_at: &mut Key) -> Option<(u16, &T)> {
        for stage in &self.stages {
            if !stage.counts.contains_key(&key.hash_masked(&stage.mask, self.seed)) {
                looked_at.merge(&stage.mask);
                return None;
            }
        }
        looked_at.merge(&self.mask);
        let bucket = self.buckets.get(&key.hash_masked(&self.mask, self.seed))?;
        let entry = bucket.iter().find(|entry| entry.matching.covers(key))?;
        Some((entry.priority, &entry.value))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Match, u16, &T)> {
        self.buckets.values().flatten().map(|entry| (&entry.matching, entry.priority, &entry.value))
    }
}

impl<T> Entry<T> {
    fn is_at(&self, matching: &Match, priority: u16) -> bool {
        self.priority == priority && self.matching == *matching
    }
}

fn release(counts: &mut HashIndex<u32>, hash: u64) {
    if let Some(count) = counts.get_mut(&hash) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&hash);
        }
    }
}

/// The shortened masks, each longer than the one before and shorter than the whole.
fn stages(mask: &Key) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut before = Key::ZERO;
    for end in STAGE_ENDS {
        let mut shortened = Key::ZERO;
        shortened.words[..end].copy_from_slice(&mask.words[..end]);
        if shortened != before && shortened != *mask {
            stages.push(Stage { mask: shortened, counts: HashIndex::default() });
        }
        before = shortened;
    }
    debug_assert!(STAGE_ENDS[2] < KEY_WORDS);
    stages
}
