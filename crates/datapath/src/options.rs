//! Geneve options and the `tun_metadata` fields that a bridge takes them for (`ovs-fields(7)`, "Geneve Fields").
//!
//! Each mapped field has as many words of 4 bytes as its option, anywhere in the part of the key that holds options; a
//! bit says that the packet has the option at all.  In a table and in a key, matches and values stand there
//! (*resolved*); what a controller writes and reads ([`OptionValue`](tulle_flow::OptionValue)) knows no places.

mod map;
mod resolve;
mod wire;

pub use map::{OptionMapError, OptionMapping};
pub(crate) use wire::describe;
pub use wire::has_critical;

pub(crate) use map::OptionMap;

use tulle_flow::{Key, OPTION_SPACE};

/// The word of a key with a bit for each field that is there.
pub(crate) const PRESENT_WORD: usize = 0;
/// The first word of a key with values.
pub(crate) const SPACE_WORD: usize = 1;
/// Words of 4 bytes that all values together have.
const SLOTS: usize = OPTION_SPACE / 4;

/// A word of 4 bytes of a key's options.
fn slot(key: &Key, slot: u8) -> u32 {
    (key.words[SPACE_WORD + usize::from(slot) / 2] >> (32 * (1 - slot % 2))) as u32
}

fn set_slot(key: &mut Key, slot: u8, value: u32, mask: u32) {
    let (word, shift) = (&mut key.words[SPACE_WORD + usize::from(slot) / 2], 32 * (1 - slot % 2));
    *word = (*word & !(u64::from(mask) << shift)) | (u64::from(value & mask) << shift);
}

/// A part of a field that lies in one word: bits of that word, and how far they stand in the whole.
struct Piece {
    slot: u8,
    mask: u32,
    /// Where the word begins, counted from the first bit that is asked for; negative where it begins before that.
    shift: i32,
}

impl Piece {
    fn of_value(&self, value: u128) -> u32 {
        (if self.shift >= 0 { value >> self.shift } else { value << -self.shift }) as u32
    }

    fn to_value(&self, word: u32) -> u128 {
        let word = u128::from(word & self.mask);
        if self.shift >= 0 { word << self.shift } else { word >> -self.shift }
    }
}

impl OptionMap {
    /// The words that bits of a field lie in; bits that the option does not have are left out.
    fn pieces(&self, index: u8, offset: u32, bits: u32) -> Vec<Piece> {
        let slots = self.slots(index);
        let end = offset + bits.min(128);
        let piece = |(i, slot): (usize, &u8)| {
            let begin = 32 * i as u32;
            let (from, to) = (offset.max(begin), end.min(begin + 32));
            if from >= to {
                return None;
            }
            let mask = (u64::MAX << (from - begin) & !(u64::MAX << (to - begin))) as u32;
            Some(Piece { slot: *slot, mask, shift: begin as i32 - offset as i32 })
        };
        slots.iter().rev().enumerate().filter_map(piece).collect()
    }

    /// Bits of a field, at most 128: their mask in a key, the bit that says that the field is there among them.
    pub fn bits(&self, index: u8, offset: u32, bits: u32) -> Key {
        let mut mask = Key::ZERO;
        mask.words[PRESENT_WORD] = 1 << index;
        for piece in self.pieces(index, offset, bits) {
            set_slot(&mut mask, piece.slot, u32::MAX, piece.mask);
        }
        mask
    }

    /// All bits of a field in a key, the one that says that it is there among them.
    pub fn whole(&self, index: u8) -> Key {
        let mut mask = Key::ZERO;
        mask.words[PRESENT_WORD] = 1 << index;
        self.slots(index).iter().for_each(|place| set_slot(&mut mask, *place, u32::MAX, u32::MAX));
        mask
    }

    /// The value of some bits of a field, at most 128.
    pub fn value(&self, index: u8, offset: u32, bits: u32, key: &Key) -> u128 {
        let pieces = self.pieces(index, offset, bits);
        pieces.iter().fold(0, |value, piece| value | piece.to_value(slot(key, piece.slot)))
    }

    /// A key with nothing but a value of some bits of a field, at most 128, and that the field is there.
    pub fn of_value(&self, index: u8, offset: u32, bits: u32, value: u128) -> Key {
        let mut key = Key::ZERO;
        key.words[PRESENT_WORD] = 1 << index;
        for piece in self.pieces(index, offset, bits) {
            set_slot(&mut key, piece.slot, piece.of_value(value), piece.mask);
        }
        key
    }
}
