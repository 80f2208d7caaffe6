//! Port numbers: 16 bits in OpenFlow 1.0 and in Nicira's extensions, 32 bits since OpenFlow 1.1.
//!
//! The reserved numbers are the highest of either width; here they are always those of 32 bits.

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::version::Version;

/// From here on, 16-bit numbers are reserved (`OFPP_MAX` of OpenFlow 1.0).
const SHORT_MAX: u16 = 0xff00;
/// From here on, 32-bit numbers are reserved (`OFPP_MAX` of OpenFlow 1.1).
const MAX: u32 = 0xffff_ff00;

/// The number that a 16-bit one stands for.
pub(crate) fn from_short(short: u16) -> u32 {
    if short >= SHORT_MAX { 0xffff_0000 | u32::from(short) } else { u32::from(short) }
}

/// The 16-bit form of a number, where it has one.
pub(crate) fn to_short(number: u32) -> Option<u16> {
    (number < u32::from(SHORT_MAX) || number >= MAX).then_some(number as u16)
}

/// True of the numbers between the last that has a 16-bit form and the first that is reserved.
pub(crate) fn is_out_of_range(number: u32) -> bool {
    to_short(number).is_none()
}

/// Reads 2 or 4 bytes, as the version has it.
pub(crate) fn parse_port(body: &mut Reader<'_>) -> Parsed<u32> {
    if body.version() == Version::V10 { body.u16().map(from_short) } else { body.u32() }
}

/// Reads 2 bytes.
pub(crate) fn parse_short_port(body: &mut Reader<'_>) -> Parsed<u32> {
    body.u16().map(from_short)
}

/// Writes 2 or 4 bytes, as the version has it.
pub(crate) fn emit_port(number: u32, out: &mut Writer<'_>) -> Emitted {
    if out.version() == Version::V10 {
        return emit_short_port(number, out);
    }
    out.u32(number);
    Ok(())
}

/// Writes 2 bytes.
pub(crate) fn emit_short_port(number: u32, out: &mut Writer<'_>) -> Emitted {
    let Some(short) = to_short(number) else { return out.lacks("a port number this high") };
    out.u16(short);
    Ok(())
}
