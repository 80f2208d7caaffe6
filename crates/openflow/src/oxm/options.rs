//! `tun_metadata` on the wire: values of any length, whose leading zeros a sender may leave out.

use tulle_flow::{Field, OPTION_BYTES, OPTION_FIELDS, OptionValue};

use super::{NXM_1, Oxm, OxmHeader};
use crate::bytes::{Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::version::Version;

/// The number of `tun_metadata0` among Nicira's fields.
const FIRST: u8 = 40;

/// The names of all fields.
pub(super) static NAMES: [Oxm; OPTION_FIELDS] = names();

const fn names() -> [Oxm; OPTION_FIELDS] {
    let mut found = [name(0); OPTION_FIELDS];
    let mut i = 0;
    while i < OPTION_FIELDS {
        found[i] = name(i);
        i += 1;
    }
    found
}

const fn name(index: usize) -> Oxm {
    Oxm {
        class: NXM_1,
        experimenter: 0,
        number: FIRST + index as u8,
        field: Field::TUN_METADATA[index],
        bytes: OPTION_BYTES as u8,
        wire: u128::MAX,
        since: Version::V10,
    }
}

/// The name of this class and number.
pub(super) fn named(class: u16, number: u8) -> Option<&'static Oxm> {
    if class == NXM_1 { NAMES.get(usize::from(number.checked_sub(FIRST)?)) } else { None }
}

/// The name of a field.
pub(super) fn of(field: Field) -> Option<&'static Oxm> {
    field.option().map(|index| &NAMES[usize::from(index) % OPTION_FIELDS])
}

impl OxmHeader {
    /// The number of the `tun_metadata` field that this names.
    pub fn option(&self) -> Option<u8> {
        self.oxm.field.option()
    }

    /// Parses the value and mask that follow of `tun_metadata`.
    pub fn parse_option(&self, index: u8, reader: &mut Reader<'_>) -> Parsed<OptionValue> {
        let (bytes, is_odd) =
            if self.masked { (self.payload / 2, self.payload % 2) } else { (self.payload, 0) };
        if bytes > OPTION_BYTES || is_odd == 1 {
            return Err(ErrorCode::BadMatchLength);
        }
        let value = reader.take(bytes)?;
        let mask = if self.masked { Some(reader.take(bytes)?) } else { None };
        if mask.is_some_and(|mask| value.iter().zip(mask).any(|(value, mask)| value & !mask != 0)) {
            return Err(ErrorCode::BadWildcards);
        }
        Ok(OptionValue { index, value: value.into(), mask: mask.map(Into::into) })
    }
}

/// Emits header, value and mask.
pub(crate) fn emit_option(option: &OptionValue, out: &mut Writer<'_>) {
    let masks = option.mask.iter().map(|mask| mask.len()).sum::<usize>();
    out.u16(NXM_1);
    out.u8((FIRST + option.index) << 1 | u8::from(option.mask.is_some()));
    out.u8((option.value.len() + masks) as u8);
    out.extend_from_slice(&option.value);
    option.mask.iter().for_each(|mask| out.extend_from_slice(mask));
}
