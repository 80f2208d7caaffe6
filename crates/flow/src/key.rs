//! The flow key: every field of one packet, in 62 words, cheap to mask, compare and hash.

use crate::field::Field;

/// Words in a key.
pub const KEY_WORDS: usize = 62;

/// The fields of one packet, or a mask over them (a set bit means "looked at").
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The words; [`Field`] says what lies where.
    pub words: [u64; KEY_WORDS],
}

impl Key {
    /// All bits clear.
    pub const ZERO: Key = Key { words: [0; KEY_WORDS] };

    /// The value of a field.
    #[inline]
    pub fn field(&self, field: Field) -> u128 {
        let spec = field.spec();
        let word = spec.word as usize;
        if spec.bits == 128 {
            return (u128::from(self.words[word]) << 64) | u128::from(self.words[word + 1]);
        }
        u128::from((self.words[word] >> spec.shift) & word_ones(spec.bits))
    }

    /// Sets a field; bits beyond its width are cut off.
    #[inline]
    pub fn set(&mut self, field: Field, value: u128) {
        let spec = field.spec();
        let word = spec.word as usize;
        if spec.bits == 128 {
            self.words[word] = (value >> 64) as u64;
            self.words[word + 1] = value as u64;
            return;
        }
        let ones = word_ones(spec.bits);
        let slot = &mut self.words[word];
        *slot = (*slot & !(ones << spec.shift)) | ((value as u64 & ones) << spec.shift);
    }

    /// Sets all bits of a field.
    #[inline]
    pub fn set_all(&mut self, field: Field) {
        self.set(field, u128::MAX);
    }

    /// The key with only the bits of `mask` kept.
    #[inline]
    pub fn masked(&self, mask: &Key) -> Key {
        let mut out = Key::ZERO;
        for (slot, (word, mask)) in out.words.iter_mut().zip(self.words.iter().zip(&mask.words)) {
            *slot = word & mask;
        }
        out
    }

    /// True where this key, seen through `mask`, is `expected` (which must already be masked).
    #[inline]
    pub fn matches(&self, expected: &Key, mask: &Key) -> bool {
        let mut difference = 0;
        for i in 0..KEY_WORDS {
            difference |= (self.words[i] & mask.words[i]) ^ expected.words[i];
        }
        difference == 0
    }

    /// Adds the bits of another mask to this one.
    #[inline]
    pub fn merge(&mut self, other: &Key) {
        for (slot, word) in self.words.iter_mut().zip(&other.words) {
            *slot |= word;
        }
    }

    /// A hash of the whole key.  Seeded, so that a tenant cannot aim at one bucket.
    #[inline]
    pub fn hash(&self, seed: u64) -> u64 {
        let mut hash = seed ^ 0x9e37_79b9_7f4a_7c15;
        for word in &self.words {
            hash = mix(hash ^ word);
        }
        hash ^ (hash >> 29)
    }

    /// The hash of `self.masked(mask)`, leaving out words that the mask does not touch.
    #[inline]
    pub fn hash_masked(&self, mask: &Key, seed: u64) -> u64 {
        let mut hash = seed ^ 0x9e37_79b9_7f4a_7c15;
        for i in 0..KEY_WORDS {
            if mask.words[i] != 0 {
                hash = mix(hash ^ (self.words[i] & mask.words[i]));
            }
        }
        hash ^ (hash >> 29)
    }
}

/// Folds the 128-bit product: every input bit reaches every output bit.
#[inline]
fn mix(value: u64) -> u64 {
    let product = u128::from(value) * 0xa076_1d64_78bd_642f_u128;
    (product as u64) ^ ((product >> 64) as u64) ^ value.rotate_left(23)
}

#[inline]
fn word_ones(bits: u8) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = f.debug_map();
        for (i, word) in self.words.iter().enumerate().filter(|(_, word)| **word != 0) {
            map.entry(&i, &format_args!("{word:#018x}"));
        }
        map.finish()
    }
}
