//! The `tun_metadata` fields: values of Geneve options, of up to 124 bytes each (`ovs-fields(7)`, "Geneve Fields").
//!
//! What option stands behind a field, and how long it is, is said by a map of the bridge.  Text and wire know nothing
//! of it, so a value goes with as many bytes as it was written with, and its bits are counted from its end.

use crate::action::{Action, CtZone, LearnSource, LearnSpec, SubField};
use crate::field::Field;
use crate::key::Key;
use crate::matching::Match;

/// How many `tun_metadata` fields there are.
pub const OPTION_FIELDS: usize = 64;
/// The most bytes of one field's value (RFC 8926 section 3.5: 31 words of 4).
pub const OPTION_BYTES: usize = 124;
/// Bytes of a key that the values of all fields together have.
pub const OPTION_SPACE: usize = 128;
/// The word of a key whose bit n says that `tun_metadata` n is there.
const PRESENT_WORD: usize = 0;
/// The words of a key with the values.
const SPACE_WORDS: std::ops::Range<usize> = 1..17;
/// In a length: the value has a mask.
const MASKED: u8 = 0x80;

/// A value of a `tun_metadata` field, most significant byte first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OptionValue {
    /// The number of the field, below [`OPTION_FIELDS`].
    pub index: u8,
    /// The value; bytes before the first of these are zero.  No bit outside the mask.
    pub value: Box<[u8]>,
    /// Which bits count, as many bytes as the value; none: the whole field, however long it is.
    pub mask: Option<Box<[u8]>>,
}

impl OptionValue {
    /// A value of up to 128 bits, or some bits of one.
    pub fn of_bits(index: u8, offset: u32, bits: u32, value: u128) -> OptionValue {
        let bytes = (offset + bits).div_ceil(8) as usize;
        let (mut shifted, mut mask) = (vec![0; bytes], vec![0; bytes]);
        for bit in 0..bits {
            let (place, at) = ((offset + bit) as usize, bytes - 1 - (offset + bit) as usize / 8);
            mask[at] |= 1 << (place % 8);
            shifted[at] |= u8::from(bit < 128 && value >> bit.min(127) & 1 == 1) << (place % 8);
        }
        OptionValue { index, value: shifted.into(), mask: Some(mask.into()) }
    }

    /// The field.
    pub fn field(&self) -> Field {
        Field::TUN_METADATA[usize::from(self.index) % OPTION_FIELDS]
    }
}

/// The `tun_metadata` fields that actions read or write, a bit for each.
pub fn options_of(actions: &[Action]) -> u64 {
    actions.iter().map(used_by).fold(0, |all, used| all | used)
}

fn used_by(action: &Action) -> u64 {
    match action {
        Action::SetOption(option) => 1 << (usize::from(option.index) % OPTION_FIELDS),
        Action::Move { source, target } => bit(source) | bit(target),
        Action::Push(bits) | Action::Pop(bits) | Action::OutputField(bits) => bit(bits),
        Action::CheckPacketLarger { target, .. } => bit(target),
        Action::Multipath(multipath) => bit(&multipath.target),
        Action::Bundle(bundle) => bundle.target.as_ref().map_or(0, bit),
        Action::Clone(inner) | Action::WriteActions(inner) => options_of(inner),
        Action::Ct(ct) => match &ct.zone {
            CtZone::Field(zone) => bit(zone) | options_of(&ct.exec),
            CtZone::Fixed(_) => options_of(&ct.exec),
        },
        Action::Learn(learn) => learn.specs.iter().map(used_by_spec).fold(0, |all, used| all | used),
        _ => 0,
    }
}

fn used_by_spec(spec: &LearnSpec) -> u64 {
    match spec {
        LearnSpec::Match { source: LearnSource::Field(source), target }
        | LearnSpec::Load { source: LearnSource::Field(source), target } => bit(source) | bit(target),
        LearnSpec::Match { target, .. } | LearnSpec::Load { target, .. } => bit(target),
        LearnSpec::Output(source) => bit(source),
    }
}

