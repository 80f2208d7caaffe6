//! The entries of one mask.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::hashing::ShortIndex;
use crate::heads::{Head, Heads};
use crate::packed::{PackedMask, begin, end, step};
use crate::sight::Sight;
use crate::tries::{Check, Search, Tries, last_word, prefix_lengths};
use tulle_flow::{KEY_WORDS, Key};

/// Where the parts of a key end that are tried one after another: metadata and registers, layer 2, layer 3.
/// The last word of layer 3 also holds the ports, so layer 4 begins with it.
const STAGE_ENDS: [usize; 3] = [45, 50, 55];
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Entry<T> {
    priority: u16,
    is_clause: bool,
    /// The next entry with this hash; priorities fall.
    next: u32,
    value: T,
}

/// The first words of the mask, and how many entries have each hash over them (not counted for all words).
#[derive(Debug)]
struct Stage {
    words: usize,
    counts: ShortIndex<u32>,
    /// Prefixes that end in the words that this stage adds.
    checks: Vec<Check>,
}

/// An entry that covers a packet, and where to look for those behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Covering<T> {
    pub place: u32,
    pub priority: u16,
    pub is_clause: bool,
    pub value: T,
}

/// Entries that share a mask.
#[derive(Debug)]
pub(crate) struct Subtable<T> {
    mask: Arc<PackedMask>,
    seed: u64,
    stages: Vec<Stage>,
    /// First entries by hash of the masked key; entries of different values may share one.
    heads: Heads<T>,
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
            heads: Heads::new(),
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

    pub fn insert(&mut self, values: &[u64], priority: u16, is_clause: bool, value: T) -> (u32, Option<T>) {
        let hash = self.hash(values);
        if let Some((place, _)) = self.locate(hash, values, priority) {
            let entry = &mut self.entries[place as usize];
            entry.is_clause = is_clause;
            let replaced = std::mem::replace(&mut entry.value, value);
            if self.head(hash) == Some(place) {
                self.put_head(hash, place);
            }
            return (place, Some(replaced));
        }
        let place = self.allocate(values, Entry { priority, is_clause, next: NONE, value });
        self.link(hash, place, priority);
        self.count_stages(values, 1);
        *self.priorities.entry(priority).or_default() += 1;
        self.max_priority = self.max_priority.max(priority);
        (place, None)
    }

    pub fn remove(&mut self, values: &[u64], priority: u16) -> Option<(u32, T)> {
        let hash = self.hash(values);
        let (place, before) = self.locate(hash, values, priority)?;
        let Entry { next, value, .. } = self.entries[place as usize];
        match (before, next) {
            (Some(before), _) => self.entries[before as usize].next = next,
            (None, NONE) => self.heads.remove(hash),
            (None, _) => self.put_head(hash, next),
        }
        self.free.push(place);
        self.count_stages(values, u32::MAX);
        self.forget_priority(priority);
        Some((place, value))
    }

    pub fn find_exact(&self, values: &[u64], priority: u16) -> Option<T> {
        let (place, _) = self.locate(self.hash(values), values, priority)?;
        Some(self.entries[place as usize].value)
    }

    /// The entry of the highest priority that covers a packet.  Sets the bits looked at: the few that show that
    /// no entry has the packet's prefix, else those of the first stage that misses, else all of the mask's.
    #[inline]
    pub fn lookup(&self, search: &mut Search<'_>, sight: &mut Sight<'_>) -> Option<Covering<T>> {
        let mut state = begin(self.seed);
        let mut parts = self.mask.parts();
        let mut done = 0;
        for (i, stage) in self.stages.iter().enumerate() {
            // To walk a trie takes as long as several stages: what is not known yet is asked for after a miss.
            let mut checks = stage.checks.iter();
            if checks.any(|check| search.is_known(*check) && search.excludes(*check, sight)) {
                return None;
            }
            for (i, mask) in parts.by_ref().take(stage.words - done) {
                state = step(state, search.key.words[i] & mask);
            }
            done = stage.words;
            if done < self.mask.len() && !stage.counts.contains_key(&short(state)) {
                self.missed(i, search, sight);
                return None;
            }
        }
        let head = self.heads.get(short(state));
        let found = head.and_then(|head| self.covering_from(head, search.key));
        match found {
            Some(_) => self.mask.show(self.mask.len(), sight),
            None => self.missed(self.stages.len() - 1, search, sight),
        }
        found
    }

    /// Sets the bits that show that no entry covers the packet, where the stages up to this one find none.
    #[inline]
    fn missed(&self, stage: usize, search: &mut Search<'_>, sight: &mut Sight<'_>) {
        let mut checks = self.stages[..=stage].iter().flat_map(|stage| &stage.checks);
        if !checks.any(|check| search.excludes(*check, sight)) {
            self.mask.show(self.stages[stage].words, sight);
        }
    }

    /// The next entry that covers the packet, after one that does.
    pub fn next_covering(&self, place: u32, key: &Key) -> Option<Covering<T>> {
        self.first_covering(self.entries[place as usize].next, key)
    }

