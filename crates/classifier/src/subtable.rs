//! The entries of one mask.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::hashing::HashIndex;
use crate::packed::{PackedMask, begin, end, step};
use tulle_flow::Key;

/// Where the parts of a key end that are tried one after another: metadata and registers, layer 2, layer 3.
/// The last word of layer 3 also holds the ports, so layer 4 begins with it.
const STAGE_ENDS: [usize; 3] = [28, 33, 38];
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Entry<T> {
    priority: u16,
    /// The next entry with this hash; priorities fall.
    next: u32,
    value: T,
}

/// The first words of the mask, and how many entries have each hash over them.
#[derive(Debug)]
struct Stage {
    words: usize,
    counts: HashIndex<u32>,
}

/// Entries that share a mask.
#[derive(Debug)]
pub(crate) struct Subtable<T> {
    mask: Arc<PackedMask>,
    seed: u64,
    stages: Vec<Stage>,
    /// First entries by hash of the masked key.
    heads: HashIndex<u32>,
    entries: Vec<Entry<T>>,
    /// The values of each entry, `mask.len()` words each.
    values: Vec<u64>,
    free: Vec<u32>,
    /// How many entries have each priority.
    priorities: BTreeMap<u16, u32>,
    max_priority: u16,
}

impl<T: Copy> Subtable<T> {
    pub fn new(mask: Arc<PackedMask>, seed: u64) -> Self {
        Subtable {
            stages: stages(&mask),
            mask,
            seed,
            heads: HashIndex::default(),
            entries: Vec::new(),
            values: Vec::new(),
            free: Vec::new(),
            priorities: BTreeMap::new(),
            max_priority: 0,
        }
    }

    pub fn mask(&self) -> &Arc<PackedMask> {
        &self.mask
    }

    pub fn max_priority(&self) -> u16 {
        self.max_priority
    }

    pub fn is_empty(&self) -> bool {
        self.priorities.is_empty()
    }

    pub fn insert(&mut self, values: &[u64], priority: u16, value: T) -> Option<T> {
        let hash = self.hash(values);
        if let Some((place, _)) = self.locate(hash, values, priority) {
            return Some(std::mem::replace(&mut self.entries[place as usize].value, value));
        }
        let place = self.allocate(values, Entry { priority, next: NONE, value });
        self.link(hash, place, priority);
        self.count_stages(values, 1);
        *self.priorities.entry(priority).or_default() += 1;
        self.max_priority = self.max_priority.max(priority);
        None
    }

    pub fn remove(&mut self, values: &[u64], priority: u16) -> Option<T> {
        let hash = self.hash(values);
        let (place, before) = self.locate(hash, values, priority)?;
        let Entry { next, value, .. } = self.entries[place as usize];
        match (before, next) {
            (Some(before), _) => self.entries[before as usize].next = next,
            (None, NONE) => drop(self.heads.remove(&hash)),
            (None, _) => drop(self.heads.insert(hash, next)),
        }
        self.free.push(place);
        self.count_stages(values, u32::MAX);
        self.forget_priority(priority);
        Some(value)
    }

    pub fn find_exact(&self, values: &[u64], priority: u16) -> Option<T> {
        let (place, _) = self.locate(self.hash(values), values, priority)?;
        Some(self.entries[place as usize].value)
    }

    /// The best entry that covers `key`.  Sets the bits looked at, which are those of the first stage that misses.
    #[inline]
    pub fn lookup(&self, key: &Key, looked_at: &mut Key) -> Option<(u16, T)> {
        let (mut state, mut done) = (begin(self.seed), 0);
        let mut parts = self.mask.parts();
        for stage in &self.stages {
            while done < stage.words {
                let (i, mask) = parts.next()?;
                state = step(state, key.words[i] & mask);
                done += 1;
            }
            if !stage.counts.contains_key(&end(state)) {
                self.mask.merge_first(stage.words, looked_at);
                return None;
            }
        }
        for (i, mask) in parts {
            state = step(state, key.words[i] & mask);
        }
        self.mask.merge(looked_at);
        let mut place = *self.heads.get(&end(state))?;
        while !self.mask.matches(key, self.values_of(place)) {
            place = self.entries[place as usize].next;
            if place == NONE {
                return None;
            }
        }
        let entry = &self.entries[place as usize];
        Some((entry.priority, entry.value))
    }

