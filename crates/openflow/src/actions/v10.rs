//! `ofp_action` of OpenFlow 1.0.

use tulle_flow::{Action, Field, Match, Prerequisite, port};

use super::frame::framed;
use super::standard::output;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::{EmitError, ErrorCode};
use crate::port_number::{emit_short_port, parse_short_port};

const OUTPUT: u16 = 0;
const SET_VLAN_VID: u16 = 1;
const SET_VLAN_PCP: u16 = 2;
const STRIP_VLAN: u16 = 3;
const SET_ETH_SRC: u16 = 4;
const SET_ETH_DST: u16 = 5;
const SET_IP_SRC: u16 = 6;
const SET_IP_DST: u16 = 7;
const SET_IP_TOS: u16 = 8;
const SET_TP_SRC: u16 = 9;
const SET_TP_DST: u16 = 10;
const ENQUEUE: u16 = 11;

pub(super) fn parse_action(kind: u16, mut body: Reader<'_>) -> Parsed<Action> {
    let body = &mut body;
    let action = match kind {
        OUTPUT => {
            let number = parse_short_port(body)?;
            output(number, body.u16()?)?
        }
        SET_VLAN_VID => Action::SetVlanVid(padded(body, 2, 2)? as u16),
        SET_VLAN_PCP => Action::SetVlanPcp(padded(body, 1, 3)? as u8),
        STRIP_VLAN => padded(body, 0, 4).map(|_| Action::PopVlan)?,
        SET_ETH_SRC => set(Field::EthSrc, padded(body, 6, 6)?),
        SET_ETH_DST => set(Field::EthDst, padded(body, 6, 6)?),
        SET_IP_SRC => set(Field::IpSrc, padded(body, 4, 0)?),
        SET_IP_DST => set(Field::IpDst, padded(body, 4, 0)?),
        SET_IP_TOS => parse_tos(body)?,
        SET_TP_SRC => set(Field::TcpSrc, padded(body, 2, 2)?),
        SET_TP_DST => set(Field::TcpDst, padded(body, 2, 2)?),
        ENQUEUE => {
            let port = parse_short_port(body)?;
            body.skip(6)?;
            Action::Enqueue { port, queue: body.u32()? }
        }
        _ => return Err(ErrorCode::BadActionType),
    };
    body.finish()?;
    Ok(action)
}

/// A number and the padding after it.
fn padded(body: &mut Reader<'_>, bytes: usize, padding: usize) -> Parsed<u128> {
    let value = body.number(bytes)?;
    body.skip(padding)?;
    Ok(value)
}

fn set(field: Field, value: u128) -> Action {
    Action::Set { field, value, mask: field.ones() }
}

fn parse_tos(body: &mut Reader<'_>) -> Parsed<Action> {
    let tos = padded(body, 1, 3)?;
    if tos & 3 != 0 {
        return Err(ErrorCode::BadActionArgument);
    }
    Ok(set(Field::IpDscp, tos >> 2))
}

/// The actions that set ports name no protocol: that of the match is meant.  Without one it is TCP.
pub(crate) fn retarget_ports(actions: &mut [Action], matching: &Match) {
    let (source, target) = if matching.guarantees(Prerequisite::Udp) {
        (Field::UdpSrc, Field::UdpDst)
    } else if matching.guarantees(Prerequisite::Sctp) {
        (Field::SctpSrc, Field::SctpDst)
    } else {
        return;
    };
    for action in actions {
        if let Action::Set { field, mask: 0xffff, .. } = action {
            match field {
                Field::TcpSrc => *field = source,
                Field::TcpDst => *field = target,
                _ => {}
            }
        }
    }
}

/// Emits an action; false where only Nicira has it.
pub(super) fn emit_action(action: &Action, out: &mut Writer<'_>) -> Result<bool, EmitError> {
    match action {
        Action::Output(number) => {
            let max_len = if *number == port::CONTROLLER { 0xffff } else { 0 };
            emit_output(*number, max_len, out)?;
        }
        Action::OutputNoting { port, max_len } => emit_output(*port, *max_len, out)?,
        Action::Controller { max_len } => emit_output(port::CONTROLLER, *max_len, out)?,
        Action::SetVlanVid(vid) => emit_padded(SET_VLAN_VID, (*vid).into(), 2, 2, out)?,
        Action::SetVlanPcp(pcp) => emit_padded(SET_VLAN_PCP, (*pcp).into(), 1, 3, out)?,
        Action::PopVlan => emit_padded(STRIP_VLAN, 0, 0, 4, out)?,
        Action::Enqueue { port, queue } => framed(ENQUEUE, out, |out| {
            emit_short_port(*port, out)?;
            out.zeros(6);
            out.u32(*queue);
            Ok(())
        })?,
        Action::Set { field, value, mask } => match plain(*field, *value, *mask) {
            Some((kind, value, bytes, padding)) => emit_padded(kind, value, bytes, padding, out)?,
            None => super::set::emit_set(*field, *value, *mask, out)?,
        },
        Action::SetOption(option) => super::set::emit_set_option(option, out)?,
        Action::PushVlan(_) => return out.lacks("pushing a VLAN tag"),
        Action::CopyTtlIn | Action::CopyTtlOut => return out.lacks("copying a TTL"),
        Action::SetTtl(ttl) => super::set::emit_set(Field::IpTtl, (*ttl).into(), 0xff, out)?,
        Action::Meter(_) => return out.lacks("a meter"),
        Action::ClearActions | Action::WriteActions(_) => return out.lacks("an action set"),
        Action::GotoTable(_) => return out.lacks("going to a table"),
        _ => return Ok(false),
    }
    Ok(true)
}

/// The type, value, its bytes and its padding, of the actions that set a whole field.
fn plain(field: Field, value: u128, mask: u128) -> Option<(u16, u128, usize, usize)> {
    if field == Field::IpTos && mask == 0xfc {
        return Some((SET_IP_TOS, value, 1, 3));
    }
    if mask != field.ones() {
        return None;
    }
    Some(match field {
        Field::EthSrc => (SET_ETH_SRC, value, 6, 6),
        Field::EthDst => (SET_ETH_DST, value, 6, 6),
        Field::IpSrc => (SET_IP_SRC, value, 4, 0),
        Field::IpDst => (SET_IP_DST, value, 4, 0),
        Field::IpDscp => (SET_IP_TOS, value << 2, 1, 3),
        Field::TcpSrc | Field::UdpSrc | Field::SctpSrc => (SET_TP_SRC, value, 2, 2),
        Field::TcpDst | Field::UdpDst | Field::SctpDst => (SET_TP_DST, value, 2, 2),
        _ => return None,
    })
}

fn emit_padded(kind: u16, value: u128, bytes: usize, padding: usize, out: &mut Writer<'_>) -> Emitted {
    framed(kind, out, |out| {
        out.number(value, bytes);
        out.zeros(padding);
        Ok(())
    })
}

fn emit_output(number: u32, max_len: u16, out: &mut Writer<'_>) -> Emitted {
    framed(OUTPUT, out, |out| {
        emit_short_port(number, out)?;
        out.u16(max_len);
        Ok(())
    })
}
