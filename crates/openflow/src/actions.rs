//! Actions on the wire, and the frame of every list of them.
//!
//! Sources: OpenFlow 1.0 section 5.2.4, 1.3.5 section 7.2.5, 1.5.1 section 7.2.6, and `ovs-actions(7)` for Nicira's.

mod check;
mod frame;
mod nicira;
mod set;
mod standard;
mod v10;

use tulle_flow::Action;

use crate::bytes::{Emitted, Parsed, Reader, Writer};
use crate::error::{EmitError, ErrorCode};
use crate::experimenter::{NICIRA, ONF};
use crate::version::Version;

pub use check::check_actions;
pub(crate) use standard::kinds;
pub(crate) use v10::retarget_ports;

/// The type of experimenters' actions.
const EXPERIMENTER: u16 = 0xffff;

/// Parses all that is left as actions.
pub(crate) fn parse_actions(mut reader: Reader<'_>) -> Parsed<Vec<Action>> {
    let mut actions = Vec::new();
    while !reader.is_empty() {
        let (kind, body) = take_action(&mut reader)?;
        actions.push(parse_action(kind, body)?);
    }
    Ok(actions)
}

/// Takes the next action: its type, and what follows type and length.
fn take_action<'a>(reader: &mut Reader<'a>) -> Parsed<(u16, Reader<'a>)> {
    let bad = ErrorCode::BadActionLength;
    let mut head = reader.blaming(bad);
    let (kind, length) = (head.u16()?, usize::from(head.u16()?));
    if length < 8 || length % 8 != 0 {
        return Err(bad);
    }
    let body = head.part(length - 4, bad)?;
    reader.skip(length)?;
    Ok((kind, body))
}

fn parse_action(kind: u16, mut body: Reader<'_>) -> Parsed<Action> {
    if kind == EXPERIMENTER {
        return match body.u32()? {
            NICIRA => nicira::parse_action(body),
            ONF => set::parse_onf_copy_field(body),
            _ => Err(ErrorCode::BadActionExperimenter),
        };
    }
    match body.version() {
        Version::V10 => v10::parse_action(kind, body),
        _ => standard::parse_action(kind, body),
    }
}

/// Emits actions in order.
pub(crate) fn emit_actions(actions: &[Action], out: &mut Writer<'_>) -> Emitted {
    actions.iter().try_for_each(|action| emit_action(action, out))
}

fn emit_action(action: &Action, out: &mut Writer<'_>) -> Emitted {
    let emitted = match out.version() {
        Version::V10 => v10::emit_action(action, out)?,
        _ => standard::emit_action(action, out)?,
    };
    if emitted { Ok(()) } else { nicira::emit_action(action, out) }
}

/// Actions as bytes of a version, for what the switch gives a controller to keep (the continuation of a packet-in).
pub fn actions_to_bytes(version: Version, actions: &[Action]) -> Result<Vec<u8>, EmitError> {
    let mut bytes = Vec::new();
    emit_actions(actions, &mut Writer::new(&mut bytes, version.into()))?;
    Ok(bytes)
}

/// The actions that bytes of a version stand for.
pub fn actions_from_bytes(version: Version, bytes: &[u8]) -> Result<Vec<Action>, ErrorCode> {
    parse_actions(Reader::new(bytes, ErrorCode::BadActionLength, version.into()))
}
