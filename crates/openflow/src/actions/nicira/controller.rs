//! Sending to a controller, with more said than by an output.

use tulle_flow::{Action, ToController};

use super::{CONTROLLER, CONTROLLER2};
use crate::actions::frame::extension;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::packet_in::PacketInReason;
use crate::property::{emit_property, emit_u8, emit_u16, emit_u32, next_property, unknown};

const MAX_LEN: u16 = 0;
const CONTROLLER_ID: u16 = 1;
const REASON: u16 = 2;
const USERDATA: u16 = 3;
const PAUSE: u16 = 4;
const METER: u16 = 5;

const WHOLE_PACKET: u16 = 0xffff;
const ACTION: u8 = PacketInReason::Action as u8;

fn default() -> ToController {
    ToController {
        max_len: WHOLE_PACKET,
        controller: 0,
        reason: ACTION,
        userdata: Box::default(),
        pause: false,
        meter: None,
    }
}

fn checked(to: ToController) -> Parsed<Action> {
    match PacketInReason::from_number(to.reason) {
        Some(_) => Ok(Action::ControllerWith(Box::new(to))),
        None => Err(ErrorCode::BadActionArgument),
    }
}

pub(super) fn parse(mut body: Reader<'_>) -> Parsed<Action> {
    let (max_len, controller, reason) = (body.u16()?, body.u16()?, body.u8()?);
    body.skip(1)?;
    body.finish()?;
    checked(ToController { max_len, controller, reason, ..default() })
}

pub(super) fn parse_properties(mut body: Reader<'_>) -> Parsed<Action> {
    if body.take(6)?.iter().any(|byte| *byte != 0) {
        return Err(ErrorCode::MustBeZero);
    }
    let mut to = default();
    while let Some(mut property) = next_property(&mut body)? {
        match property.kind {
            MAX_LEN => to.max_len = property.u16()?,
            CONTROLLER_ID => to.controller = property.u16()?,
            REASON => to.reason = property.u8()?,
            USERDATA => to.userdata = property.body.rest().into(),
            PAUSE => to.pause = true,
            METER => to.meter = Some(property.u32()?),
            _ => return Err(unknown(property)),
        }
    }
    checked(to)
}

pub(super) fn emit(to: &ToController, out: &mut Writer<'_>) -> Emitted {
    if to.userdata.is_empty() && !to.pause && to.meter.is_none() {
        return extension(CONTROLLER, out, |out| {
            out.u16(to.max_len);
            out.u16(to.controller);
            out.u8(to.reason);
            out.u8(0);
            Ok(())
        });
    }
    extension(CONTROLLER2, out, |out| {
        out.zeros(6);
        emit_properties(to, out);
        Ok(())
    })
}

fn emit_properties(to: &ToController, out: &mut Writer<'_>) {
    if to.max_len != WHOLE_PACKET {
        emit_u16(MAX_LEN, to.max_len, out);
    }
    if to.controller != 0 {
        emit_u16(CONTROLLER_ID, to.controller, out);
    }
    if to.reason != ACTION {
        emit_u8(REASON, to.reason, out);
    }
    if !to.userdata.is_empty() {
        emit_property(USERDATA, out, |out| out.extend_from_slice(&to.userdata));
    }
    if to.pause {
        emit_property(PAUSE, out, |_| {});
    }
    if let Some(meter) = to.meter {
        emit_u32(METER, meter, out);
    }
}
