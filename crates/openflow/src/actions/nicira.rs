//! Nicira's actions (`ovs-actions(7)`): which there are, and those that are small.

mod controller;
mod ct;
mod hash;
mod learn;
mod nat;
mod sample;

use tulle_flow::{Action, Field, SubField};

use super::frame::{emit_range, extension, long, parse_name, parse_range, short, sub_field, target};
use super::{parse_actions, set};
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::port_number::{emit_short_port, parse_short_port};

const RESUBMIT: u16 = 1;
const SET_TUNNEL: u16 = 2;
const SET_QUEUE: u16 = 4;
const POP_QUEUE: u16 = 5;
const NOTE: u16 = 8;
const SET_TUNNEL64: u16 = 9;
const MULTIPATH: u16 = 10;
const BUNDLE: u16 = 12;
const BUNDLE_LOAD: u16 = 13;
const RESUBMIT_TABLE: u16 = 14;
const OUTPUT_FIELD: u16 = 15;
const LEARN: u16 = 16;
const EXIT: u16 = 17;
const DEC_TTL: u16 = 18;
const FIN_TIMEOUT: u16 = 19;
const CONTROLLER: u16 = 20;
const DEC_TTL_TELLING: u16 = 21;
const WRITE_METADATA: u16 = 22;
const PUSH_MPLS: u16 = 23;
const POP_MPLS: u16 = 24;
const SET_MPLS_TTL: u16 = 25;
const DEC_MPLS_TTL: u16 = 26;
const PUSH: u16 = 27;
const POP: u16 = 28;
const SAMPLE: u16 = 29;
const SET_MPLS_LABEL: u16 = 30;
const SET_MPLS_TC: u16 = 31;
const OUTPUT_FIELD2: u16 = 32;
const CONJUNCTION: u16 = 34;
const CT: u16 = 35;
const NAT: u16 = 36;
const CONTROLLER2: u16 = 37;
const SAMPLE2: u16 = 38;
const OUTPUT_TRUNCATED: u16 = 39;
const GROUP: u16 = 40;
const SAMPLE3: u16 = 41;
const CLONE: u16 = 42;
const CT_CLEAR: u16 = 43;
const RESUBMIT_CT: u16 = 44;
const LEARN2: u16 = 45;
const CHECK_PACKET_LARGER: u16 = 49;

/// The ingress port, in 16 bits.
const IN_PORT: u16 = 0xfff8;
const PRESENT_TABLE: u8 = 0xff;

/// Parses what follows Nicira's id.
pub(super) fn parse_action(mut body: Reader<'_>) -> Parsed<Action> {
    let subtype = body.u16()?;
    match subtype {
        RESUBMIT | RESUBMIT_TABLE | RESUBMIT_CT => parse_resubmit(subtype, body),
        NOTE => Ok(Action::Note(body.rest().into())),
        MULTIPATH => hash::parse_multipath(body),
        BUNDLE | BUNDLE_LOAD => hash::parse_bundle(subtype == BUNDLE_LOAD, body),
        OUTPUT_FIELD => parse_output_field(body),
        OUTPUT_FIELD2 => parse_output_field2(body),
        set::MOVE => set::parse_move(body),
        set::LOAD => set::parse_load(body),
        set::LOAD_MASKED => set::parse_load_masked(body),
        LEARN | LEARN2 => learn::parse(subtype == LEARN2, body),
        CONTROLLER => controller::parse(body),
        CONTROLLER2 => controller::parse_properties(body),
        DEC_TTL_TELLING => parse_dec_ttl_telling(body),
        PUSH => parse_stack(body).map(Action::Push),
        POP => parse_stack(body).and_then(|bits| writable(bits).map(Action::Pop)),
        SAMPLE | SAMPLE2 | SAMPLE3 => sample::parse(subtype, body),
        CT => ct::parse(body),
        // Translation stands only within connection tracking.
        NAT => Err(ErrorCode::BadSetArgument),
        CLONE => parse_clone(body),
        CHECK_PACKET_LARGER => parse_check_packet_larger(body),
        _ => parse_plain(subtype, body),
    }
}

