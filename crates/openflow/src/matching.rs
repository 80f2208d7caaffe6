//! `ofp_match`: a list of fields, in type-length-value form (OpenFlow 1.3.5 section 7.2.3).

use tulle_flow::{Field, Match};

use crate::bytes::{Parsed, Put, Reader};
use crate::error::ErrorCode;
use crate::oxm::{self, Oxm, OxmHeader};

const OXM: u16 = 1;

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
    parse_fields(fields)
}

fn parse_fields(mut reader: Reader<'_>) -> Parsed<Match> {
    let mut matching = Match::ANY;
    let mut seen: Vec<(Field, u128)> = Vec::new();
    while !reader.is_empty() {
        let header = OxmHeader::parse(&mut reader)?;
        let (value, mask) = header.parse_value(&mut reader)?;
        let (field, covered) = (header.oxm.field, header.oxm.field_mask(header.oxm.wire));
        if seen.iter().any(|(known, bits)| *known == field && bits & covered != 0) {
            return Err(ErrorCode::DuplicateField);
        }
        seen.push((field, covered));
        require(&mut matching, header.oxm, value, mask);
    }
    check_prerequisites(&matching, &seen)?;
    Ok(matching)
}

/// Adds one field; parts of a field add to what is required of its other parts.
fn require(matching: &mut Match, oxm: &Oxm, value: u128, mask: u128) {
    if mask == 0 {
        return;
    }
    if oxm.is_whole() {
        return matching.require(oxm.field, oxm.field_value(value), oxm.field_mask(mask));
    }
    // "No VLAN" leaves nothing of the tag to choose (OpenFlow 1.3.5 section 7.2.3.7: OFPVID_NONE).
    if *oxm == oxm::VLAN_VID && value == 0 && mask == oxm.wire {
        return matching.require(Field::VlanTci, 0, Field::VlanTci.ones());
    }
    let known_value = matching.key().field(oxm.field);
    let known_mask = matching.mask().field(oxm.field);
    matching.require(oxm.field, known_value | (value << oxm.offset), known_mask | (mask << oxm.offset));
}

fn check_prerequisites(matching: &Match, seen: &[(Field, u128)]) -> Parsed<()> {
    let met = |field: &Field| matching.guarantees(field.prerequisite());
    if seen.iter().all(|(field, _)| met(field)) { Ok(()) } else { Err(ErrorCode::BadPrerequisite) }
}

/// Emits a match, padded.
pub(crate) fn emit_match(matching: &Match, out: &mut Vec<u8>) {
    let start = out.len();
    out.u16(OXM);
    out.u16(0);
    for (field, value, mask) in matching.fields() {
        emit_field(field, value, mask, out);
    }
    out.set_length(start + 2, start);
    out.align(start);
}

fn emit_field(field: Field, value: u128, mask: u128, out: &mut Vec<u8>) {
    match field {
        Field::IpTos => emit_parts(&[&oxm::IP_DSCP, &oxm::IP_ECN], value, mask, out),
        Field::VlanTci => emit_vlan(value, mask, out),
        _ => {
            if let Some(oxm) = Oxm::whole(field)
                && mask & oxm.wire != 0
            {
                oxm.emit(value, mask, out);
            }
        }
    }
}

fn emit_parts(parts: &[&Oxm], value: u128, mask: u128, out: &mut Vec<u8>) {
    for part in parts {
        let (value, mask) = (value >> part.offset, mask >> part.offset);
        if mask & part.wire != 0 {
            part.emit(value, mask, out);
        }
    }
}

/// The standard's two fields where they say it exactly, Nicira's single one otherwise.
fn emit_vlan(value: u128, mask: u128, out: &mut Vec<u8>) {
    const PRESENT: u128 = 0x1000;
    let whole = mask == Field::VlanTci.ones();
    let vid_only = mask & !oxm::VLAN_VID.wire == 0;
    if whole && value == 0 {
        oxm::VLAN_VID.emit(0, oxm::VLAN_VID.wire, out);
    } else if whole && value & PRESENT != 0 {
        emit_parts(&[&oxm::VLAN_VID, &oxm::VLAN_PCP], value, mask, out);
    } else if vid_only && (value != 0 || mask != oxm::VLAN_VID.wire) {
        oxm::VLAN_VID.emit(value, mask, out);
    } else {
        oxm::VLAN_TCI.emit(value, mask, out);
    }
}