    /// As [`first_covering`](Self::first_covering), without a look at the first entry itself.
    #[inline]
    fn covering_from(&self, head: &Head<T>, key: &Key) -> Option<Covering<T>> {
        let Head { place, priority, is_clause, value, .. } = *head;
        if self.mask.matches(key, self.values_of(place)) {
            return Some(Covering { place, priority, is_clause, value });
        }
        self.next_covering(place, key)
    }

    #[inline]
    fn first_covering(&self, mut place: u32, key: &Key) -> Option<Covering<T>> {
        while place != NONE {
            let entry = &self.entries[place as usize];
            if self.mask.matches(key, self.values_of(place)) {
                let Entry { priority, is_clause, value, .. } = *entry;
                return Some(Covering { place, priority, is_clause, value });
            }
            place = entry.next;
        }
        None
    }

    /// Adds the prefixes of an entry to the tries.
    pub fn insert_prefixes(&self, key: &Key, tries: &mut Tries) {
        let checks = self.stages.iter().flat_map(|stage| &stage.checks);
        checks.for_each(|check| tries.insert(key, usize::from(check.trie), check.length));
    }

    /// Takes the prefixes of an entry away from the tries.
    pub fn remove_prefixes(&self, key: &Key, tries: &mut Tries) {
        let checks = self.stages.iter().flat_map(|stage| &stage.checks);
        checks.for_each(|check| tries.remove(key, usize::from(check.trie), check.length));
    }

    /// All entries: values, priority, value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u64], u16, T)> {
        self.heads.iter().flat_map(|head| self.chain(head.place)).map(|place| {
            let entry = &self.entries[place as usize];
            (self.values_of(place), entry.priority, entry.value)
        })
    }

    /// The entries with exactly these values.
    pub fn with_values(&self, values: &[u64]) -> impl Iterator<Item = (u16, T)> {
        let head = self.head(self.hash(values));
        let has_values = move |place: &u32| self.values_of(*place) == values;
        head.into_iter().flat_map(|head| self.chain(head)).filter(has_values).map(|place| {
            let entry = &self.entries[place as usize];
            (entry.priority, entry.value)
        })
    }

    fn head(&self, hash: u32) -> Option<u32> {
        self.heads.get(hash).map(|head| head.place)
    }

    /// Makes an entry the first of its hash.
    fn put_head(&mut self, hash: u32, place: u32) {
        let Entry { priority, is_clause, value, .. } = self.entries[place as usize];
        self.heads.put(Head { hash, place, value, priority, is_clause });
    }

    fn chain(&self, head: u32) -> impl Iterator<Item = u32> {
        let after = |place: &u32| Some(self.entries[*place as usize].next).filter(|next| *next != NONE);
        std::iter::successors(Some(head), after)
    }

    fn values_of(&self, place: u32) -> &[u64] {
        let width = self.mask.len();
        &self.values[place as usize * width..][..width]
    }

    fn hash(&self, values: &[u64]) -> u32 {
        short(values.iter().fold(begin(self.seed), |state, word| step(state, *word)))
    }

    /// The place of an entry, and of the one before it.
    fn locate(&self, hash: u32, values: &[u64], priority: u16) -> Option<(u32, Option<u32>)> {
        let mut before = None;
        for place in self.chain(self.head(hash)?) {
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
    fn link(&mut self, hash: u32, place: u32, priority: u16) {
        let Some(head) = self.head(hash) else { return self.put_head(hash, place) };
        let is_before = |at: &u32| self.entries[*at as usize].priority >= priority;
        match self.chain(head).take_while(is_before).last() {
            Some(before) => {
                self.entries[place as usize].next = self.entries[before as usize].next;
                self.entries[before as usize].next = place;
            }
            None => {
                self.entries[place as usize].next = head;
                self.put_head(hash, place);
            }
        }
    }

    /// Adds to the count of the hash of each stage; `u32::MAX` takes one away.
    fn count_stages(&mut self, values: &[u64], by: u32) {
        let width = self.mask.len();
        for stage in self.stages.iter_mut().filter(|stage| stage.words < width) {
            let hash = short(values[..stage.words].iter().fold(begin(self.seed), |s, word| step(s, *word)));
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

/// The hash that the words so far have.
#[inline]
fn short(state: u64) -> u32 {
    end(state) as u32
}

/// The stages: the shortened masks, each longer than the one before, and the whole.
fn stages(mask: &PackedMask) -> Vec<Stage> {
    let lengths = prefix_lengths(&mask.unpacked()).into_iter().enumerate();
    let checks = lengths.map(|(trie, length)| Check { trie: trie as u8, length });
    let checks: Vec<Check> = checks.filter(|check| check.length > 0).collect();
    let mut from = 0;
    let mut stages: Vec<Stage> = Vec::new();
    for limit in STAGE_ENDS.into_iter().chain([KEY_WORDS]) {
        let words = mask.parts().filter(|(place, _)| *place < limit).count();
        let before = stages.last().map_or(0, |stage| stage.words);
        if words > before || (limit == KEY_WORDS && stages.is_empty()) {
            let in_stage = |check: &&Check| (from..limit).contains(&last_word(usize::from(check.trie)));
            let checks = checks.iter().filter(in_stage).copied().collect();
            from = limit;
            stages.push(Stage { words, counts: ShortIndex::default(), checks });
        }
    }
    stages
}
