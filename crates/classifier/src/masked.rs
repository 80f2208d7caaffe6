//! A key seen through a mask, in as little memory as it can be compared from.

use crate::packed::{PackedMask, places};
use tulle_flow::Key;

/// Words that lie in the value itself, so that it and what stands beside it fill two cache lines.
const FEW: usize = 8;

/// A key seen through a mask: only the words that are not zero, in place where they are few.
///
/// Many words of a mask tell only that a packet has nothing there: no tunnel, no tag, no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskedKey {
    /// Bit i is set where word i of the masked key is not zero.
    map: u64,
    words: Words,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Words {
    Few([u64; FEW]),
    Many(Box<[u64]>),
}

impl MaskedKey {
    /// Looks at a key through a mask.
    pub fn new(mask: &PackedMask, key: &Key) -> MaskedKey {
        let (mut map, mut few, mut count) = (0, [0; FEW], 0);
        let seen = || mask.parts().map(|(i, bits)| (i, key.words[i] & bits)).filter(|(_, word)| *word != 0);
        for (i, word) in seen() {
            map |= 1 << i;
            if let Some(slot) = few.get_mut(count) {
                *slot = word;
            }
            count += 1;
        }
        let words =
            if count <= FEW { Words::Few(few) } else { Words::Many(seen().map(|(_, word)| word).collect()) };
        MaskedKey { map, words }
    }

    /// True where another key looks the same through the mask that this one was made with.
    #[inline]
    pub fn is_of(&self, key: &Key, mask: &PackedMask) -> bool {
        match &self.words {
            Words::Few(words) => self.agrees(key, mask, words),
            Words::Many(words) => self.many_agree(key, mask, words),
        }
    }

    #[inline]
    fn agrees(&self, key: &Key, mask: &PackedMask, words: &[u64]) -> bool {
        let (mut difference, mut next) = (0, 0);
        for (i, bits) in mask.parts() {
            let mut word = key.words[i] & bits;
            if self.map >> i & 1 == 1 {
                word ^= words.get(next).copied().unwrap_or(0);
                next += 1;
            }
            difference |= word;
        }
        difference == 0
    }

    /// As [`agrees`](Self::agrees), kept out of the way of the usual case.
    #[inline(never)]
    fn many_agree(&self, key: &Key, mask: &PackedMask, words: &[u64]) -> bool {
        self.agrees(key, mask, words)
    }

    /// The key as far as it was seen; all else is zero.
    pub fn key(&self) -> Key {
        let words = match &self.words {
            Words::Few(words) => &words[..],
            Words::Many(words) => words,
        };
        let mut key = Key::ZERO;
        places(self.map).zip(words).for_each(|(i, word)| key.words[i] = *word);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tulle_flow::KEY_WORDS;

    /// Words of which many are zero, with few bits set.
    fn key() -> impl Strategy<Value = Key> {
        let word = prop_oneof![3 => Just(0_u64), 2 => 0..4_u64, 1 => any::<u64>()];
        prop::collection::vec(word, KEY_WORDS).prop_map(|words| {
            let mut key = Key::ZERO;
            key.words.copy_from_slice(&words);
            key
        })
    }

    proptest! {
        #[test]
        fn tells_keys_apart_as_the_mask_itself_does(mask in key(), one in key(), other in key(), flip in 0..KEY_WORDS) {
            let packed = PackedMask::new(&mask);
            let seen = MaskedKey::new(&packed, &one);
            prop_assert_eq!(seen.key(), one.masked(&mask));
            prop_assert!(seen.is_of(&one, &packed) && seen.is_of(&one.masked(&mask), &packed));
            prop_assert_eq!(seen.is_of(&other, &packed), other.masked(&mask) == one.masked(&mask));
            let mut near = one;
            near.words[flip] ^= 1;
            prop_assert_eq!(seen.is_of(&near, &packed), mask.words[flip] & 1 == 0);
        }
    }
}
