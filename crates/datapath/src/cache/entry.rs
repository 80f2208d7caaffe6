//! Remembered verdicts by number, and which of them is to go when there is no place left.

use std::sync::Arc;

use super::Ledger;
use crate::tables::Credit;
use crate::verdict::Verdict;
use tulle_classifier::{MaskedKey, PackedMask};
use tulle_flow::Key;

/// More uses than this do not keep an entry longer.
const MOST_USES: u64 = 8;
/// How many entries are looked at, at most, to find one that is to go.
const MOST_STEPS: usize = 64;

/// Bits of a tally that hold the recent uses; the packets are above them.
const USES_BITS: u32 = 8;
const USES: u64 = (1 << USES_BITS) - 1;

/// A remembered verdict: all that a packet touches of its own, two cache lines; masks and verdicts are shared.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Entry {
    pub(super) mask: Arc<PackedMask>,
    pub(super) seen: MaskedKey,
    pub(super) verdict: Arc<Verdict>,
    /// When it was last known to be right.
    pub(super) version: u64,
    /// Packets not yet credited, and those of late, halved each time the entry was considered for going.
    tally: u64,
    bytes: u64,
    pub(super) used_ns: u64,
}

const _: () = assert!(size_of::<Option<Entry>>() == 128);

impl Entry {
    pub fn new(mask: Arc<PackedMask>, seen: MaskedKey, verdict: Arc<Verdict>, version: u64) -> Entry {
        Entry { mask, seen, verdict, version, tally: 0, bytes: 0, used_ns: 0 }
    }

    #[inline]
    pub fn holds(&self, key: &Key) -> bool {
        self.seen.is_of(key, &self.mask)
    }

    #[inline]
    pub fn count(&mut self, bytes: usize, now: u64) {
        self.tally += 1 << USES_BITS | u64::from(self.uses() < MOST_USES);
        self.bytes += bytes as u64;
        self.used_ns = self.used_ns.max(now);
    }

    fn uses(&self) -> u64 {
        self.tally & USES
    }

    /// True where packets have not been credited yet.
    #[inline]
    pub fn is_dirty(&self) -> bool {
        self.tally > USES
    }

    /// What packets have done that has not been credited yet.
    pub fn credit(&self) -> Credit {
        let Entry { bytes, used_ns, version, .. } = *self;
        Credit { packets: self.tally >> USES_BITS, bytes, used_ns, version }
    }

    pub fn credit_to(&mut self, ledger: &mut impl Ledger) {
        if self.is_dirty() {
            ledger.credit(&self.verdict, self.credit());
            (self.tally, self.bytes) = (self.uses(), 0);
        }
    }

    /// True where it is to stay, having been used; that counts half the next time.
    fn outlasts(&mut self) -> bool {
        let uses = self.uses();
        if uses > 1 {
            self.tally -= uses - uses / 2;
        }
        uses > 1
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
        self.get(number).is_some_and(|entry| entry.holds(key))
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
            if steps >= MOST_STEPS || !entry.outlasts() {
                return Some(self.hand as u32);
            }
        }
        // All there are have been considered once, and are fewer than the most steps.
        self.slots.iter().position(Option::is_some).map(|place| place as u32)
    }
}
