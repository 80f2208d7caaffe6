//! Remembers verdicts: a table of hints by packet hash in front of a search by mask.
//!
//! A hint is never trusted: the verdict's own mask and key decide.  So a lookup gives a right verdict or none.
//! Who owns the cache must flush it before the tables or ports change, and credit what it returns.

mod hashing;

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::tables::{Credit, Tables};
use crate::verdict::Verdict;
use hashing::PassThrough;

use tulle_flow::{Key, Match};

/// The most verdicts remembered.
pub const MAX_ENTRIES: usize = 200_000;
/// The most operations in all verdicts together.
const MAX_OPS: usize = 4_000_000;
/// A verdict that no packet has used for this long is forgotten.
const IDLE_NS: u64 = 10_000_000_000;

/// Hints: pairs of slots.
const HINT_PAIRS: usize = 4096;
const NO_ENTRY: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Entry {
    key: Key,
    pub verdict: Verdict,
    credit: Credit,
}

#[derive(Clone, Copy, Debug)]
struct Hint {
    tag: u32,
    entry: u32,
}

const NO_HINT: Hint = Hint { tag: 0, entry: NO_ENTRY };

#[derive(Debug)]
struct Group {
    mask: Key,
    entries: HashMap<u64, u32, BuildHasherDefault<PassThrough>>,
}

/// Verdicts by key and mask.
#[derive(Debug)]
pub(crate) struct Cache {
    seed: u64,
    limit: usize,
    hints: Box<[[Hint; 2]]>,
    groups: Vec<Group>,
    entries: Vec<Entry>,
    ops: usize,
}

impl Cache {
    pub fn new(seed: u64, limit: usize) -> Self {
        let hints = vec![[NO_HINT; 2]; HINT_PAIRS].into();
        Cache { seed, limit, hints, groups: Vec::new(), entries: Vec::new(), ops: 0 }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number of different masks.
    pub fn mask_count(&self) -> usize {
        self.groups.len()
    }

    /// The number of the verdict for a packet, if it is remembered.
    #[inline]
    pub fn find(&mut self, key: &Key) -> Option<usize> {
        let hash = hashing::ingress_hash(key, self.seed);
        let tag = (hash >> 32) as u32;
        let pair = &self.hints[hash as usize % HINT_PAIRS];
        let is_right = |hint: &&Hint| hint.tag == tag && self.holds(hint.entry, key);
        if let Some(hint) = pair.iter().find(is_right) {
            return Some(hint.entry as usize);
        }
        let found = self.search(key)?;
        self.hint(hash, found);
        Some(found as usize)
    }

    #[inline]
    fn holds(&self, entry: u32, key: &Key) -> bool {
        let entry = self.entries.get(entry as usize);
        entry.is_some_and(|entry| key.matches(&entry.key, &entry.verdict.mask))
    }

    fn search(&self, key: &Key) -> Option<u32> {
        self.groups.iter().find_map(|group| {
            let index = *group.entries.get(&key.hash_masked(&group.mask, self.seed))?;
            key.matches(&self.entries[index as usize].key, &group.mask).then_some(index)
        })
    }

    /// Puts a hint first in its pair; the older of the two others goes.
    fn hint(&mut self, hash: u64, entry: u32) {
        let pair = &mut self.hints[hash as usize % HINT_PAIRS];
        pair[1] = pair[0];
        pair[0] = Hint { tag: (hash >> 32) as u32, entry };
    }

    /// Remembers a verdict and gives its number.  There must be [room](Self::is_full).
    pub fn insert(&mut self, key: &Key, verdict: Verdict) -> usize {
        let mask = verdict.mask;
        let index = self.entries.len() as u32;
        let hash = key.hash_masked(&mask, self.seed);
        self.group(&mask).entries.insert(hash, index);
        self.hint(hashing::ingress_hash(key, self.seed), index);
        self.ops += verdict.ops.len();
        self.entries.push(Entry { key: key.masked(&mask), verdict, credit: Credit::default() });
        index as usize
    }

    fn group(&mut self, mask: &Key) -> &mut Group {
        let place = self.groups.iter().position(|group| group.mask == *mask).unwrap_or_else(|| {
            self.groups.push(Group { mask: *mask, entries: HashMap::default() });
            self.groups.len() - 1
        });
        &mut self.groups[place]
    }

    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.limit || self.ops >= MAX_OPS
    }

    /// Counts a packet and gives its verdict.
    #[inline]
    pub fn count(&mut self, index: usize, bytes: usize, now: u64) -> &Verdict {
        let entry = &mut self.entries[index];
        entry.credit.packets += 1;
        entry.credit.bytes += bytes as u64;
        entry.credit.used_ns = entry.credit.used_ns.max(now);
        &entry.verdict
    }

    /// A line for people about each verdict: match, packets and bytes not yet credited, operations.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.entries.iter().map(|entry| {
            let matching = Match::new(&entry.key, &entry.verdict.mask);
            let Credit { packets, bytes, .. } = entry.credit;
            let ops: Vec<String> = entry.verdict.ops.iter().map(ToString::to_string).collect();
            format!("{matching}, recent_packets:{packets}, recent_bytes:{bytes}, actions:{}", ops.join(","))
        })
    }

    /// Tells the rules what their packets have done since the last time.
    pub fn credit(&mut self, tables: &mut Tables) {
        for entry in &mut self.entries {
            if entry.credit.packets > 0 {
                tables.credit(&entry.verdict.rules, &entry.verdict.tables, entry.credit);
                (entry.credit.packets, entry.credit.bytes) = (0, 0);
            }
        }
    }

    /// Credits and forgets all verdicts.
    pub fn flush(&mut self, tables: &mut Tables) {
        if self.entries.is_empty() {
            return;
        }
        self.credit(tables);
        self.entries.clear();
        self.groups.clear();
        self.hints.fill([NO_HINT; 2]);
        self.ops = 0;
    }

    /// Credits all verdicts and forgets the idle ones.
    pub fn sweep(&mut self, tables: &mut Tables, now: u64) {
        self.credit(tables);
        let is_idle = |entry: &Entry| now.saturating_sub(entry.credit.used_ns) >= IDLE_NS;
        if !self.entries.iter().any(is_idle) {
            return;
        }
        let kept: Vec<_> = std::mem::take(&mut self.entries).into_iter().filter(|e| !is_idle(e)).collect();
        self.flush_empty();
        for entry in kept {
            let credit = entry.credit;
            let index = self.insert(&entry.key, entry.verdict);
            self.entries[index].credit = credit;
        }
    }

    fn flush_empty(&mut self) {
        self.groups.clear();
        self.hints.fill([NO_HINT; 2]);
        self.ops = 0;
    }
}
