//! `ofp_action` of OpenFlow 1.3 to 1.5.

use tulle_flow::{Action, port};

use super::frame::framed;
use super::set;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::{EmitError, ErrorCode};
use crate::port_number::is_out_of_range;
use crate::version::Version;

const OUTPUT: u16 = 0;
const COPY_TTL_OUT: u16 = 11;
const COPY_TTL_IN: u16 = 12;
const SET_MPLS_TTL: u16 = 15;
const DEC_MPLS_TTL: u16 = 16;
const PUSH_VLAN: u16 = 17;
const POP_VLAN: u16 = 18;
const PUSH_MPLS: u16 = 19;
const POP_MPLS: u16 = 20;
const SET_QUEUE: u16 = 21;
const GROUP: u16 = 22;
const SET_NW_TTL: u16 = 23;
const DEC_NW_TTL: u16 = 24;
const SET_FIELD: u16 = 25;
const PUSH_PBB: u16 = 26;
const POP_PBB: u16 = 27;
const COPY_FIELD: u16 = 28;
const METER: u16 = 29;

/// The types of actions that a version has, as a switch reports them.
pub(crate) fn kinds(version: Version) -> Vec<u16> {
    let mut kinds: Vec<u16> = vec![OUTPUT, COPY_TTL_OUT, COPY_TTL_IN];
    kinds.extend(SET_MPLS_TTL..=POP_PBB);
    if version == Version::V15 {
        kinds.extend([COPY_FIELD, METER]);
    }
    kinds
}

/// The whole packet, when sent to the controller (`OFPCML_NO_BUFFER`).
const WHOLE_PACKET: u16 = 0xffff;

pub(super) fn parse_action(kind: u16, body: Reader<'_>) -> Parsed<Action> {
    let new = body.version() == Version::V15;
    match kind {
        OUTPUT => parse_output(body),
        COPY_TTL_OUT => nothing(body, Action::CopyTtlOut),
        COPY_TTL_IN => nothing(body, Action::CopyTtlIn),
        SET_MPLS_TTL => byte(body).map(Action::SetMplsTtl),
        DEC_MPLS_TTL => nothing(body, Action::DecMplsTtl),
        PUSH_VLAN => short(body).map(Action::PushVlan),
        POP_VLAN => nothing(body, Action::PopVlan),
        PUSH_MPLS => short(body).map(Action::PushMpls),
        POP_MPLS => short(body).map(Action::PopMpls),
        SET_QUEUE => word(body).map(Action::SetQueue),
        GROUP => word(body).map(Action::Group),
        SET_NW_TTL => byte(body).map(Action::SetTtl),
        DEC_NW_TTL => nothing(body, Action::DecTtl),
        SET_FIELD => set::parse_set_field(body),
        PUSH_PBB => short(body).map(Action::PushPbb),
        POP_PBB => nothing(body, Action::PopPbb),
        COPY_FIELD if new => set::parse_copy_field(body),
        METER if new => word(body).map(Action::Meter),
        _ => Err(ErrorCode::BadActionType),
    }
}

fn nothing(mut body: Reader<'_>, action: Action) -> Parsed<Action> {
    body.skip(4).and(body.finish()).map(|()| action)
}

fn byte(mut body: Reader<'_>) -> Parsed<u8> {
    let value = body.u8()?;
    body.skip(3)?;
    body.finish()?;
    Ok(value)
}

fn short(mut body: Reader<'_>) -> Parsed<u16> {
    let value = body.u16()?;
    body.skip(2)?;
    body.finish()?;
    Ok(value)
}

fn word(mut body: Reader<'_>) -> Parsed<u32> {
    let value = body.u32()?;
    body.finish()?;
    Ok(value)
}

fn parse_output(mut body: Reader<'_>) -> Parsed<Action> {
    let (number, max_len) = (body.u32()?, body.u16()?);
    body.skip(6)?;
    body.finish()?;
    output(number, max_len)
}

