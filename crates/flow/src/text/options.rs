//! Values of `tun_metadata` fields as text: hexadecimal numbers of up to 124 bytes, with a mask or without.

use super::TextError;
use super::values::parse_number;
use crate::field::Field;
use crate::option::{OPTION_BYTES, OptionValue};

/// Parses `value` or `value/mask`.
pub(super) fn parse(field: Field, text: &str) -> Result<OptionValue, TextError> {
    let bad = || TextError::BadValue {
        field: field.name().to_owned(),
        expected: "a number of up to 124 bytes",
        got: text.chars().take(40).collect(),
    };
    let index = field.option().ok_or_else(bad)?;
    let Some((value, mask)) = text.split_once('/') else {
        return Ok(OptionValue { index, value: number(text).ok_or_else(bad)?.into(), mask: None });
    };
    let (value, mask) = (number(value).ok_or_else(bad)?, number(mask).ok_or_else(bad)?);
    let padding = vec![0; mask.len().saturating_sub(value.len())];
    let counted = value.into_iter().rev().take(mask.len()).rev();
    let whole = padding.into_iter().chain(counted).zip(&mask);
    Ok(OptionValue {
        index,
        value: whole.map(|(value, mask)| value & mask).collect(),
        mask: Some(mask.into()),
    })
}

/// That a packet has the field, whatever its value.
pub(super) fn presence(index: u8) -> OptionValue {
    OptionValue { index, value: [].into(), mask: Some([].into()) }
}

/// The bytes of a number, as few as it takes.
fn number(text: &str) -> Option<Vec<u8>> {
    let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) else {
        return parse_number(text).map(|value| short(&value.to_be_bytes()).to_vec());
    };
    let digits = digits.as_bytes();
    let nibble = |digit: &u8| (*digit as char).to_digit(16).map(|digit| digit as u8);
    let pair = |pair: &[u8]| pair.iter().try_fold(0, |byte, digit| Some(byte << 4 | nibble(digit)?));
    let (odd, even) = digits.split_at(digits.len() % 2);
    let first = (!odd.is_empty()).then_some(odd);
    let bytes: Option<Vec<u8>> = first.into_iter().chain(even.chunks(2)).map(pair).collect();
    let bytes = bytes.filter(|_| !digits.is_empty())?;
    let bytes = short(&bytes);
    (bytes.len() <= OPTION_BYTES).then(|| bytes.to_vec())
}

/// The bytes of a number without the zeros before it.
fn short(bytes: &[u8]) -> &[u8] {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    &bytes[first..]
}

/// Emits `name`, `name=value` or `name=value/mask`, as a match has it.
pub(super) fn emit_match(option: &OptionValue) -> String {
    let name = option.field().name();
    match &option.mask {
        Some(mask) if mask.iter().all(|byte| *byte == 0) => name.to_owned(),
        _ => format!("{name}={}", emit(option)),
    }
}

/// Emits `value` or `value/mask`.
pub(super) fn emit(option: &OptionValue) -> String {
    let value = hex(&option.value);
    option.mask.as_ref().map_or(value.clone(), |mask| format!("{value}/{}", hex(mask)))
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => format!("0x{digits}"),
    }
}
