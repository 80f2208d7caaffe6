//! `ofp_instruction` (OpenFlow 1.3.5 section 7.2.4): apply actions, write metadata, go to a table.
//!
//! An action set is not kept, so the instructions that write or clear one are refused.

use tulle_flow::Action;

use crate::actions::{emit_actions, parse_actions};
use crate::bytes::{Parsed, Put, Reader};
use crate::error::{EmitError, ErrorCode};

const GOTO_TABLE: u16 = 1;
const WRITE_METADATA: u16 = 2;
const WRITE_ACTIONS: u16 = 3;
const APPLY_ACTIONS: u16 = 4;
const CLEAR_ACTIONS: u16 = 5;
const METER: u16 = 6;
const EXPERIMENTER: u16 = 0xffff;

/// The instructions that a switch built on this crate can be given.
pub(crate) const SUPPORTED: [u16; 3] = [GOTO_TABLE, WRITE_METADATA, APPLY_ACTIONS];

#[derive(Default)]
struct Instructions {
    apply: Option<Vec<Action>>,
    metadata: Option<Action>,
    goto: Option<Action>,
}

/// Parses all that is left as the instructions of a flow in `table`, in order of execution.
pub(crate) fn parse_instructions(mut reader: Reader<'_>, table: u8) -> Parsed<Vec<Action>> {
    let mut reader = Reader::new(reader.rest(), ErrorCode::BadInstructionLength);
    let mut parsed = Instructions::default();
    while !reader.is_empty() {
        parse_instruction(&mut reader, table, &mut parsed)?;
    }
    let mut actions = parsed.apply.unwrap_or_default();
    actions.extend(parsed.metadata);
    actions.extend(parsed.goto);
    Ok(actions)
}

fn parse_instruction(reader: &mut Reader<'_>, table: u8, parsed: &mut Instructions) -> Parsed<()> {
    let (kind, length) = (reader.u16()?, usize::from(reader.u16()?));
    if length < 8 || length % 8 != 0 {
        return Err(ErrorCode::BadInstructionLength);
    }
    let mut body = reader.part(length - 4, ErrorCode::BadInstructionLength)?;
    match kind {
        APPLY_ACTIONS => once(&mut parsed.apply, parse_apply(body)?),
        WRITE_METADATA => once(&mut parsed.metadata, parse_write_metadata(body)?),
        GOTO_TABLE => once(&mut parsed.goto, parse_goto(body, table)?),
        WRITE_ACTIONS | CLEAR_ACTIONS | METER => Err(ErrorCode::UnsupportedInstruction),
        EXPERIMENTER => body.u32().and(Err(ErrorCode::BadInstructionExperimenter)),
        _ => Err(ErrorCode::UnknownInstruction),
    }
}

/// Each instruction may stand once (section 5.9); 1.3 has no code of its own for a second one.
fn once<T>(slot: &mut Option<T>, value: T) -> Parsed<()> {
    if slot.replace(value).is_some() { Err(ErrorCode::UnsupportedInstruction) } else { Ok(()) }
}

fn parse_apply(mut body: Reader<'_>) -> Parsed<Vec<Action>> {
    body.skip(4)?;
    parse_actions(Reader::new(body.rest(), ErrorCode::BadActionLength))
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

/// Emits actions as instructions; what follows a `GotoTable` is never reached and not emitted.
pub(crate) fn emit_instructions(actions: &[Action], out: &mut Vec<u8>) -> Result<(), EmitError> {
    let goto = actions.iter().position(|action| matches!(action, Action::GotoTable(_)));
    let applied = &actions[..goto.unwrap_or(actions.len())];
    if !applied.is_empty() {
        emit_apply(applied, out)?;
    }
    if let Some(Action::GotoTable(table)) = goto.map(|at| &actions[at]) {
        out.u16(GOTO_TABLE);
        out.u16(8);
        out.u8(*table);
        out.zeros(3);
    }
    Ok(())
}

fn emit_apply(actions: &[Action], out: &mut Vec<u8>) -> Result<(), EmitError> {
    let start = out.len();
    out.u16(APPLY_ACTIONS);
    out.u16(0);
    out.zeros(4);
    emit_actions(actions, out)?;
    out.set_length(start + 2, start);
    Ok(())
}