/// Sends to a port that may be sent to.
pub(super) fn output(number: u32, max_len: u16) -> Parsed<Action> {
    match number {
        port::CONTROLLER => Ok(Action::Controller { max_len }),
        0 | port::NONE => Err(ErrorCode::BadOutPort),
        _ if is_out_of_range(number) => Err(ErrorCode::BadOutPort),
        0xffff_ff00..port::IN_PORT => Err(ErrorCode::BadOutPort),
        _ if max_len != 0 => Ok(Action::OutputNoting { port: number, max_len }),
        _ => Ok(Action::Output(number)),
    }
}

/// Emits an action; false where only Nicira has it.
pub(super) fn emit_action(action: &Action, out: &mut Writer<'_>) -> Result<bool, EmitError> {
    match action {
        Action::Output(port::CONTROLLER) => emit_output(port::CONTROLLER, WHOLE_PACKET, out)?,
        Action::Output(number) => emit_output(*number, 0, out)?,
        Action::OutputNoting { port, max_len } => emit_output(*port, *max_len, out)?,
        Action::Controller { max_len } => emit_output(port::CONTROLLER, *max_len, out)?,
        Action::Enqueue { port, queue } => emit_enqueue(*port, *queue, out)?,
        Action::CopyTtlOut => emit_number(COPY_TTL_OUT, 0, out)?,
        Action::CopyTtlIn => emit_number(COPY_TTL_IN, 0, out)?,
        Action::SetMplsTtl(ttl) => emit_number(SET_MPLS_TTL, u32::from(*ttl) << 24, out)?,
        Action::DecMplsTtl => emit_number(DEC_MPLS_TTL, 0, out)?,
        Action::PushVlan(kind) => emit_number(PUSH_VLAN, u32::from(*kind) << 16, out)?,
        Action::PopVlan => emit_number(POP_VLAN, 0, out)?,
        Action::PushMpls(kind) => emit_number(PUSH_MPLS, u32::from(*kind) << 16, out)?,
        Action::PopMpls(kind) => emit_number(POP_MPLS, u32::from(*kind) << 16, out)?,
        Action::PushPbb(kind) => emit_number(PUSH_PBB, u32::from(*kind) << 16, out)?,
        Action::PopPbb => emit_number(POP_PBB, 0, out)?,
        Action::SetQueue(queue) => emit_number(SET_QUEUE, *queue, out)?,
        Action::Group(group) => emit_number(GROUP, *group, out)?,
        Action::SetTtl(ttl) => emit_number(SET_NW_TTL, u32::from(*ttl) << 24, out)?,
        Action::DecTtl => emit_number(DEC_NW_TTL, 0, out)?,
        Action::Meter(meter) if out.version() == Version::V15 => emit_number(METER, *meter, out)?,
        Action::Set { field, value, mask } => set::emit_set(*field, *value, *mask, out)?,
        Action::SetOption(option) => set::emit_set_option(option, out)?,
        Action::SetVlanVid(vid) => set::emit_vlan(u128::from(*vid & 0xfff) | 0x1000, 0x1fff, out)?,
        Action::SetVlanPcp(pcp) => set::emit_vlan((u128::from(*pcp) << 13) | 0x1000, 0xf000, out)?,
        Action::Move { source, target } if out.version() == Version::V15 => {
            set::emit_copy_field(COPY_FIELD, *source, *target, out)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// An action of 8 bytes.
fn emit_number(kind: u16, value: u32, out: &mut Writer<'_>) -> Emitted {
    framed(kind, out, |out| {
        out.u32(value);
        Ok(())
    })
}

fn emit_output(number: u32, max_len: u16, out: &mut Writer<'_>) -> Emitted {
    framed(OUTPUT, out, |out| {
        out.u32(number);
        out.u16(max_len);
        out.zeros(6);
        Ok(())
    })
}

/// What one action of OpenFlow 1.0 does takes three.
fn emit_enqueue(number: u32, queue: u32, out: &mut Writer<'_>) -> Emitted {
    emit_number(SET_QUEUE, queue, out)?;
    emit_output(number, 0, out)?;
    super::nicira::emit_action(&Action::PopQueue, out)
}

pub(super) const SET_FIELD_KIND: u16 = SET_FIELD;