/// Actions with nothing but numbers.
fn parse_plain(subtype: u16, mut body: Reader<'_>) -> Parsed<Action> {
    let rest = &mut body;
    let action = match subtype {
        SET_TUNNEL => set_tunnel(after(2, rest, |rest| rest.u32().map(u128::from))?),
        SET_TUNNEL64 => set_tunnel(after(6, rest, |rest| rest.u64().map(u128::from))?),
        SET_QUEUE => Action::SetQueue(after(2, rest, Reader::u32)?),
        GROUP => Action::Group(after(2, rest, Reader::u32)?),
        POP_QUEUE => before(6, rest, |_| Ok(Action::PopQueue))?,
        EXIT => before(6, rest, |_| Ok(Action::Exit))?,
        DEC_TTL => before(6, rest, |_| Ok(Action::DecTtl))?,
        DEC_MPLS_TTL => before(6, rest, |_| Ok(Action::DecMplsTtl))?,
        CT_CLEAR => before(6, rest, |_| Ok(Action::CtClear))?,
        PUSH_MPLS => before(4, rest, |rest| rest.u16().map(Action::PushMpls))?,
        POP_MPLS => before(4, rest, |rest| rest.u16().map(Action::PopMpls))?,
        SET_MPLS_TTL => before(5, rest, |rest| rest.u8().map(Action::SetMplsTtl))?,
        SET_MPLS_TC => before(5, rest, |rest| Ok(whole(Field::MplsTc, (rest.u8()? & 7).into())))?,
        SET_MPLS_LABEL => {
            let label = after(2, rest, Reader::u32)?;
            whole(Field::MplsLabel, (label & 0xf_ffff).into())
        }
        FIN_TIMEOUT => {
            before(2, rest, |rest| Ok(Action::FinTimeout { idle: rest.u16()?, hard: rest.u16()? }))?
        }
        WRITE_METADATA => {
            let (value, mask) = after(6, rest, |rest| Ok((rest.u64()?, rest.u64()?)))?;
            Action::WriteMetadata { value: value & mask, mask }
        }
        CONJUNCTION => {
            let (clause, clauses) = (rest.u8()?, rest.u8()?);
            Action::Conjunction { id: rest.u32()?, clause, clauses }
        }
        OUTPUT_TRUNCATED => {
            let port = parse_short_port(rest)?;
            Action::OutputTruncated { port, max_len: rest.u32()? }
        }
        _ => return Err(ErrorCode::BadActionExperimenterType),
    };
    body.finish()?;
    Ok(action)
}

/// What stands after some padding.
fn after<'a, T>(
    padding: usize,
    body: &mut Reader<'a>,
    parse: impl Fn(&mut Reader<'a>) -> Parsed<T>,
) -> Parsed<T> {
    body.skip(padding)?;
    parse(body)
}

/// What stands before some padding.
fn before<'a, T>(
    padding: usize,
    body: &mut Reader<'a>,
    parse: impl Fn(&mut Reader<'a>) -> Parsed<T>,
) -> Parsed<T> {
    let value = parse(body)?;
    body.skip(padding)?;
    Ok(value)
}

fn whole(field: Field, value: u128) -> Action {
    Action::Set { field, value, mask: field.ones() }
}

fn set_tunnel(id: u128) -> Action {
    whole(Field::TunId, id)
}

fn writable(bits: SubField) -> Parsed<SubField> {
    if bits.field.is_writable() { Ok(bits) } else { Err(ErrorCode::BadSetType) }
}

fn parse_resubmit(subtype: u16, mut body: Reader<'_>) -> Parsed<Action> {
    let (port, table) = (body.u16()?, body.u8()?);
    body.skip(3)?;
    body.finish()?;
    let port = (port != IN_PORT).then_some(port);
    let table = (subtype != RESUBMIT && table != PRESENT_TABLE).then_some(table);
    Ok(match subtype {
        RESUBMIT_CT => Action::ResubmitTracked { port, table },
        _ => Action::Resubmit { port, table },
    })
}

fn parse_output_field(mut body: Reader<'_>) -> Parsed<Action> {
    let (offset, bits) = parse_range(&mut body)?;
    let oxm = parse_name(&mut body)?;
    body.skip(2)?;
    if body.take(6)?.iter().any(|byte| *byte != 0) {
        return Err(ErrorCode::BadActionArgument);
    }
    body.finish()?;
    sub_field(oxm, offset, bits).map(Action::OutputField)
}

