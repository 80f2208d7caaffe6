//! From what controllers write to places in a key, and back.

use tulle_flow::{Key, Match, OptionValue};

use super::{OptionMap, PRESENT_WORD, set_slot, slot};

impl OptionMap {
    /// A match with its options in their places.  Errors: a field that is not mapped, by its number.
    pub fn resolve(&self, matching: &Match) -> Result<Match, u8> {
        let options = matching.options();
        if options.is_empty() {
            return Ok(*matching);
        }
        let plain = matching.without_options();
        let (mut key, mut mask) = (*plain.key(), *plain.mask());
        for option in &options {
            let (value, bits) = self.places(option).ok_or(option.index)?;
            key.merge(&value);
            mask.merge(&bits);
        }
        Ok(Match::new(&key, &mask))
    }

    /// The places of a value and its mask; nothing where the field is not mapped.  Bytes that the option does not
    /// have are cut off at the end, as Open vSwitch does.
    pub fn places(&self, option: &OptionValue) -> Option<(Key, Key)> {
        let length = self.length(option.index)?;
        let (mut key, mut mask) = (Key::ZERO, Key::ZERO);
        key.words[PRESENT_WORD] = 1 << option.index;
        mask.words[PRESENT_WORD] = 1 << option.index;
        let whole = vec![0xff; length];
        let (values, masks) = match &option.mask {
            Some(mask) => (aligned(&option.value, length), aligned(mask, length)),
            None => (aligned(&option.value, length), whole),
        };
        for (i, place) in self.slots(option.index).iter().enumerate() {
            let bits = word(&masks, i);
            set_slot(&mut key, *place, word(&values, i) & bits, u32::MAX);
            set_slot(&mut mask, *place, bits, u32::MAX);
        }
        Some((key, mask))
    }

    /// A match of the tables as a controller reads it.
    pub fn named(&self, matching: &Match) -> Match {
        let options = self.named_options(matching.key(), matching.mask());
        if options.is_empty() {
            return *matching;
        }
        let mut named = matching.without_options();
        for option in &options {
            // Each field is there once, and all of them have room in a key.
            let _ = named.require_option(option);
        }
        named
    }

    /// The options that a key has, as a controller reads them.
    pub fn named_key(&self, key: &Key) -> Vec<OptionValue> {
        let mut mask = Key::ZERO;
        mask.words[PRESENT_WORD] = key.words[PRESENT_WORD];
        mask.words[super::SPACE_WORD..].iter_mut().take(super::SLOTS / 2).for_each(|word| *word = u64::MAX);
        self.named_options(key, &mask)
    }

    fn named_options(&self, key: &Key, mask: &Key) -> Vec<OptionValue> {
        let present = key.words[PRESENT_WORD] & mask.words[PRESENT_WORD];
        let fields = (0..64).filter(|index| present >> index & 1 == 1);
        fields
            .map(|index| {
                let slots = self.slots(index);
                let bytes = |key: &Key| slots.iter().flat_map(|at| slot(key, *at).to_be_bytes()).collect();
                let masked = slots.iter().any(|at| slot(mask, *at) != u32::MAX);
                OptionValue { index, value: bytes(key), mask: masked.then(|| bytes(mask)) }
            })
            .collect()
    }
}

/// A number of so many bytes: with zeros before it, or cut off behind.
fn aligned(bytes: &[u8], length: usize) -> Vec<u8> {
    let mut out = vec![0; length.saturating_sub(bytes.len())];
    out.extend_from_slice(&bytes[..bytes.len().min(length)]);
    out
}

fn word(bytes: &[u8], i: usize) -> u32 {
    u32::from_be_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]])
}
