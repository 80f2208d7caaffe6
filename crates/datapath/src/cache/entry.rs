//! Remembered verdicts by number, and which of them is to go when there is no place left.

use std::sync::Arc;

use super::Ledger;
use crate::tables::Credit;
use crate::verdict::Verdict;
use tulle_classifier::PackedMask;
use tulle_flow::Key;

/// More uses than this do not keep an entry longer.
const MOST_USES: u8 = 8;
/// How many entries are looked at, at most, to find one that is to go.
const MOST_STEPS: usize = 64;

/// A remembered verdict.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) mask: Arc<PackedMask>,
    pub(super) values: Box<[u64]>,
    pub(super) verdict: Verdict,
    pub(super) credit: Credit,
    /// When it was last known to be right.
    pub(super) version: u64,
    pub(super) hash: u64,
    pub(super) port: u64,
    /// Packets of late, halved each time the entry was considered for going.
    pub(super) uses: u8,
}

impl Entry {
    #[inline]
    pub fn count(&mut self, bytes: usize, now: u64) {
        self.credit.packets += 1;
        self.credit.bytes += bytes as u64;
        self.credit.used_ns = self.credit.used_ns.max(now);
        self.uses = (self.uses + 1).min(MOST_USES);
    }

    pub fn credit_to(&mut self, ledger: &mut impl Ledger) {
        if self.credit.packets > 0 {
            ledger.credit(&self.verdict, Credit { version: self.version, ..self.credit });
            (self.credit.packets, self.credit.bytes) = (0, 0);
        }
    }
}

/// Entries by number; numbers are used again.
#[derive(Debug, Default)]
pub(super) struct Entries {
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    hand: usize,
}

impl Entries {
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub fn get(&self, number: u32) -> Option<&Entry> {
        self.slots.get(number as usize)?.as_ref()
    }

    #[inline]
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Entry> {
        self.slots.get_mut(number as usize)?.as_mut()
    }

    #[inline]
    pub fn holds(&self, number: u32, key: &Key) -> bool {
        self.get(number).is_some_and(|entry| entry.mask.matches(key, &entry.values))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flatten()
    }

    pub fn insert(&mut self, entry: Entry) -> u32 {
        if let Some(number) = self.free.pop() {
            self.slots[number as usize] = Some(entry);
            return number;
        }
        self.slots.push(Some(entry));
        (self.slots.len() - 1) as u32
    }

    pub fn remove(&mut self, number: u32) -> Option<Entry> {
        let removed = self.slots.get_mut(number as usize)?.take();
        if removed.is_some() {
            self.free.push(number);
        }
        removed
    }

    /// The entry that is to go next: one that few packets have used since it was last considered.
    pub fn victim(&mut self) -> Option<u32> {
        let mut steps = 0;
        for _ in 0..self.slots.len() {
            self.hand = if self.hand + 1 < self.slots.len() { self.hand + 1 } else { 0 };
            let Some(entry) = &mut self.slots[self.hand] else { continue };
            steps += 1;
            if entry.uses <= 1 || steps >= MOST_STEPS {
                return Some(self.hand as u32);
            }
            entry.uses /= 2;
        }
        // All there are have been considered once, and are fewer than the most steps.
        self.slots.iter().position(Option::is_some).map(|place| place as u32)
    }
}
