//! Setting and copying fields: the standard's actions, Nicira's loads and moves, and the ONF's copy.

use tulle_flow::{Action, Field, OptionValue, SubField};

use super::frame::{extension, framed, long, parse_name, parse_range, set_error, short, sub_field, target};
use super::standard::SET_FIELD_KIND;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::oxm::{Oxm, OxmHeader, emit_option};
use crate::version::Version;

pub(super) const MOVE: u16 = 6;
pub(super) const LOAD: u16 = 7;
pub(super) const LOAD_MASKED: u16 = 33;
/// The ONF's number for copying a field in OpenFlow 1.3 (extension 320).
const ONF_COPY_FIELD: u16 = 3200;

/// The bit that says that there is a VLAN tag.
const VLAN_PRESENT: u128 = 0x1000;

pub(super) fn parse_set_field(mut body: Reader<'_>) -> Parsed<Action> {
    let header = OxmHeader::parse(&mut body).map_err(set_error)?;
    if header.masked && body.version() < Version::V15 {
        return Err(ErrorCode::BadSetMask);
    }
    parse_value(header, body)
}

/// The value and mask of a field to set, and padding.
fn parse_value(header: OxmHeader, mut body: Reader<'_>) -> Parsed<Action> {
    if let Some(index) = header.option() {
        return parse_option(header, index, body);
    }
    let (value, mask) = header.parse_value(&mut body).map_err(set_error)?;
    if body.len() >= 8 {
        return Err(ErrorCode::BadSetLength);
    }
    // OpenFlow 1.5.1 section 7.2.6.7: the tag is there after this.
    if header.oxm.field == Field::VlanVid && value & VLAN_PRESENT == 0 {
        return Err(ErrorCode::BadSetArgument);
    }
    set(header.oxm, value, mask)
}

/// The value and mask of a `tun_metadata` field to set, and padding.
fn parse_option(header: OxmHeader, index: u8, mut body: Reader<'_>) -> Parsed<Action> {
    let option = header.parse_option(index, &mut body).map_err(set_error)?;
    body.padding(ErrorCode::MustBeZero)?;
    Ok(Action::SetOption(Box::new(option)))
}

/// Sets bits as the wire has them.
fn set(oxm: &Oxm, value: u128, mask: u128) -> Parsed<Action> {
    if !oxm.field.is_writable() {
        return Err(ErrorCode::BadSetType);
    }
    Ok(Action::Set { field: oxm.field, value: oxm.field_value(value & mask), mask: oxm.field_mask(mask) })
}

pub(super) fn parse_load(mut body: Reader<'_>) -> Parsed<Action> {
    let (offset, bits) = parse_range(&mut body)?;
    let oxm = parse_name(&mut body)?;
    let value = u128::from(body.u64()?);
    body.finish()?;
    let range = target(oxm, offset, bits)?;
    if range.bits < 128 && value >> range.bits != 0 {
        return Err(ErrorCode::BadActionArgument);
    }
    if let Some(index) = oxm.field.option() {
        return Ok(Action::SetOption(Box::new(OptionValue::of_bits(index, offset, bits, value))));
    }
    set(oxm, value << offset, range.mask() & oxm.wire)
}

pub(super) fn parse_load_masked(mut body: Reader<'_>) -> Parsed<Action> {
    let header = OxmHeader::parse(&mut body).map_err(set_error)?;
    if let Some(index) = header.option() {
        return parse_option(header, index, body);
    }
    let (value, mask) = header.parse_value(&mut body).map_err(set_error)?;
    body.padding(ErrorCode::MustBeZero)?;
    set(header.oxm, value, mask)
}

pub(super) fn parse_move(mut body: Reader<'_>) -> Parsed<Action> {
    let ranges = [body.u16()?, body.u16()?, body.u16()?];
    parse_names(ranges, body)
}

pub(super) fn parse_copy_field(mut body: Reader<'_>) -> Parsed<Action> {
    let ranges = [body.u16()?, body.u16()?, body.u16()?];
    body.skip(2)?;
    parse_names(ranges, body)
}

/// The body of the ONF's action after its experimenter id.
pub(super) fn parse_onf_copy_field(mut body: Reader<'_>) -> Parsed<Action> {
    let known = matches!(body.version(), Version::V13 | Version::V14);
    if body.u16()? != ONF_COPY_FIELD || !known {
        return Err(ErrorCode::BadActionExperimenterType);
    }
    body.skip(2)?;
    let ranges = [body.u16()?, body.u16()?, body.u16()?];
    body.skip(2)?;
    parse_names(ranges, body)
}

