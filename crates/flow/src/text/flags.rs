//! Fields whose bits have names: TCP flags, connection states, tunnel flags, kinds of fragments.

use super::TextError;
use crate::field::{Field, Format};

/// Bits by name, lowest first (`ovs-fields(7)`).
const TCP_FLAGS: &[(&str, u128)] = &[
    ("fin", 0x001),
    ("syn", 0x002),
    ("rst", 0x004),
    ("psh", 0x008),
    ("ack", 0x010),
    ("urg", 0x020),
    ("ece", 0x040),
    ("cwr", 0x080),
    ("ns", 0x100),
];

const CT_STATES: &[(&str, u128)] = &[
    ("new", 0x01),
    ("est", 0x02),
    ("rel", 0x04),
    ("rpl", 0x08),
    ("inv", 0x10),
    ("trk", 0x20),
    ("snat", 0x40),
    ("dnat", 0x80),
];

/// The first is the only one that has a number in protocols.
const TUN_FLAGS: &[(&str, u128)] = &[("oam", 0x01), ("df", 0x02), ("csum", 0x04), ("key", 0x08)];

/// Kinds of fragments: value and mask over "any fragment" (1) and "not the first" (2).
const FRAGMENTS: &[(&str, u128, u128)] =
    &[("no", 0, 1), ("yes", 1, 1), ("first", 1, 3), ("later", 3, 3), ("not_later", 0, 2)];

fn names(format: Format) -> &'static [(&'static str, u128)] {
    match format {
        Format::TcpFlags => TCP_FLAGS,
        Format::CtState => CT_STATES,
        Format::TunFlags => TUN_FLAGS,
        _ => &[],
    }
}

/// Parses `+syn-ack` (those bits), `syn|ack` (all bits), or a kind of fragment; nothing where it is a number.
pub(super) fn parse(field: Field, text: &str) -> Option<Result<(u128, u128), TextError>> {
    let format = field.format();
    if format == Format::Frag {
        let found = FRAGMENTS.iter().find(|(name, _, _)| *name == text);
        return found.map(|(_, value, mask)| Ok((*value, *mask)));
    }
    let names = names(format);
    if names.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let parsed = if text.starts_with(['+', '-']) { signed(names, text) } else { joined(names, text, field) };
    Some(parsed.ok_or_else(|| TextError::BadValue {
        field: field.name().to_owned(),
        expected: "flags such as +syn-ack",
        got: text.to_owned(),
    }))
}

fn signed(names: &[(&str, u128)], text: &str) -> Option<(u128, u128)> {
    let (mut value, mut mask) = (0, 0);
    let mut rest = text;
    while !rest.is_empty() {
        let sign = rest.chars().next()?;
        let name = rest.get(1..)?;
        let end = name.find(['+', '-']).unwrap_or(name.len());
        let bit = bit(names, &name[..end])?;
        mask |= bit;
        value |= if sign == '+' { bit } else { 0 };
        rest = &name[end..];
    }
    Some((value, mask))
}

fn joined(names: &[(&str, u128)], text: &str, field: Field) -> Option<(u128, u128)> {
    let bits = text.split('|').map(|name| bit(names, name.trim()));
    bits.sum::<Option<u128>>().map(|value| (value, field.ones()))
}

fn bit(names: &[(&str, u128)], name: &str) -> Option<u128> {
    names.iter().find(|(known, _)| *known == name).map(|(_, bit)| *bit)
}

/// Emits by names what can be; false where the value is to be written as a number.
pub(super) fn emit(out: &mut String, field: Field, value: u128, mask: u128) -> bool {
    if field.format() == Format::Frag {
        let found = FRAGMENTS.iter().find(|kind| (kind.1, kind.2) == (value, mask));
        found.inspect(|kind| out.push_str(kind.0));
        return found.is_some();
    }
    let names = names(field.format());
    let known: u128 = names.iter().map(|(_, bit)| bit).sum();
    if names.is_empty() || mask & !known != 0 || mask == 0 || value & !mask != 0 {
        return false;
    }
    for (name, _) in names.iter().filter(|(_, bit)| mask & bit != 0).map(|named| (named.0, named.1)) {
        let sign = if value & bit(names, name).unwrap_or(0) != 0 { '+' } else { '-' };
        out.push(sign);
        out.push_str(name);
    }
    true
}