fn parse_output_field2(mut body: Reader<'_>) -> Parsed<Action> {
    let (offset, bits) = parse_range(&mut body)?;
    body.skip(2)?;
    let oxm = parse_name(&mut body)?;
    body.padding(ErrorCode::MustBeZero)?;
    sub_field(oxm, offset, bits).map(Action::OutputField)
}

fn parse_dec_ttl_telling(mut body: Reader<'_>) -> Parsed<Action> {
    let count = usize::from(body.u16()?);
    body.skip(4)?;
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(body.u16()?);
    }
    body.padding(ErrorCode::MustBeZero)?;
    Ok(Action::DecTtlTelling(ids.into()))
}

fn parse_stack(mut body: Reader<'_>) -> Parsed<SubField> {
    let offset = u32::from(body.u16()?);
    let oxm = parse_name(&mut body)?;
    let bits = u32::from(body.u16()?);
    let zeros = body.rest().iter().all(|byte| *byte == 0);
    // The stack takes 128 bits at a time.
    if bits > 128 {
        return Err(ErrorCode::BadActionArgument);
    }
    if zeros { sub_field(oxm, offset, bits) } else { Err(ErrorCode::MustBeZero) }
}

fn parse_clone(mut body: Reader<'_>) -> Parsed<Action> {
    if body.take(6)?.iter().any(|byte| *byte != 0) {
        return Err(ErrorCode::MustBeZero);
    }
    let actions = parse_actions(body.nested(ErrorCode::TooManyActions)?)?;
    Ok(Action::Clone(actions.into()))
}

fn parse_check_packet_larger(mut body: Reader<'_>) -> Parsed<Action> {
    let (length, offset) = (body.u16()?, u32::from(body.u16()?));
    let oxm = parse_name(&mut body)?;
    body.padding(ErrorCode::MustBeZero)?;
    Ok(Action::CheckPacketLarger { length, target: target(oxm, offset, 1)? })
}

/// Emits an action that the version's standard does not have.
pub(super) fn emit_action(action: &Action, out: &mut Writer<'_>) -> Emitted {
    match action {
        Action::Resubmit { port, table } => emit_resubmit(*port, *table, out),
        Action::ResubmitTracked { port, table } => emit_resubmit_table(RESUBMIT_CT, *port, *table, out),
        Action::OutputField(source) => emit_output_field(*source, out),
        Action::OutputTruncated { port, max_len } => extension(OUTPUT_TRUNCATED, out, |out| {
            emit_short_port(*port, out)?;
            out.u32(*max_len);
            Ok(())
        }),
        Action::Move { source, target } => set::emit_move(*source, *target, out),
        Action::Push(bits) => emit_stack(PUSH, *bits, out),
        Action::Pop(bits) => emit_stack(POP, *bits, out),
        Action::ControllerWith(to) => controller::emit(to, out),
        Action::DecTtlTelling(ids) => extension(DEC_TTL_TELLING, out, |out| {
            out.u16(ids.len() as u16);
            out.zeros(4);
            ids.iter().for_each(|id| out.u16(*id));
            Ok(())
        }),
        Action::Learn(learn) => learn::emit(learn, out),
        Action::Ct(ct) => ct::emit(ct, out),
        Action::Multipath(multipath) => hash::emit_multipath(multipath, out),
        Action::Bundle(bundle) => hash::emit_bundle(bundle, out),
        Action::Sample(sample) => sample::emit(sample, out),
        Action::Clone(actions) => extension(CLONE, out, |out| {
            out.zeros(6);
            super::emit_actions(actions, out)
        }),
        Action::CheckPacketLarger { length, target } => {
            let covering = long(*target, out)?;
            extension(CHECK_PACKET_LARGER, out, |out| {
                out.u16(*length);
                out.u16(covering.offset as u16);
                covering.oxm.emit_header(false, out);
                out.zeros(if covering.oxm.has_short_header() { 6 } else { 2 });
                Ok(())
            })
        }
        _ => emit_plain(action, out),
    }
}

