//! Learning: a flow made from a packet.

use tulle_flow::{Action, Learn, LearnSource, LearnSpec, SubField};

use super::{LEARN, LEARN2};
use crate::TABLE_ALL;
use crate::actions::frame::{extension, long, parse_name, short, sub_field, target};
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::oxm::{Covering, Oxm};

const SEND_FLOW_REMOVED: u16 = 1;
const DELETE_LEARNED: u16 = 1 << 1;
const WRITE_RESULT: u16 = 1 << 2;

const BAD: ErrorCode = ErrorCode::BadActionArgument;

pub(super) fn parse(is_new: bool, mut body: Reader<'_>) -> Parsed<Action> {
    let (idle_timeout, hard_timeout, priority) = (body.u16()?, body.u16()?, body.u16()?);
    let (cookie, flags, table) = (body.u64()?, body.u16()?, body.u8()?);
    let padding = body.u8()?;
    let (fin_idle_timeout, fin_hard_timeout) = (body.u16()?, body.u16()?);
    let known = SEND_FLOW_REMOVED | DELETE_LEARNED | if is_new { WRITE_RESULT } else { 0 };
    if padding != 0 || table == TABLE_ALL || flags & !known != 0 {
        return Err(BAD);
    }
    let (limit, result) = if is_new { parse_limit(flags, &mut body)? } else { (0, None) };
    Ok(Action::Learn(Box::new(Learn {
        idle_timeout,
        hard_timeout,
        priority,
        cookie,
        table,
        send_flow_removed: flags & SEND_FLOW_REMOVED != 0,
        delete_learned: flags & DELETE_LEARNED != 0,
        limit,
        result,
        fin_idle_timeout,
        fin_hard_timeout,
        specs: parse_specs(body)?.into(),
    })))
}

fn parse_limit(flags: u16, body: &mut Reader<'_>) -> Parsed<(u32, Option<SubField>)> {
    let (limit, offset) = (body.u32()?, u32::from(body.u16()?));
    if body.u16()? != 0 {
        return Err(ErrorCode::ActionMustBeZero);
    }
    if flags & WRITE_RESULT == 0 {
        return Ok((limit, None));
    }
    let oxm = parse_name(body)?;
    Ok((limit, Some(target(oxm, offset, 1)?)))
}

/// Numbers of where a value comes from and where it goes, in the head of a part.
const TO_MATCH: u16 = 0;
const TO_FIELD: u16 = 1;
const TO_OUTPUT: u16 = 2;
const VALUE: u16 = 1 << 13;
const MOST_BITS: u32 = 0x7ff;

fn parse_specs(mut body: Reader<'_>) -> Parsed<Vec<LearnSpec>> {
    let mut specs = Vec::new();
    while !body.is_empty() {
        let head = body.u16()?;
        if head == 0 {
            let zeros = body.rest().iter().all(|byte| *byte == 0);
            return if zeros { Ok(specs) } else { Err(BAD) };
        }
        specs.push(parse_spec(head, &mut body)?);
    }
    Ok(specs)
}

fn parse_spec(head: u16, body: &mut Reader<'_>) -> Parsed<LearnSpec> {
    let bits = u32::from(head) & MOST_BITS;
    if head >> 14 != 0 {
        return Err(BAD);
    }
    let source = match head & VALUE {
        0 => LearnSource::Field(parse_bits(bits, body, sub_field)?),
        _ => LearnSource::Value(parse_value(bits, body)?),
    };
    match (head >> 11) & 3 {
        TO_MATCH => Ok(LearnSpec::Match { source, target: parse_bits(bits, body, sub_field)? }),
        TO_FIELD => Ok(LearnSpec::Load { source, target: parse_bits(bits, body, target)? }),
        TO_OUTPUT => match source {
            LearnSource::Field(field) => Ok(LearnSpec::Output(field)),
            LearnSource::Value(_) => Err(BAD),
        },
        _ => Err(BAD),
    }
}

/// A field and the lowest bit.
fn parse_bits(
    bits: u32,
    body: &mut Reader<'_>,
    of: impl Fn(&Oxm, u32, u32) -> Parsed<SubField>,
) -> Parsed<SubField> {
    let (oxm, offset) = (parse_name(body)?, body.u16()?);
    of(oxm, offset.into(), bits)
}

/// A value in as many 16-bit words as it takes.
fn parse_value(bits: u32, body: &mut Reader<'_>) -> Parsed<u128> {
    if bits == 0 || bits > 128 {
        return Err(BAD);
    }
    let value = body.number(2 * bits.div_ceil(16) as usize)?;
    if bits < 128 && value >> bits != 0 { Err(BAD) } else { Ok(value) }
}

pub(super) fn emit(learn: &Learn, out: &mut Writer<'_>) -> Emitted {
    let is_new = learn.limit != 0 || learn.result.is_some();
    extension(if is_new { LEARN2 } else { LEARN }, out, |out| {
        [learn.idle_timeout, learn.hard_timeout, learn.priority].into_iter().for_each(|word| out.u16(word));
        out.u64(learn.cookie);
        out.u16(flags(learn));
        out.u8(learn.table);
        out.u8(0);
        out.u16(learn.fin_idle_timeout);
        out.u16(learn.fin_hard_timeout);
        if is_new {
            emit_limit(learn, out)?;
        }
        learn.specs.iter().try_for_each(|spec| emit_spec(spec, out))
    })
}

fn flags(learn: &Learn) -> u16 {
    let options = [
        (learn.send_flow_removed, SEND_FLOW_REMOVED),
        (learn.delete_learned, DELETE_LEARNED),
        (learn.result.is_some(), WRITE_RESULT),
    ];
    options.into_iter().filter(|(set, _)| *set).fold(0, |flags, (_, flag)| flags | flag)
}

fn emit_limit(learn: &Learn, out: &mut Writer<'_>) -> Emitted {
    let covering = learn.result.map(|result| long(result, out)).transpose()?;
    out.u32(learn.limit);
    out.u16(covering.as_ref().map_or(0, |covering| covering.offset as u16));
    out.u16(0);
    if let Some(covering) = covering {
        covering.oxm.emit_header(false, out);
    }
    Ok(())
}

fn emit_spec(spec: &LearnSpec, out: &mut Writer<'_>) -> Emitted {
    let (goes, source, target) = match spec {
        LearnSpec::Match { source, target } => (TO_MATCH, source, target),
        LearnSpec::Load { source, target } => (TO_FIELD, source, target),
        LearnSpec::Output(field) => {
            let covering = short(*field, out)?;
            out.u16(TO_OUTPUT << 11 | covering.bits as u16);
            emit_bits(&covering, out);
            return Ok(());
        }
    };
    let target = short(*target, out)?;
    match source {
        LearnSource::Field(field) => {
            let source = short(*field, out)?;
            out.u16(goes << 11 | target.bits.min(source.bits) as u16);
            emit_bits(&source, out);
        }
        LearnSource::Value(value) => {
            out.u16(VALUE | goes << 11 | target.bits as u16);
            out.number(*value, 2 * target.bits.div_ceil(16) as usize);
        }
    }
    emit_bits(&target, out);
    Ok(())
}

fn emit_bits(covering: &Covering, out: &mut Writer<'_>) {
    covering.oxm.emit_header(false, out);
    out.u16(covering.offset as u16);
}