/// Number of bits, offset of source and offset of target; then the names of source and target.
fn parse_names(ranges: [u16; 3], mut body: Reader<'_>) -> Parsed<Action> {
    let [bits, source_offset, target_offset] = ranges.map(u32::from);
    let (source, written) = (parse_name(&mut body)?, parse_name(&mut body)?);
    body.padding(ErrorCode::MustBeZero)?;
    let source = sub_field(source, source_offset, bits)?;
    Ok(Action::Move { source, target: target(written, target_offset, bits)? })
}

/// Number of bits and offsets, then `padding` zeros, then names.
fn emit_names(source: SubField, target: SubField, padding: usize, out: &mut Writer<'_>) -> Emitted {
    let (source, target) = (long(source, out)?, long(target, out)?);
    out.u16(source.bits.min(target.bits) as u16);
    out.u16(source.offset as u16);
    out.u16(target.offset as u16);
    out.zeros(padding);
    source.oxm.emit_header(false, out);
    target.oxm.emit_header(false, out);
    Ok(())
}

pub(super) fn emit_copy_field(
    kind: u16,
    source: SubField,
    target: SubField,
    out: &mut Writer<'_>,
) -> Emitted {
    framed(kind, out, |out| emit_names(source, target, 2, out))
}

pub(super) fn emit_move(source: SubField, target: SubField, out: &mut Writer<'_>) -> Emitted {
    extension(MOVE, out, |out| emit_names(source, target, 0, out))
}

pub(super) fn emit_set(field: Field, value: u128, mask: u128, out: &mut Writer<'_>) -> Emitted {
    if field == Field::IpTos {
        return emit_tos(value, mask, out);
    }
    let Some(oxm) = Oxm::of(field, out.version()) else { return out.lacks("setting this field") };
    emit_named(oxm, value & oxm.wire, mask & oxm.wire, out)
}

/// The type of service is two fields.
fn emit_tos(value: u128, mask: u128, out: &mut Writer<'_>) -> Emitted {
    if mask & 0xfc != 0 {
        emit_set(Field::IpDscp, value >> 2, mask >> 2, out)?;
    }
    if mask & 3 != 0 { emit_set(Field::IpEcn, value & 3, mask & 3, out) } else { Ok(()) }
}

/// The standard's action where it has a form, Nicira's otherwise.
pub(super) fn emit_set_option(option: &OptionValue, out: &mut Writer<'_>) -> Emitted {
    let value = |out: &mut Writer<'_>| {
        emit_option(option, out);
        Ok(())
    };
    match out.version() {
        Version::V15 => framed(SET_FIELD_KIND, out, value),
        Version::V13 | Version::V14 if option.mask.is_none() => framed(SET_FIELD_KIND, out, value),
        _ => extension(LOAD_MASKED, out, value),
    }
}

/// Some bits of a VLAN tag, which is added where there is none.
pub(super) fn emit_vlan(value: u128, mask: u128, out: &mut Writer<'_>) -> Emitted {
    let field = if mask == 0x1fff { Field::VlanVid } else { Field::VlanTci };
    emit_set(field, value, mask, out)
}

fn emit_named(oxm: &'static Oxm, value: u128, mask: u128, out: &mut Writer<'_>) -> Emitted {
    if mask == 0 {
        return Ok(());
    }
    match out.version() {
        Version::V15 => framed(SET_FIELD_KIND, out, |out| emit_value(oxm, value, mask, out)),
        Version::V13 | Version::V14 if mask == oxm.wire => {
            framed(SET_FIELD_KIND, out, |out| emit_value(oxm, value, mask, out))
        }
        _ => emit_load(oxm, value, mask, out),
    }
}

fn emit_value(oxm: &Oxm, value: u128, mask: u128, out: &mut Writer<'_>) -> Emitted {
    oxm.emit(value, mask, out);
    Ok(())
}

/// Consecutive bits as a load, others with a mask.
fn emit_load(oxm: &Oxm, value: u128, mask: u128, out: &mut Writer<'_>) -> Emitted {
    let (offset, bits) = (mask.trailing_zeros(), mask.count_ones());
    let consecutive = bits == 128 - mask.leading_zeros() - offset;
    let range = SubField::new(oxm.field, offset, bits).map(|range| short(range, out));
    let Some(Ok(covering)) = range.filter(|_| consecutive && bits <= 64) else {
        return extension(LOAD_MASKED, out, |out| emit_value(oxm, value, mask, out));
    };
    extension(LOAD, out, |out| {
        super::frame::emit_range(&covering, out)?;
        covering.oxm.emit_header(false, out);
        out.u64((value >> offset) as u64);
        Ok(())
    })
}
