//! `ofp_match`: a list of fields, in type-length-value form (OpenFlow 1.3.5 section 7.2.3), and Nicira's `nx_match`.

use tulle_flow::{Field, Match, Prerequisite};

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::oxm::{self, Named, Oxm, OxmHeader, emit_option};
use crate::version::Version;

const OXM: u16 = 1;
/// The bits of `ct_state` that have a meaning (`ovs-fields(7)`).
const CT_STATES: u128 = 0xff;

/// What a list of fields says.
#[derive(Default)]
pub(crate) struct Fields {
    pub matching: Match,
    /// A cookie and its mask, which Nicira's matches may hold.
    pub cookie: Option<(u64, u64)>,
}

/// Parses a match and the padding after it.
pub(crate) fn parse_match(reader: &mut Reader<'_>) -> Parsed<Match> {
    let (kind, length) = (reader.u16()?, usize::from(reader.u16()?));
    if kind != OXM {
        return Err(ErrorCode::BadMatchType);
    }
    let fields_len = length.checked_sub(4).ok_or(ErrorCode::BadMatchLength)?;
    if length.next_multiple_of(8) - 4 > reader.len() {
        return Err(ErrorCode::BadMatchLength);
    }
    let fields = reader.part(fields_len, ErrorCode::BadMatchLength)?;
    reader.skip(length.next_multiple_of(8) - length)?;
    let found = parse_oxms(fields)?;
    if found.cookie.is_some() { Err(ErrorCode::BadField) } else { Ok(found.matching) }
}

/// Parses a match of Nicira's, of `length` bytes, and the padding after it.
pub(crate) fn parse_nxm(reader: &mut Reader<'_>, length: usize) -> Parsed<Fields> {
    if length.next_multiple_of(8) > reader.len() {
        return Err(ErrorCode::BadRequestLength);
    }
    let fields = reader.part(length, ErrorCode::BadMatchLength)?;
    reader.skip(length.next_multiple_of(8) - length)?;
    parse_oxms(fields)
}

/// Parses all that is left as fields.
pub(crate) fn parse_oxms(mut reader: Reader<'_>) -> Parsed<Fields> {
    let mut reader = reader_of_fields(&mut reader);
    let mut found = Fields::default();
    let mut seen = Vec::new();
    while !reader.is_empty() {
        match OxmHeader::parse_any(&mut reader)? {
            Named::Field(header) if header.option().is_some() => {
                parse_option(header, &mut reader, &mut found.matching)?;
            }
            Named::Field(header) => parse_field(header, &mut reader, &mut found.matching, &mut seen)?,
            Named::PacketType { masked, payload } => parse_packet_type(masked, payload, &mut reader)?,
            Named::Cookie { masked } => {
                let cookie = reader.u64()?;
                let mask = if masked { reader.u64()? } else { u64::MAX };
                if found.cookie.replace((cookie & mask, mask)).is_some() {
                    return Err(ErrorCode::DuplicateField);
                }
            }
        }
    }
    let met = |field: &Field| found.matching.guarantees(field.prerequisite());
    if seen.iter().all(met) { Ok(found) } else { Err(ErrorCode::BadPrerequisite) }
}

fn parse_option(header: OxmHeader, reader: &mut Reader<'_>, matching: &mut Match) -> Parsed<()> {
    let index = header.option().ok_or(ErrorCode::BadField)?;
    let option = header.parse_option(index, reader)?;
    if matching.mask().field(Field::TunPresent) >> index & 1 == 1 {
        return Err(ErrorCode::DuplicateField);
    }
    if matching.require_option(&option) { Ok(()) } else { Err(ErrorCode::BadMatchLength) }
}

fn reader_of_fields<'a>(reader: &mut Reader<'a>) -> Reader<'a> {
    reader.blaming(ErrorCode::BadMatchLength)
}

/// Only Ethernet packets are known here: namespace 0, type 0.
fn parse_packet_type(masked: bool, payload: usize, reader: &mut Reader<'_>) -> Parsed<()> {
    if masked {
        return Err(ErrorCode::BadMask);
    }
    if payload != 4 {
        return Err(ErrorCode::BadMatchLength);
    }
    if reader.u32()? == 0 { Ok(()) } else { Err(ErrorCode::BadValue) }
}

fn parse_field(
    header: OxmHeader,
    reader: &mut Reader<'_>,
    matching: &mut Match,
    seen: &mut Vec<Field>,
) -> Parsed<()> {
    let (value, mask) = header.parse_value(reader)?;
    let (oxm, field) = (header.oxm, header.oxm.field);
    if mask != 0 && mask != oxm.wire && !field.is_maskable() {
        return Err(ErrorCode::BadMask);
    }
    if field == Field::CtState && (value | (mask & (oxm.wire * u128::from(header.masked)))) & !CT_STATES != 0
    {
        return Err(ErrorCode::BadValue);
    }
    // A field may name bits that another has named already.
    if seen.contains(&field) || matching.mask().field(field) & oxm.field_mask(oxm.wire) != 0 {
        return Err(ErrorCode::DuplicateField);
    }
    seen.push(field);
    if mask == 0 {
        return Ok(());
    }
    // "No VLAN" leaves nothing of the tag to choose (OpenFlow 1.3.5 section 7.2.3.7: OFPVID_NONE).
    if field == Field::VlanVid && value == 0 && mask == oxm.wire {
        matching.require(Field::VlanTci, 0, u128::MAX);
    } else {
        require(matching, field, oxm.field_value(value), oxm.field_mask(mask));
    }
    Ok(())
}

