//! Values of fields as text.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{TextError, flags};
use crate::action::port;
use crate::field::{Field, Format};

/// Parses `value` or `value/mask`; the mask may be a prefix length for addresses.
pub(super) fn parse_masked(field: Field, text: &str) -> Result<(u128, u128), TextError> {
    if let Some(named) = flags::parse(field, text) {
        return named;
    }
    let Some((value, mask)) = text.split_once('/') else {
        return Ok((parse_value(field, text)?, field.ones()));
    };
    let mask = match field.format() {
        Format::Ipv4 | Format::Ipv6 => match mask.parse::<u32>() {
            Ok(length) => prefix_mask(field, length).ok_or_else(|| bad(field, "a prefix length", mask))?,
            Err(_) => parse_value(field, mask)?,
        },
        _ => parse_value(field, mask)?,
    };
    Ok((parse_value(field, value)? & mask, mask))
}

fn prefix_mask(field: Field, length: u32) -> Option<u128> {
    let open = field.bits().checked_sub(length)?;
    Some(if open >= 128 { 0 } else { (u128::MAX << open) & field.ones() })
}

/// Parses one value as the field's format wants it; plain numbers are taken everywhere.
pub(super) fn parse_value(field: Field, text: &str) -> Result<u128, TextError> {
    let (value, expected) = match field.format() {
        Format::Mac => (parse_mac(text), "a MAC address such as 02:00:00:00:00:01"),
        Format::Ipv4 => {
            (text.parse::<Ipv4Addr>().ok().map(|ip| u128::from(u32::from(ip))), "an IPv4 address")
        }
        Format::Ipv6 => (text.parse::<Ipv6Addr>().ok().map(u128::from), "an IPv6 address"),
        Format::Port => (port::from_name(text).map(u128::from), "a port number or name"),
        Format::Decimal
        | Format::Hex
        | Format::TcpFlags
        | Format::CtState
        | Format::TunFlags
        | Format::Frag => (None, "a number"),
    };
    value
        .or_else(|| parse_number(text))
        .filter(|value| *value <= field.ones())
        .ok_or_else(|| bad(field, expected, text))
}

/// Parses a decimal or `0x` number.
pub(super) fn parse_number(text: &str) -> Option<u128> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u128::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn parse_mac(text: &str) -> Option<u128> {
    let mut value = 0;
    let mut bytes = 0;
    for part in text.split(':') {
        if part.is_empty() || part.len() > 2 {
            return None;
        }
        value = (value << 8) | u128::from(u8::from_str_radix(part, 16).ok()?);
        bytes += 1;
    }
    (bytes == 6).then_some(value)
}

fn bad(field: Field, expected: &'static str, got: &str) -> TextError {
    TextError::BadValue { field: field.name().to_owned(), expected, got: got.to_owned() }
}

/// Emits one value in the field's format.
pub(super) fn emit_value(out: &mut String, field: Field, value: u128) {
    let result = match field.format() {
        Format::Decimal => write!(out, "{value}"),
        Format::Hex | Format::TcpFlags | Format::CtState | Format::TunFlags | Format::Frag => {
            write!(out, "{value:#x}")
        }
        Format::Mac => emit_mac(out, value),
        Format::Ipv4 => write!(out, "{}", Ipv4Addr::from(value as u32)),
        Format::Ipv6 => write!(out, "{}", Ipv6Addr::from(value)),
        Format::Port => match port::name(value as u32) {
            Some(name) => write!(out, "{name}"),
            None => write!(out, "{value}"),
        },
    };
    debug_assert!(result.is_ok(), "writing to a String cannot fail");
}

fn emit_mac(out: &mut String, value: u128) -> std::fmt::Result {
    for i in (0..6).rev() {
        let separator = if i == 0 { "" } else { ":" };
        write!(out, "{:02x}{separator}", (value >> (8 * i)) as u8)?;
    }
    Ok(())
}

/// Emits `value`, or `value/mask` where not all bits count.
pub(super) fn emit_masked(out: &mut String, field: Field, value: u128, mask: u128) {
    if flags::emit(out, field, value, mask) {
        return;
    }
    emit_value(out, field, value);
    if mask == field.ones() {
        return;
    }
    out.push('/');
    let length = mask.count_ones();
    let address = matches!(field.format(), Format::Ipv4 | Format::Ipv6);
    if address && prefix_mask(field, length) == Some(mask) {
        out.push_str(&length.to_string());
    } else {
        emit_value(out, field, mask);
    }
}