    /// All entries: values, priority, value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u64], u16, T)> {
        self.heads.values().flat_map(|head| self.chain(*head)).map(|place| {
            let entry = &self.entries[place as usize];
            (self.values_of(place), entry.priority, entry.value)
        })
    }

    /// The entries with exactly these values.
    pub fn with_values(&self, values: &[u64]) -> impl Iterator<Item = (u16, T)> {
        let head = self.heads.get(&self.hash(values)).copied();
        let has_values = move |place: &u32| self.values_of(*place) == values;
        head.into_iter().flat_map(|head| self.chain(head)).filter(has_values).map(|place| {
            let entry = &self.entries[place as usize];
            (entry.priority, entry.value)
        })
    }

    fn chain(&self, head: u32) -> impl Iterator<Item = u32> {
        let after = |place: &u32| Some(self.entries[*place as usize].next).filter(|next| *next != NONE);
        std::iter::successors(Some(head), after)
    }

    fn values_of(&self, place: u32) -> &[u64] {
        let width = self.mask.len();
        &self.values[place as usize * width..][..width]
    }

    fn hash(&self, values: &[u64]) -> u64 {
        end(values.iter().fold(begin(self.seed), |state, word| step(state, *word)))
    }

    /// The place of an entry, and of the one before it.
    fn locate(&self, hash: u64, values: &[u64], priority: u16) -> Option<(u32, Option<u32>)> {
        let mut before = None;
        for place in self.chain(*self.heads.get(&hash)?) {
            if self.entries[place as usize].priority == priority && self.values_of(place) == values {
                return Some((place, before));
            }
            before = Some(place);
        }
        None
    }

    fn allocate(&mut self, values: &[u64], entry: Entry<T>) -> u32 {
        if let Some(place) = self.free.pop() {
            self.entries[place as usize] = entry;
            let start = place as usize * values.len();
            self.values[start..start + values.len()].copy_from_slice(values);
            return place;
        }
        self.entries.push(entry);
        self.values.extend_from_slice(values);
        (self.entries.len() - 1) as u32
    }

    /// Puts an entry into the chain of its hash, behind those of the same and higher priorities.
    fn link(&mut self, hash: u64, place: u32, priority: u16) {
        let head = *self.heads.entry(hash).or_insert(place);
        if head == place {
            return;
        }
        let is_before = |at: &u32| self.entries[*at as usize].priority >= priority;
        match self.chain(head).take_while(is_before).last() {
            Some(before) => {
                self.entries[place as usize].next = self.entries[before as usize].next;
                self.entries[before as usize].next = place;
            }
            None => {
                self.entries[place as usize].next = head;
                self.heads.insert(hash, place);
            }
        }
    }

    /// Adds to the count of the hash of each stage; `u32::MAX` takes one away.
    fn count_stages(&mut self, values: &[u64], by: u32) {
        for stage in &mut self.stages {
            let hash = end(values[..stage.words].iter().fold(begin(self.seed), |s, word| step(s, *word)));
            let count = stage.counts.entry(hash).or_default();
            *count = count.wrapping_add(by);
            if *count == 0 {
                stage.counts.remove(&hash);
            }
        }
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
}

/// The shortened masks, each longer than the one before and shorter than the whole.
fn stages(mask: &PackedMask) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for limit in STAGE_ENDS {
        let words = mask.parts().filter(|(place, _)| *place < limit).count();
        let before = stages.last().map_or(0, |stage| stage.words);
        if words > before && words < mask.len() {
            stages.push(Stage { words, counts: HashIndex::default() });
        }
    }
    stages
}
