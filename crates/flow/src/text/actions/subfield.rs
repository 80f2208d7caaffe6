//! Bits of a field: `reg0`, `reg0[]`, `reg0[5]`, `reg0[0..15]`.

use std::fmt;
use std::str::FromStr;

use super::super::{TextError, names};
use super::words::number;
use crate::action::SubField;

/// `field`, `field[]`, `field[bit]` or `field[low..high]`.
pub(super) fn parse(text: &str) -> Result<SubField, TextError> {
    let malformed = || TextError::Malformed(text.to_owned());
    let (name, bits) = match text.split_once('[') {
        Some((name, rest)) => (name, rest.strip_suffix(']').ok_or_else(malformed)?),
        None => (text, ""),
    };
    let field = names::field(name).ok_or_else(|| TextError::UnknownField(name.to_owned()))?;
    if bits.is_empty() {
        return Ok(SubField::whole(field));
    }
    let (low, high) = bits.split_once("..").unwrap_or((bits, bits));
    let (low, high): (u32, u32) = (number(name, low)?, number(name, high)?);
    high.checked_sub(low)
        .and_then(|span| SubField::new(field, low, span.checked_add(1)?))
        .ok_or_else(malformed)
}

/// The two sides of an arrow.
pub(super) fn split_arrow(text: &str) -> Result<(&str, &str), TextError> {
    text.split_once("->").ok_or_else(|| TextError::Malformed(text.to_owned()))
}

impl FromStr for SubField {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        parse(text)
    }
}

impl fmt::Display for SubField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.field.name();
        match (*self == SubField::whole(self.field), self.bits) {
            (true, _) => write!(f, "{name}[]"),
            (false, 1) => write!(f, "{name}[{}]", self.offset),
            (false, bits) => write!(f, "{name}[{}..{}]", self.offset, self.offset + bits - 1),
        }
    }
}