fn bit(bits: &SubField) -> u64 {
    bits.field.option().map_or(0, |index| 1 << index)
}

/// How many bytes of each field's value stand in a match that no bridge has resolved, plus one, and whether a mask
/// goes with it; 0 where the value is in the places of a bridge.
/// The values stand one behind the other in the key, in the order of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OptionLengths([u8; OPTION_FIELDS]);

impl OptionLengths {
    pub const NONE: OptionLengths = OptionLengths([0; OPTION_FIELDS]);
}

impl Match {
    /// Requires a value of a `tun_metadata` field; false, with nothing changed, where the field is required already or
    /// the values of all fields have no room.
    #[must_use]
    pub fn require_option(&mut self, option: &OptionValue) -> bool {
        let mut all = self.options();
        let used: usize = all.iter().map(|known| known.value.len()).sum();
        let is_known = all.iter().any(|known| known.index == option.index);
        if is_known || option.value.len() > OPTION_BYTES || used + option.value.len() > OPTION_SPACE {
            return false;
        }
        all.push(option.clone());
        all.sort_by_key(|option| option.index);
        self.set_options(&all);
        true
    }

    /// The values of `tun_metadata` fields that this match requires, as text and wire have them.
    pub fn options(&self) -> Vec<OptionValue> {
        let present = self.mask().words[PRESENT_WORD];
        if present == 0 {
            return Vec::new();
        }
        let mut at = 0;
        let mut found = Vec::new();
        for index in (0..OPTION_FIELDS as u8).filter(|index| present >> index & 1 == 1) {
            let length = self.lengths().0[usize::from(index)];
            let bytes = at..at + usize::from(length & !MASKED).saturating_sub(1);
            at = bytes.end;
            let taken = |key: &Key| bytes.clone().map(|place| space_byte(key, place)).collect();
            // Of a value in places nothing can be said here but that it is there.
            let mask = (length & MASKED != 0 || length == 0).then(|| taken(self.mask()));
            found.push(OptionValue { index, value: taken(self.key()), mask });
        }
        found
    }

    /// The match without its `tun_metadata`.
    pub fn without_options(&self) -> Match {
        let (mut key, mut mask) = (*self.key(), *self.mask());
        clear_options(&mut key);
        clear_options(&mut mask);
        Match::new(&key, &mask)
    }

    fn set_options(&mut self, options: &[OptionValue]) {
        let (mut key, mut mask) = (*self.key(), *self.mask());
        clear_options(&mut key);
        clear_options(&mut mask);
        let (mut lengths, mut at) = (OptionLengths::NONE, 0);
        for option in options {
            let masked = if option.mask.is_some() { MASKED } else { 0 };
            lengths.0[usize::from(option.index)] = (option.value.len() as u8 + 1) | masked;
            key.words[PRESENT_WORD] |= 1 << option.index;
            mask.words[PRESENT_WORD] |= 1 << option.index;
            for (i, value) in option.value.iter().enumerate() {
                let byte = option.mask.as_ref().map_or(0xff, |mask| mask[i]);
                set_space_byte(&mut key, at, value & byte);
                set_space_byte(&mut mask, at, byte);
                at += 1;
            }
        }
        *self = Match::with_lengths(&key, &mask, lengths);
    }
}

/// Takes all `tun_metadata` out of a key.
fn clear_options(key: &mut Key) {
    key.words[PRESENT_WORD] = 0;
    key.words[SPACE_WORDS].fill(0);
}

fn space_byte(key: &Key, place: usize) -> u8 {
    (key.words[SPACE_WORDS.start + place / 8] >> (56 - 8 * (place % 8))) as u8
}

fn set_space_byte(key: &mut Key, place: usize, byte: u8) {
    let (word, shift) = (&mut key.words[SPACE_WORDS.start + place / 8], 56 - 8 * (place % 8));
    *word = (*word & !(0xff << shift)) | (u64::from(byte) << shift);
}
