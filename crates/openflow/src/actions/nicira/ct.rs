//! Connection tracking, with what it executes.

use tulle_flow::{Action, Ct, CtZone, Nat};

use super::{CT, NAT, nat};
use crate::actions::frame::{emit_range, extension, parse_name, short, sub_field};
use crate::actions::{EXPERIMENTER, emit_actions, parse_action, take_action};
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::experimenter::NICIRA;

const COMMIT: u16 = 1;
const FORCE: u16 = 1 << 1;
const NO_TABLE: u8 = 0xff;
const ZONE_BITS: u32 = 16;

pub(super) fn parse(mut body: Reader<'_>) -> Parsed<Action> {
    let flags = body.u16()?;
    if flags & !(COMMIT | FORCE) != 0 {
        return Err(ErrorCode::BadActionArgument);
    }
    let zone = parse_zone(&mut body)?;
    let table = Some(body.u8()?).filter(|table| *table != NO_TABLE);
    body.skip(3)?;
    let alg = body.u16()?;
    let (nat, exec) = parse_nested(body.nested(ErrorCode::TooManyActions)?)?;
    let (commit, force) = (flags & COMMIT != 0, flags & FORCE != 0);
    Ok(Action::Ct(Box::new(Ct { commit, force, zone, table, nat, alg, exec: exec.into() })))
}

/// A field's name and range, or zeros and the zone itself.
fn parse_zone(body: &mut Reader<'_>) -> Parsed<CtZone> {
    let mut source = *body;
    if source.u32()? == 0 {
        body.skip(4)?;
        return body.u16().map(CtZone::Fixed);
    }
    let oxm = parse_name(body)?;
    let range = body.u16()?;
    let bits = sub_field(oxm, u32::from(range >> 6), u32::from(range & 0x3f) + 1)?;
    if bits.bits == ZONE_BITS { Ok(CtZone::Field(bits)) } else { Err(ErrorCode::BadSetLength) }
}

/// What is executed: translation, which is an action only here, and others.
fn parse_nested(mut body: Reader<'_>) -> Parsed<(Option<Nat>, Vec<Action>)> {
    let (mut translation, mut exec) = (None, Vec::new());
    while !body.is_empty() {
        let (kind, content) = take_action(&mut body)?;
        match nat_body(kind, content) {
            Some(content) if translation.is_none() => translation = Some(nat::parse(content)?),
            Some(_) => return Err(ErrorCode::BadActionArgument),
            None => exec.push(parse_action(kind, content)?),
        }
    }
    Ok((translation, exec))
}

/// The body of a translation, if the action is one.
fn nat_body(kind: u16, mut body: Reader<'_>) -> Option<Reader<'_>> {
    let is_nat = kind == EXPERIMENTER && body.u32() == Ok(NICIRA) && body.u16() == Ok(NAT);
    is_nat.then_some(body)
}

pub(super) fn emit(ct: &Ct, out: &mut Writer<'_>) -> Emitted {
    extension(CT, out, |out| {
        let (commit, force) = (if ct.commit { COMMIT } else { 0 }, if ct.force { FORCE } else { 0 });
        out.u16(commit | force);
        emit_zone(ct.zone, out)?;
        out.u8(ct.table.unwrap_or(NO_TABLE));
        out.zeros(3);
        out.u16(ct.alg);
        if let Some(translation) = &ct.nat {
            nat::emit(translation, out)?;
        }
        emit_actions(&ct.exec, out)
    })
}

fn emit_zone(zone: CtZone, out: &mut Writer<'_>) -> Emitted {
    match zone {
        CtZone::Fixed(zone) => {
            out.u32(0);
            out.u16(zone);
            Ok(())
        }
        CtZone::Field(bits) => {
            let covering = short(bits, out)?;
            covering.oxm.emit_header(false, out);
            emit_range(&covering, out)
        }
    }
}
