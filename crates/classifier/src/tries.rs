//! The prefixes of addresses and ports that the entries of a classifier look at.
//!
//! They tell for many masks at once that none of their entries can cover a packet, and by how few bits that is seen.

use crate::sight::Sight;
use crate::trie::{Prefixes, Trie};
use tulle_flow::Key;

/// IPv4 source and destination (and the ARP addresses in their place), source and destination port, IPv6 source and
/// destination.
pub(crate) const TRIES: usize = 6;
/// Of these, how many hold at most 32 bits.
const NARROW: usize = 4;
/// Word and lowest bit of a narrow field, and its bits.
const NARROW_PLACES: [(usize, u32, u32); NARROW] = [(50, 32, 32), (50, 0, 32), (55, 16, 16), (55, 0, 16)];
/// First word of a wide field.
const WIDE_PLACES: [usize; TRIES - NARROW] = [51, 53];

/// The last word of the key that holds bits of a trie's field.
pub(crate) fn last_word(trie: usize) -> usize {
    if trie < NARROW { NARROW_PLACES[trie].0 } else { WIDE_PLACES[trie - NARROW] + 1 }
}

/// How many leading bits of each trie's field a mask has.
pub(crate) fn prefix_lengths(mask: &Key) -> [u8; TRIES] {
    std::array::from_fn(|trie| prefix_length(mask, trie))
}

/// How many leading bits of a trie's field a mask has.
fn prefix_length(mask: &Key, trie: usize) -> u8 {
    let ones =
        if trie < NARROW { narrow(mask, trie).leading_ones() } else { wide(mask, trie).leading_ones() };
    ones as u8
}

#[inline]
fn narrow(key: &Key, trie: usize) -> u32 {
    let (word, shift, bits) = NARROW_PLACES[trie];
    ((key.words[word] >> shift) as u32) << (32 - bits)
}

#[inline]
fn wide(key: &Key, trie: usize) -> u128 {
    let word = WIDE_PLACES[trie - NARROW];
    (u128::from(key.words[word]) << 64) | u128::from(key.words[word + 1])
}

/// One trie a field.
#[derive(Debug)]
pub(crate) struct Tries {
    narrow: [Trie<u32>; NARROW],
    wide: [Trie<u128>; TRIES - NARROW],
}

impl Tries {
    pub fn new() -> Self {
        Tries { narrow: std::array::from_fn(|_| Trie::new()), wide: std::array::from_fn(|_| Trie::new()) }
    }

    /// Adds the prefix of an entry.
    pub fn insert(&mut self, key: &Key, trie: usize, length: u8) {
        if trie < NARROW {
            self.narrow[trie].insert(narrow(key, trie) & (u32::MAX << (32 - length)), length);
        } else {
            self.wide[trie - NARROW].insert(wide(key, trie) & (u128::MAX << (128 - length)), length);
        }
    }

    /// Takes the prefix of an entry away.
    pub fn remove(&mut self, key: &Key, trie: usize, length: u8) {
        if trie < NARROW {
            self.narrow[trie].remove(narrow(key, trie) & (u32::MAX << (32 - length)), length);
        } else {
            self.wide[trie - NARROW].remove(wide(key, trie) & (u128::MAX << (128 - length)), length);
        }
    }

    fn find(&self, key: &Key, trie: usize) -> Prefixes {
        if trie < NARROW {
            self.narrow[trie].find(narrow(key, trie))
        } else {
            self.wide[trie - NARROW].find(wide(key, trie))
        }
    }
}

/// What the tries know of one packet, found out when first asked for.
pub(crate) struct Search<'a> {
    pub key: &'a Key,
    tries: &'a Tries,
    found: [Prefixes; TRIES],
    is_known: [bool; TRIES],
    /// How many leading bits of each field have been looked at already.
    shown: [u8; TRIES],
}

/// A prefix that all entries of a mask have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    pub trie: u8,
    pub length: u8,
}

impl<'a> Search<'a> {
    #[inline]
    pub fn new(key: &'a Key, tries: &'a Tries) -> Self {
        let (found, is_known) = ([Prefixes::default(); TRIES], [false; TRIES]);
        Search { key, tries, found, is_known, shown: [0; TRIES] }
    }

    #[inline]
    pub fn is_known(&self, check: Check) -> bool {
        self.is_known[usize::from(check.trie)]
    }

    /// True where no entry at all has the packet's prefix of this length; then sets the bits that show it.
    #[inline]
    pub fn excludes(&mut self, check: Check, sight: &mut Sight<'_>) -> bool {
        let trie = usize::from(check.trie);
        if !self.is_known[trie] {
            (self.found[trie], self.is_known[trie]) = (self.tries.find(self.key, trie), true);
        }
        let Prefixes { lengths, needed } = self.found[trie];
        if lengths >> (check.length - 1) & 1 == 1 {
            return false;
        }
        let bits = needed.min(check.length);
        if bits > self.shown[trie] {
            self.shown[trie] = bits;
            look_at_prefix(sight, trie, bits);
        }
        true
    }

    /// True where what has been looked at already shows that no entry has all prefixes of these lengths.
    #[inline]
    pub fn has_excluded(&self, lengths: &[u8; TRIES]) -> bool {
        (0..TRIES).any(|trie| {
            let (length, Prefixes { lengths: present, needed }) = (lengths[trie], self.found[trie]);
            length > 0
                && self.is_known[trie]
                && self.shown[trie] >= needed.min(length)
                && present >> (length - 1) & 1 == 0
        })
    }
}

/// Sets the first `length` bits of a field; there is at least one.
fn look_at_prefix(sight: &mut Sight<'_>, trie: usize, length: u8) {
    if length == 0 {
        return;
    }
    if trie < NARROW {
        let (word, shift, bits) = NARROW_PLACES[trie];
        let mask = (u32::MAX << (32 - length)) >> (32 - bits);
        sight.show(word, u64::from(mask) << shift);
    } else {
        let (word, mask) = (WIDE_PLACES[trie - NARROW], u128::MAX << (128 - length));
        sight.show(word, (mask >> 64) as u64);
        sight.show(word + 1, mask as u64);
    }
}
