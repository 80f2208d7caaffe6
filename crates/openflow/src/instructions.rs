//! `ofp_instruction` (OpenFlow 1.3.5 section 7.2.4); OpenFlow 1.0 has the actions alone.

use tulle_flow::Action;

use crate::actions::{emit_actions, parse_actions};
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::version::Version;

const GOTO_TABLE: u16 = 1;
const WRITE_METADATA: u16 = 2;
const WRITE_ACTIONS: u16 = 3;
const APPLY_ACTIONS: u16 = 4;
const CLEAR_ACTIONS: u16 = 5;
const METER: u16 = 6;
const EXPERIMENTER: u16 = 0xffff;

/// The types of instructions that a version has, as a switch reports them.
pub(crate) fn kinds(version: Version) -> impl Iterator<Item = u16> {
    GOTO_TABLE..=if version == Version::V15 { CLEAR_ACTIONS } else { METER }
}

#[derive(Default)]
struct Instructions {
    meter: Option<Action>,
    apply: Option<Vec<Action>>,
    clear: Option<Action>,
    write: Option<Action>,
    metadata: Option<Action>,
    goto: Option<Action>,
}

/// Parses all that is left as the instructions of a flow in `table`, in order of execution.
pub(crate) fn parse_instructions(reader: Reader<'_>, table: u8) -> Parsed<Vec<Action>> {
    if reader.version() == Version::V10 {
        return parse_actions(reader);
    }
    let mut reader = reader.blaming(ErrorCode::BadInstructionLength);
    let mut parsed = Instructions::default();
    while !reader.is_empty() {
        parse_instruction(&mut reader, table, &mut parsed)?;
    }
    let mut actions: Vec<Action> = parsed.meter.into_iter().collect();
    actions.extend(parsed.apply.unwrap_or_default());
    let rest = [parsed.clear, parsed.write, parsed.metadata, parsed.goto];
    actions.extend(rest.into_iter().flatten());
    Ok(actions)
}

fn parse_instruction(reader: &mut Reader<'_>, table: u8, parsed: &mut Instructions) -> Parsed<()> {
    let (kind, length) = (reader.u16()?, usize::from(reader.u16()?));
    if length < 8 || length % 8 != 0 {
        return Err(ErrorCode::BadInstructionLength);
    }
    let mut body = reader.part(length - 4, ErrorCode::BadInstructionLength)?;
    match kind {
        METER if reader.version() < Version::V15 => once(&mut parsed.meter, parse_meter(body)?),
        APPLY_ACTIONS => once(&mut parsed.apply, parse_list(body)?),
        CLEAR_ACTIONS => {
            body.skip(4).and(body.finish())?;
            once(&mut parsed.clear, Action::ClearActions)
        }
        WRITE_ACTIONS => once(&mut parsed.write, Action::WriteActions(parse_list(body)?.into())),
        WRITE_METADATA => once(&mut parsed.metadata, parse_write_metadata(body)?),
        GOTO_TABLE => once(&mut parsed.goto, parse_goto(body, table)?),
        EXPERIMENTER => body.u32().and(Err(ErrorCode::BadInstructionExperimenter)),
        _ => Err(ErrorCode::UnknownInstruction),
    }
}

/// Each instruction may stand once (OpenFlow 1.3.5 section 5.9).
fn once<T>(slot: &mut Option<T>, value: T) -> Parsed<()> {
    if slot.replace(value).is_some() { Err(ErrorCode::DuplicateInstruction) } else { Ok(()) }
}

fn parse_list(mut body: Reader<'_>) -> Parsed<Vec<Action>> {
    body.skip(4)?;
    parse_actions(body.blaming(ErrorCode::BadActionLength))
}

fn parse_meter(mut body: Reader<'_>) -> Parsed<Action> {
    let meter = body.u32()?;
    body.finish()?;
    Ok(Action::Meter(meter))
}

fn parse_write_metadata(mut body: Reader<'_>) -> Parsed<Action> {
    body.skip(4)?;
    let (value, mask) = (body.u64()?, body.u64()?);
    body.finish()?;
    Ok(Action::WriteMetadata { value: value & mask, mask })
}

fn parse_goto(mut body: Reader<'_>, table: u8) -> Parsed<Action> {
    let next = body.u8()?;
    body.skip(3)?;
    body.finish()?;
    if next <= table || next == crate::TABLE_ALL {
        return Err(ErrorCode::BadGotoTable);
    }
    Ok(Action::GotoTable(next))
}

/// True of what is an instruction of its own.
fn is_instruction(action: &Action, version: Version) -> bool {
    match action {
        Action::Meter(_) => version < Version::V15,
        Action::ClearActions
        | Action::WriteActions(_)
        | Action::WriteMetadata { .. }
        | Action::GotoTable(_) => true,
        _ => false,
    }
}

/// Emits actions as instructions; what follows a `GotoTable` is never reached and not emitted.
pub(crate) fn emit_instructions(actions: &[Action], out: &mut Writer<'_>) -> Emitted {
    if out.version() == Version::V10 {
        return emit_actions(actions, out);
    }
    let goto = actions.iter().position(|action| matches!(action, Action::GotoTable(_)));
    let mut rest = &actions[..goto.map_or(actions.len(), |at| at + 1)];
    while let Some(first) = rest.first() {
        if is_instruction(first, out.version()) {
            emit_instruction(first, out)?;
            rest = &rest[1..];
            continue;
        }
        let run = rest.iter().position(|action| is_instruction(action, out.version()));
        let (applied, after) = rest.split_at(run.unwrap_or(rest.len()));
        emit_list(APPLY_ACTIONS, applied, out)?;
        rest = after;
    }
    Ok(())
}

fn emit_instruction(action: &Action, out: &mut Writer<'_>) -> Emitted {
    match action {
        Action::Meter(meter) => emit_number(METER, *meter, out),
        Action::ClearActions => emit_number(CLEAR_ACTIONS, 0, out),
        Action::GotoTable(table) => emit_number(GOTO_TABLE, u32::from(*table) << 24, out),
        Action::WriteActions(actions) => return emit_list(WRITE_ACTIONS, actions, out),
        Action::WriteMetadata { value, mask } => {
            out.u16(WRITE_METADATA);
            out.u16(24);
            out.zeros(4);
            out.u64(*value);
            out.u64(*mask);
        }
        _ => return out.lacks("this instruction"),
    }
    Ok(())
}

/// An instruction of 8 bytes.
fn emit_number(kind: u16, value: u32, out: &mut Writer<'_>) {
    out.u16(kind);
    out.u16(8);
    out.u32(value);
}

fn emit_list(kind: u16, actions: &[Action], out: &mut Writer<'_>) -> Emitted {
    let start = out.len();
    out.u16(kind);
    out.zeros(6);
    emit_actions(actions, out)?;
    out.set_length(start + 2, start);
    Ok(())
}
