//! Masks and matches with only the words that they touch: small to keep, cheap to hash and to compare.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::sight::Sight;
use tulle_flow::{KEY_WORDS, Key, Match};

/// The words of a mask that are not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackedMask {
    /// Bit i is set where word i of the key is touched.
    map: u64,
    words: Box<[u64]>,
}

impl PackedMask {
    /// Packs a mask.
    pub fn new(mask: &Key) -> PackedMask {
        let map = PackedMask::map_of(mask);
        PackedMask { map, words: places(map).map(|i| mask.words[i]).collect() }
    }

    /// Which words a mask touches: bit i for word i.
    pub fn map_of(mask: &Key) -> u64 {
        let touched = mask.words.iter().enumerate().map(|(i, word)| u64::from(*word != 0) << i);
        touched.fold(0, |map, bit| map | bit)
    }

    /// The mask in full.
    pub fn unpacked(&self) -> Key {
        self.unpack(&self.words)
    }

    /// The number of words that the mask touches.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// True where this is the packed form of a mask that touches the words of `map`.
    pub fn is(&self, map: u64, mask: &Key) -> bool {
        self.map == map && self.parts().all(|(i, word)| mask.words[i] == word)
    }

    /// True where the mask touches nothing.
    pub fn is_empty(&self) -> bool {
        self.map == 0
    }

    /// The touched words of a key, masked.
    pub fn values(&self, key: &Key) -> Box<[u64]> {
        self.parts().map(|(i, mask)| key.words[i] & mask).collect()
    }

    /// True where a key, seen through this mask, has these values.
    #[inline]
    pub fn matches(&self, key: &Key, values: &[u64]) -> bool {
        let mut difference = 0;
        for ((i, mask), value) in self.parts().zip(values) {
            difference |= (key.words[i] & mask) ^ value;
        }
        difference == 0
    }

    /// A hash of the touched words of a key.
    #[inline]
    pub fn hash_key(&self, key: &Key, seed: u64) -> u64 {
        let state = self.parts().fold(begin(seed), |state, (i, mask)| step(state, key.words[i] & mask));
        end(state)
    }

    /// Shows the first `count` touched words.
    #[inline]
    pub(crate) fn show(&self, count: usize, sight: &mut Sight<'_>) {
        self.parts().take(count).for_each(|(i, mask)| sight.show(i, mask));
    }

    /// True where this mask has all bits of another.
    pub fn includes(&self, other: &PackedMask) -> bool {
        if other.map & !self.map != 0 {
            return false;
        }
        let mut own = self.parts();
        let mut word_at = |place| own.find(|(i, _)| *i == place).map_or(0, |(_, mask)| mask);
        other.parts().all(|(i, mask)| mask & !word_at(i) == 0)
    }

    /// Touched words: place in the key, and mask.
    #[inline]
    pub(crate) fn parts(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        // As many words as set bits: one of the two is enough to end by.
        let mut left = self.map;
        self.words.iter().map(move |word| {
            let place = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            (place.min(KEY_WORDS - 1), *word)
        })
    }

    fn unpack(&self, values: &[u64]) -> Key {
        let mut key = Key::ZERO;
        for (i, value) in places(self.map).zip(values) {
            key.words[i] = *value;
        }
        key
    }
}

impl Hash for PackedMask {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(end(self.words.iter().fold(begin(self.map), |state, word| step(state, *word))));
    }
}

/// A match with only the words that it touches.  Matches with the same mask may share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedMatch {
    pub(crate) mask: Arc<PackedMask>,
    pub(crate) values: Box<[u64]>,
}

impl PackedMatch {
    /// Packs a match.
    pub fn new(matching: &Match) -> PackedMatch {
        let mask = Arc::new(PackedMask::new(matching.mask()));
        PackedMatch { values: mask.values(matching.key()), mask }
    }

    /// A match of what [`PackedMask::values`] gave.
    pub fn from_parts(mask: &Arc<PackedMask>, values: &[u64]) -> PackedMatch {
        PackedMatch { mask: Arc::clone(mask), values: values.into() }
    }

    /// The match in full.
    pub fn unpacked(&self) -> Match {
        Match::new(&self.mask.unpack(&self.values), &self.mask.unpacked())
    }

    /// The mask.
    pub fn mask(&self) -> &PackedMask {
        &self.mask
    }

    /// True where every packet of `other` fits this match too (OpenFlow's non-strict selection).
    pub fn contains(&self, other: &PackedMatch) -> bool {
        other.mask.includes(&self.mask) && self.agrees(&other.mask, &other.values)
    }

    /// True where some packet fits both matches.
    pub fn overlaps(&self, other: &PackedMatch) -> bool {
        self.agrees(&other.mask, &other.values)
    }

    /// True where no bit that both masks have differs.
    pub(crate) fn agrees(&self, mask: &PackedMask, values: &[u64]) -> bool {
        let mut others = mask.parts().zip(values).peekable();
        self.mask.parts().zip(&*self.values).all(|((place, own_mask), own)| {
            while others.next_if(|((other, _), _)| *other < place).is_some() {}
            let other = others.next_if(|((other, _), _)| *other == place);
            other.is_none_or(|((_, mask), value)| (own ^ value) & own_mask & mask == 0)
        })
    }
}

impl std::fmt::Display for PackedMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.unpacked().fmt(f)
    }
}

/// The set bits of a map, lowest first.
#[inline]
pub(crate) fn places(map: u64) -> impl Iterator<Item = usize> {
    let mut left = map;
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let place = left.trailing_zeros() as usize;
        left &= left - 1;
        // Never beyond a key: the map is made from one.
        Some(place.min(KEY_WORDS - 1))
    })
}

#[inline]
pub(crate) fn begin(seed: u64) -> u64 {
    seed ^ 0x9e37_79b9_7f4a_7c15
}

/// Folds the 128-bit product: every input bit reaches every output bit.
#[inline]
pub(crate) fn step(state: u64, word: u64) -> u64 {
    let value = state ^ word;
    let product = u128::from(value) * 0xa076_1d64_78bd_642f_u128;
    (product as u64) ^ ((product >> 64) as u64) ^ value.rotate_left(23)
}

#[inline]
pub(crate) fn end(state: u64) -> u64 {
    state ^ (state >> 29)
}