/// Actions with nothing but numbers: the body is that many bytes of a number, and zeros up to 6 or 22 bytes.
fn emit_plain(action: &Action, out: &mut Writer<'_>) -> Emitted {
    let short = |value: u32| u128::from(value) << 32;
    let (subtype, value) = match action {
        Action::PopQueue => (POP_QUEUE, 0),
        Action::Exit => (EXIT, 0),
        Action::DecTtl => (DEC_TTL, 0),
        Action::DecMplsTtl => (DEC_MPLS_TTL, 0),
        Action::CtClear => (CT_CLEAR, 0),
        Action::SetQueue(queue) => (SET_QUEUE, (*queue).into()),
        Action::Group(group) => (GROUP, (*group).into()),
        Action::PushMpls(kind) => (PUSH_MPLS, short((*kind).into())),
        Action::PopMpls(kind) => (POP_MPLS, short((*kind).into())),
        Action::SetMplsTtl(ttl) => (SET_MPLS_TTL, u128::from(*ttl) << 40),
        Action::FinTimeout { idle, hard } => (FIN_TIMEOUT, u128::from(*idle) << 32 | u128::from(*hard) << 16),
        Action::Conjunction { id, clause, clauses } => {
            (CONJUNCTION, u128::from(*clause) << 40 | u128::from(*clauses) << 32 | u128::from(*id))
        }
        Action::Note(bytes) => return emit_note(bytes, out),
        Action::WriteMetadata { value, mask } => return emit_write_metadata(*value, *mask, out),
        _ => return out.lacks("this action here"),
    };
    extension(subtype, out, |out| {
        out.number(value, 6);
        Ok(())
    })
}

fn emit_note(bytes: &[u8], out: &mut Writer<'_>) -> Emitted {
    extension(NOTE, out, |out| {
        out.extend_from_slice(bytes);
        out.zeros(6_usize.saturating_sub(bytes.len()));
        Ok(())
    })
}

fn emit_write_metadata(value: u64, mask: u64, out: &mut Writer<'_>) -> Emitted {
    extension(WRITE_METADATA, out, |out| {
        out.zeros(6);
        out.u64(value);
        out.u64(mask);
        Ok(())
    })
}

fn emit_resubmit(port: Option<u16>, table: Option<u8>, out: &mut Writer<'_>) -> Emitted {
    if table.is_some() {
        return emit_resubmit_table(RESUBMIT_TABLE, port, table, out);
    }
    extension(RESUBMIT, out, |out| {
        out.u16(port.unwrap_or(IN_PORT));
        out.zeros(4);
        Ok(())
    })
}

fn emit_resubmit_table(subtype: u16, port: Option<u16>, table: Option<u8>, out: &mut Writer<'_>) -> Emitted {
    extension(subtype, out, |out| {
        out.u16(port.unwrap_or(IN_PORT));
        out.u8(table.unwrap_or(PRESENT_TABLE));
        out.zeros(3);
        Ok(())
    })
}

fn emit_output_field(source: SubField, out: &mut Writer<'_>) -> Emitted {
    let Ok(covering) = short(source, out) else { return emit_output_field2(source, out) };
    extension(OUTPUT_FIELD, out, |out| {
        emit_range(&covering, out)?;
        covering.oxm.emit_header(false, out);
        out.u16(0xffff);
        out.zeros(6);
        Ok(())
    })
}

fn emit_output_field2(source: SubField, out: &mut Writer<'_>) -> Emitted {
    let covering = long(source, out)?;
    extension(OUTPUT_FIELD2, out, |out| {
        emit_range(&covering, out)?;
        out.u16(0xffff);
        covering.oxm.emit_header(false, out);
        out.zeros(2);
        Ok(())
    })
}

fn emit_stack(subtype: u16, bits: SubField, out: &mut Writer<'_>) -> Emitted {
    let covering = long(bits, out)?;
    extension(subtype, out, |out| {
        out.u16(covering.offset as u16);
        covering.oxm.emit_header(false, out);
        out.u16(covering.bits as u16);
        out.zeros(if covering.oxm.has_short_header() { 6 } else { 2 });
        Ok(())
    })
}

/// The 16-bit ingress port as bundles name it: an `nxm_header` (`NXM_OF_IN_PORT`).
const MEMBER_TYPE: u32 = 0x0000_0002;
