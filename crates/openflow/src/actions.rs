//! `ofp_action` (OpenFlow 1.3.5 section 7.2.5) and the frame of every list of actions.

use tulle_flow::{Action, Field, port};

use crate::bytes::{Parsed, Put, Reader};
use crate::error::{EmitError, ErrorCode};
use crate::nicira;
use crate::oxm::{self, Oxm, OxmHeader};

const OUTPUT: u16 = 0;
const DEC_NW_TTL: u16 = 24;
const SET_FIELD: u16 = 25;
pub(crate) const EXPERIMENTER: u16 = 0xffff;

/// The whole packet, when sent to the controller (`OFPCML_NO_BUFFER`).
const WHOLE_PACKET: u16 = 0xffff;

/// Parses all that is left as actions.
pub(crate) fn parse_actions(mut reader: Reader<'_>) -> Parsed<Vec<Action>> {
    let mut actions = Vec::new();
    while !reader.is_empty() {
        let action = parse_action(&mut reader)?;
        let merged = actions.last_mut().is_some_and(|last| merge_tos(last, &action));
        if !merged {
            actions.push(action);
        }
    }
    Ok(actions)
}

fn parse_action(reader: &mut Reader<'_>) -> Parsed<Action> {
    let (kind, length) = (reader.u16()?, usize::from(reader.u16()?));
    if length < 8 || length % 8 != 0 {
        return Err(ErrorCode::BadActionLength);
    }
    let mut body = reader.part(length - 4, ErrorCode::BadActionLength)?;
    match kind {
        OUTPUT => parse_output(body),
        DEC_NW_TTL => body.skip(4).and(body.finish()).map(|()| Action::DecTtl),
        SET_FIELD => parse_set_field(body),
        EXPERIMENTER => nicira::parse_action(body),
        _ => Err(ErrorCode::BadActionType),
    }
}

fn parse_output(mut body: Reader<'_>) -> Parsed<Action> {
    let (number, max_len) = (body.u32()?, body.u16()?);
    body.skip(6)?;
    body.finish()?;
    match number {
        port::CONTROLLER => Ok(Action::Controller { max_len }),
        0 | port::NONE => Err(ErrorCode::BadOutPort),
        _ => Ok(Action::Output(number)),
    }
}

fn parse_set_field(mut body: Reader<'_>) -> Parsed<Action> {
    let header = OxmHeader::parse(&mut body).map_err(set_error)?;
    if header.masked {
        return Err(ErrorCode::BadSetType);
    }
    let (value, mask) = header.parse_value(&mut body).map_err(set_error)?;
    if body.len() >= 8 {
        return Err(ErrorCode::BadSetLength);
    }
    Ok(set(header.oxm, value, mask))
}

/// The error of an action for what would be wrong of a match.
pub(crate) fn set_error(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::BadField => ErrorCode::BadSetType,
        ErrorCode::BadMatchLength => ErrorCode::BadSetLength,
        ErrorCode::BadValue | ErrorCode::BadWildcards => ErrorCode::BadSetArgument,
        other => other,
    }
}

/// Sets bits given in wire position.
pub(crate) fn set(oxm: &Oxm, value: u128, mask: u128) -> Action {
    Action::Set { field: oxm.field, value: oxm.field_value(value & mask), mask: oxm.field_mask(mask) }
}

/// DSCP and ECN travel as two fields: joins the second to the first where they follow each other.
fn merge_tos(last: &mut Action, next: &Action) -> bool {
    let Action::Set { field: Field::IpTos, value, mask } = last else { return false };
    let Action::Set { field: Field::IpTos, value: more, mask: more_mask } = next else { return false };
    let joins = *mask & !0xfc == 0 && more_mask & !0x03 == 0;
    if joins {
        *value |= more;
        *mask |= more_mask;
    }
    joins
}

/// Emits actions in order.  A `GotoTable` is an instruction and has no form here: it is left out.
pub(crate) fn emit_actions(actions: &[Action], out: &mut Vec<u8>) -> Result<(), EmitError> {
    actions.iter().try_for_each(|action| emit_action(action, out))
}

fn emit_action(action: &Action, out: &mut Vec<u8>) -> Result<(), EmitError> {
    match action {
        Action::Output(port::CONTROLLER) => emit_output(port::CONTROLLER, WHOLE_PACKET, out),
        Action::Output(number) => emit_output(*number, 0, out),
        Action::Controller { max_len } => emit_output(port::CONTROLLER, *max_len, out),
        Action::Set { field, value, mask } => emit_set(*field, *value, *mask, out),
        Action::DecTtl => framed(DEC_NW_TTL, out, |out| out.zeros(4)),
        Action::OutputField(source) => return nicira::emit_output_field(*source, out),
        Action::Move { source, target } => return nicira::emit_move(*source, *target, out),
        Action::Resubmit { port, table } => nicira::emit_resubmit(*port, *table, out),
        _ => {}
    }
    Ok(())
}

fn emit_output(number: u32, max_len: u16, out: &mut Vec<u8>) {
    framed(OUTPUT, out, |out| {
        out.u32(number);
        out.u16(max_len);
        out.zeros(6);
    });
}

fn emit_set(field: Field, value: u128, mask: u128, out: &mut Vec<u8>) {
    let tos = [&oxm::IP_DSCP, &oxm::IP_ECN].into_iter().filter(|_| field == Field::IpTos);
    for oxm in Oxm::whole(field).into_iter().chain(tos) {
        let (value, mask) = ((value >> oxm.offset) & oxm.wire, (mask >> oxm.offset) & oxm.wire);
        if mask == oxm.wire {
            framed(SET_FIELD, out, |out| oxm.emit(value, mask, out));
        } else if mask != 0 {
            nicira::emit_load(oxm, value, mask, out);
        }
    }
}

/// Writes an action's type and length around its body, and pads it.
pub(crate) fn framed(kind: u16, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.u16(kind);
    out.u16(0);
    body(out);
    out.align(start);
    out.set_length(start + 2, start);
}