/// Requires bits of a field beside those that other names of its bits require already.
fn require(matching: &mut Match, field: Field, value: u128, mask: u128) {
    let known_mask = matching.mask().field(field);
    let known = matching.key().field(field);
    matching.require(field, known | value, known_mask | mask);
}

/// Emits a match, padded.
pub(crate) fn emit_match(matching: &Match, out: &mut Writer<'_>) -> Emitted {
    let start = out.len();
    out.u16(OXM);
    out.u16(0);
    emit_oxms(matching, out)?;
    out.set_length(start + 2, start);
    out.align(start);
    Ok(())
}

/// Emits a match of Nicira's and a cookie, padded; the length goes to `at`.
pub(crate) fn emit_nxm(
    matching: &Match,
    cookie: Option<(u64, u64)>,
    at: usize,
    out: &mut Writer<'_>,
) -> Emitted {
    let start = out.len();
    emit_oxms(matching, out)?;
    if let Some((cookie, mask)) = cookie {
        oxm::emit_cookie(cookie, mask, out);
    }
    out.set_length(at, start);
    out.align(start);
    Ok(())
}

/// Emits a match's fields, those first that others need (OpenFlow 1.3.5 section 7.2.3.6).
pub(crate) fn emit_oxms(matching: &Match, out: &mut Writer<'_>) -> Emitted {
    let needs_nothing = |field: Field| field.prerequisite() == Prerequisite::None;
    for first in [true, false] {
        let pass = matching.fields().filter(|(field, ..)| needs_nothing(*field) == first);
        for (field, value, mask) in pass {
            emit_field(field, value, mask, out)?;
        }
        if first {
            matching.options().iter().for_each(|option| emit_option(option, out));
        }
    }
    Ok(())
}

fn emit_field(field: Field, value: u128, mask: u128, out: &mut Writer<'_>) -> Emitted {
    match field {
        Field::IpTos => emit_tos(value, mask, out),
        Field::VlanTci if out.version() > Version::V10 => emit_vlan(value, mask, out),
        _ => emit_whole(field, value, mask, out),
    }
}

fn emit_whole(field: Field, value: u128, mask: u128, out: &mut Writer<'_>) -> Emitted {
    let mut found = Oxm::of(field, out.version());
    // A port above the 16-bit ones has only the newer name.
    if field == Field::InPort && out.version() == Version::V10 && (0xff00..0xffff_ff00).contains(&value) {
        found = Oxm::of(field, Version::V13);
    }
    let Some(oxm) = found else { return out.lacks("matching this field") };
    if mask & oxm.wire != 0 {
        oxm.emit(value, mask, out);
    }
    Ok(())
}

/// The two fields that the type of service is made of; Nicira's name for the upper one keeps it in place.
fn emit_tos(value: u128, mask: u128, out: &mut Writer<'_>) -> Emitted {
    if mask & 0xfc != 0 {
        match out.version() {
            Version::V10 => emit_whole(Field::IpTos, value, mask, out)?,
            _ => emit_whole(Field::IpDscp, value >> 2, mask >> 2, out)?,
        }
    }
    emit_whole(Field::IpEcn, value & 3, mask & 3, out)
}

/// The standard's two fields where they say it exactly, Nicira's single one otherwise.
fn emit_vlan(value: u128, mask: u128, out: &mut Writer<'_>) -> Emitted {
    const PRESENT: u128 = 0x1000;
    const VID: u128 = 0x1fff;
    let whole = mask == Field::VlanTci.ones();
    let vid_only = mask & !VID == 0;
    let pcp = mask >> 13;
    if whole && value == 0 {
        emit_whole(Field::VlanVid, 0, VID, out)
    } else if value & PRESENT != 0 && pcp == 7 {
        emit_whole(Field::VlanVid, value & VID, mask & VID, out)?;
        emit_whole(Field::VlanPcp, value >> 13, pcp, out)
    } else if vid_only && (value != 0 || mask != VID) {
        emit_whole(Field::VlanVid, value, mask, out)
    } else {
        emit_whole(Field::VlanTci, value, mask, out)
    }
}

/// Parses fields whose values are masks.
pub(crate) fn parse_field_masks(mut reader: Reader<'_>) -> Parsed<Vec<(Field, u128)>> {
    let mut reader = reader_of_fields(&mut reader);
    let mut masks: Vec<(Field, u128)> = Vec::new();
    while !reader.is_empty() {
        let header = OxmHeader::parse(&mut reader)?;
        if header.masked {
            return Err(ErrorCode::BadMask);
        }
        let (value, _) = header.parse_value(&mut reader)?;
        let field = header.oxm.field;
        if masks.iter().any(|(known, _)| *known == field) {
            return Err(ErrorCode::DuplicateField);
        }
        masks.push((field, header.oxm.field_mask(value)));
    }
    Ok(masks)
}

pub(crate) fn emit_field_masks(masks: &[(Field, u128)], out: &mut Writer<'_>) -> Emitted {
    for (field, mask) in masks {
        let Some(oxm) = Oxm::of(*field, out.version()) else { return out.lacks("hashing this field") };
        oxm.emit(mask & oxm.wire, oxm.wire, out);
    }
    Ok(())
}
