//! The search by mask: what one ingress port's packets have been found to depend on.
//!
//! Every verdict depends on the ingress port, so each port has masks of its own, and one port's masks never
//! slow the search for another's packets.  A port has a bounded number of masks: where it would need more, a mask
//! that is of little use makes place, or the verdict is remembered for exactly this packet.

use std::sync::Arc;

use tulle_classifier::PackedMask;
use tulle_classifier::hashing::HashIndex;
use tulle_flow::Key;

/// The most masks of one port, besides the exact one.
pub(super) const MASKS_PER_PORT: usize = 64;
/// A mask with more entries than this is not given up: it would take too long at once.
const SMALL: usize = 64;

/// Entries with the same mask.
#[derive(Debug)]
pub(super) struct Group {
    mask: Arc<PackedMask>,
    hits: u32,
    entries: HashIndex<u32>,
}

/// The masks of one port, more or less by falling use.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
}

impl Groups {
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// The entry that holds for a key.
    pub fn search(&mut self, key: &Key, seed: u64, is_right: impl Fn(u32) -> bool) -> Option<u32> {
        let find = |group: &Group| {
            let entry = *group.entries.get(&group.mask.hash_key(key, seed))?;
            is_right(entry).then_some(entry)
        };
        let (place, entry) = self.groups.iter().enumerate().find_map(|(i, group)| Some((i, find(group)?)))?;
        self.groups[place].hits = self.groups[place].hits.saturating_add(1);
        if place > 0 && self.groups[place].hits > self.groups[place - 1].hits {
            self.groups.swap(place, place - 1);
        }
        Some(entry)
    }

    /// The mask, shared with the group that has the same.
    pub fn shared(&self, mask: &Key) -> Option<Arc<PackedMask>> {
        let map = PackedMask::map_of(mask);
        self.groups.iter().find(|group| group.mask.is(map, mask)).map(|group| Arc::clone(&group.mask))
    }

    /// True where another mask is one too many.
    pub fn is_full(&self) -> bool {
        self.groups.len() >= MASKS_PER_PORT
    }

    /// The mask that matches the packet as a whole.
    pub fn exact(&self) -> Arc<PackedMask> {
        let exact = Key { words: [u64::MAX; tulle_flow::KEY_WORDS] };
        self.shared(&exact).unwrap_or_else(|| Arc::new(PackedMask::new(&exact)))
    }

    /// The entries of the mask that has been of least use, if there is one that is small.
    pub fn least_useful(&self) -> Option<Vec<u32>> {
        let small = self.groups.iter().filter(|group| group.entries.len() <= SMALL);
        small.min_by_key(|group| group.hits).map(|group| group.entries.values().copied().collect())
    }

    /// Adds an entry; gives the one whose place it takes.
    pub fn insert(&mut self, mask: &Arc<PackedMask>, hash: u64, entry: u32) -> Option<u32> {
        let place = self.place(mask).unwrap_or_else(|| {
            self.groups.push(Group { mask: Arc::clone(mask), hits: 0, entries: HashIndex::default() });
            self.groups.len() - 1
        });
        self.groups[place].entries.insert(hash, entry)
    }

    /// Removes an entry, and its mask with the last one.
    pub fn remove(&mut self, mask: &Arc<PackedMask>, hash: u64, entry: u32) {
        let Some(place) = self.place(mask) else { return };
        let entries = &mut self.groups[place].entries;
        if entries.get(&hash) == Some(&entry) {
            entries.remove(&hash);
        }
        if entries.is_empty() {
            self.groups.remove(place);
        }
    }

    /// Lets past use count half.
    pub fn age(&mut self) {
        self.groups.iter_mut().for_each(|group| group.hits /= 2);
    }

    fn place(&self, mask: &Arc<PackedMask>) -> Option<usize> {
        self.groups.iter().position(|group| Arc::ptr_eq(&group.mask, mask))
    }
}
