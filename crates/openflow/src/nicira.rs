//! Nicira's actions: resubmit, move, load, output to a field's port (`ovs-actions(7)`).

use tulle_flow::{Action, SubField};

use crate::actions::{EXPERIMENTER, framed, set, set_error};
use crate::bytes::{Parsed, Put, Reader};
use crate::error::{EmitError, ErrorCode};
use crate::oxm::{self, Oxm, OxmHeader};

/// Nicira's experimenter id.
pub(crate) const NICIRA: u32 = 0x0000_2320;

const RESUBMIT: u16 = 1;
const MOVE: u16 = 6;
const LOAD: u16 = 7;
const RESUBMIT_TABLE: u16 = 14;
const OUTPUT_FIELD: u16 = 15;
const LOAD_MASKED: u16 = 33;

/// The ingress port, in 16 bits.
const IN_PORT: u16 = 0xfff8;
const PRESENT_TABLE: u8 = 0xff;

/// Parses the body of an experimenter action.
pub(crate) fn parse_action(mut body: Reader<'_>) -> Parsed<Action> {
    if body.u32()? != NICIRA {
        return Err(ErrorCode::BadActionExperimenter);
    }
    match body.u16()? {
        RESUBMIT => parse_resubmit(body, false),
        RESUBMIT_TABLE => parse_resubmit(body, true),
        MOVE => parse_move(body),
        LOAD => parse_load(body),
        LOAD_MASKED => parse_load_masked(body),
        OUTPUT_FIELD => parse_output_field(body),
        _ => Err(ErrorCode::BadActionExperimenterType),
    }
}

fn parse_resubmit(mut body: Reader<'_>, with_table: bool) -> Parsed<Action> {
    let (port, table) = (body.u16()?, body.u8()?);
    body.skip(3)?;
    body.finish()?;
    let port = (port != IN_PORT).then_some(port);
    let table = (with_table && table != PRESENT_TABLE).then_some(table);
    Ok(Action::Resubmit { port, table })
}

fn parse_move(mut body: Reader<'_>) -> Parsed<Action> {
    let bits = u32::from(body.u16()?);
    let (source_offset, target_offset) = (u32::from(body.u16()?), u32::from(body.u16()?));
    let source = parse_name(&mut body)?;
    let target = parse_name(&mut body)?;
    end_of_padding(body)?;
    let source = source.sub_field(source_offset, bits).ok_or(ErrorCode::BadActionArgument)?;
    let target = target.sub_field(target_offset, bits).ok_or(ErrorCode::BadActionArgument)?;
    Ok(Action::Move { source, target })
}

/// A field named without a value.
fn parse_name(body: &mut Reader<'_>) -> Parsed<&'static Oxm> {
    let header = OxmHeader::parse(body).map_err(set_error)?;
    if header.masked { Err(ErrorCode::BadSetType) } else { Ok(header.oxm) }
}

fn end_of_padding(body: Reader<'_>) -> Parsed<()> {
    if body.len() < 8 { Ok(()) } else { Err(ErrorCode::BadActionLength) }
}

/// Offset in the upper 10 bits, number of bits less one in the lower 6.
fn parse_range(range: u16) -> (u32, u32) {
    (u32::from(range >> 6), u32::from(range & 0x3f) + 1)
}

fn parse_load(mut body: Reader<'_>) -> Parsed<Action> {
    let (offset, bits) = parse_range(body.u16()?);
    let oxm = parse_name(&mut body)?;
    let value = u128::from(body.u64()?);
    body.finish()?;
    let range = oxm.sub_field(offset, bits).ok_or(ErrorCode::BadActionArgument)?;
    if value >> range.bits != 0 {
        return Err(ErrorCode::BadActionArgument);
    }
    let mask = (((1 << bits) - 1) << offset) & oxm.wire;
    Ok(set(oxm, value << offset, mask))
}

fn parse_load_masked(mut body: Reader<'_>) -> Parsed<Action> {
    let header = OxmHeader::parse(&mut body).map_err(set_error)?;
    let (value, mask) = header.parse_value(&mut body).map_err(set_error)?;
    end_of_padding(body)?;
    Ok(set(header.oxm, value, mask))
}

fn parse_output_field(mut body: Reader<'_>) -> Parsed<Action> {
    let (offset, bits) = parse_range(body.u16()?);
    let oxm = parse_name(&mut body)?;
    body.skip(8)?;
    end_of_padding(body)?;
    let source = oxm.sub_field(offset, bits).ok_or(ErrorCode::BadActionArgument)?;
    Ok(Action::OutputField(source))
}

fn extension(subtype: u16, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    framed(EXPERIMENTER, out, |out| {
        out.u32(NICIRA);
        out.u16(subtype);
        body(out);
    });
}

pub(crate) fn emit_resubmit(port: Option<u16>, table: Option<u8>, out: &mut Vec<u8>) {
    let subtype = if table.is_some() { RESUBMIT_TABLE } else { RESUBMIT };
    extension(subtype, out, |out| {
        out.u16(port.unwrap_or(IN_PORT));
        out.u8(table.unwrap_or(0));
        out.zeros(3);
    });
}

pub(crate) fn emit_move(source: SubField, target: SubField, out: &mut Vec<u8>) -> Result<(), EmitError> {
    let (source_name, source_offset, source_bits) = oxm::covering(source)?;
    let (target_name, target_offset, target_bits) = oxm::covering(target)?;
    extension(MOVE, out, |out| {
        out.u16(source_bits.min(target_bits) as u16);
        out.u16(source_offset as u16);
        out.u16(target_offset as u16);
        source_name.emit_header(false, out);
        target_name.emit_header(false, out);
    });
    Ok(())
}

pub(crate) fn emit_output_field(source: SubField, out: &mut Vec<u8>) -> Result<(), EmitError> {
    let (name, offset, bits) = oxm::covering(source)?;
    extension(OUTPUT_FIELD, out, |out| {
        out.u16(emit_range(offset, bits.min(64)));
        name.emit_header(false, out);
        out.u16(0xffff);
        out.zeros(6);
    });
    Ok(())
}

fn emit_range(offset: u32, bits: u32) -> u16 {
    ((offset << 6) | (bits - 1)) as u16
}

/// Sets some bits, in wire position: consecutive ones as a load, others with a mask.
pub(crate) fn emit_load(oxm: &Oxm, value: u128, mask: u128, out: &mut Vec<u8>) {
    let (offset, bits) = (mask.trailing_zeros(), mask.count_ones());
    let consecutive = bits == 128 - mask.leading_zeros() - offset;
    if !consecutive || bits > 64 || !oxm.has_short_header() {
        return emit_load_masked(oxm, value, mask, out);
    }
    extension(LOAD, out, |out| {
        out.u16(emit_range(offset, bits));
        oxm.emit_header(false, out);
        out.u64((value >> offset) as u64);
    });
}

fn emit_load_masked(oxm: &Oxm, value: u128, mask: u128, out: &mut Vec<u8>) {
    extension(LOAD_MASKED, out, |out| oxm.emit(value, mask, out));
}
