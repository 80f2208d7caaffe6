//! Actions that send: to ports, queues, controllers.

use std::fmt;

use super::super::TextError;
use super::super::values::parse_number;
use super::subfield;
use super::words::{self, Words, number};
use crate::action::{Action, ToController, port};

/// Reasons as `ovs-actions(7)` names them, by number.
const REASONS: [&str; 6] = ["no_match", "action", "invalid_ttl", "action_set", "group", "packet_out"];
const ACTION_REASON: u8 = 1;

pub(super) fn parse(name: &str, argument: &str) -> Option<Result<Action, TextError>> {
    Some(match name {
        "output" => parse_output(argument),
        "controller" | "CONTROLLER" => parse_controller(argument),
        "enqueue" => parse_enqueue(argument),
        "set_queue" => number(name, argument).map(Action::SetQueue),
        "pop_queue" => Ok(Action::PopQueue),
        _ => return None,
    })
}

/// A port's number or reserved name, alone.
pub(super) fn parse_port(text: &str) -> Result<Action, TextError> {
    port_number(text).map(Action::Output).ok_or_else(|| TextError::UnknownAction(text.to_owned()))
}

pub(super) fn port_number(text: &str) -> Option<u32> {
    port::from_name(text).or_else(|| u32::try_from(parse_number(text)?).ok())
}

fn parse_output(argument: &str) -> Result<Action, TextError> {
    if argument.contains('=') {
        return parse_truncated(argument);
    }
    match port_number(argument) {
        Some(number) => Ok(Action::Output(number)),
        None => Ok(Action::OutputField(subfield::parse(argument)?)),
    }
}

fn parse_truncated(argument: &str) -> Result<Action, TextError> {
    let malformed = || TextError::Malformed(argument.to_owned());
    let words = Words::parse(argument, &["port", "max_len"])?;
    let port = words.value("port").and_then(port_number).ok_or_else(malformed)?;
    let max_len: u32 = words.number("max_len")?.ok_or_else(malformed)?;
    if max_len < 14 {
        return Err(malformed());
    }
    Ok(Action::OutputTruncated { port, max_len })
}

fn parse_enqueue(argument: &str) -> Result<Action, TextError> {
    let malformed = || TextError::Malformed(argument.to_owned());
    let (port, queue) = argument.split_once([':', ',']).ok_or_else(malformed)?;
    let port = port_number(port.trim()).ok_or_else(malformed)?;
    Ok(Action::Enqueue { port, queue: number("enqueue", queue.trim())? })
}

fn parse_controller(argument: &str) -> Result<Action, TextError> {
    if argument.is_empty() {
        return Ok(Action::Controller { max_len: u16::MAX });
    }
    if let Some(max_len) = parse_number(argument).and_then(|length| u16::try_from(length).ok()) {
        return Ok(Action::Controller { max_len });
    }
    let known = ["max_len", "reason", "id", "userdata", "pause", "meter_id"];
    let words = Words::parse(argument, &known)?;
    let with = ToController {
        max_len: words.number("max_len")?.unwrap_or(u16::MAX),
        controller: words.number("id")?.unwrap_or(0),
        reason: words.value("reason").map_or(Ok(ACTION_REASON), parse_reason)?,
        userdata: words.value("userdata").map_or(Ok(Box::default()), parse_userdata)?,
        pause: words.has("pause"),
        meter: words.number("meter_id")?,
    };
    Ok(if is_plain(&with) {
        Action::Controller { max_len: with.max_len }
    } else {
        Action::ControllerWith(Box::new(with))
    })
}

fn is_plain(with: &ToController) -> bool {
    with.controller == 0
        && with.reason == ACTION_REASON
        && with.userdata.is_empty()
        && !with.pause
        && with.meter.is_none()
}

fn parse_reason(text: &str) -> Result<u8, TextError> {
    match REASONS.iter().position(|reason| *reason == text) {
        Some(reason) => Ok(reason as u8),
        None => number("reason", text),
    }
}

fn parse_userdata(text: &str) -> Result<Box<[u8]>, TextError> {
    words::bytes(text).ok_or_else(|| TextError::Malformed(text.to_owned()))
}

pub(super) fn emit(f: &mut fmt::Formatter<'_>, action: &Action) -> fmt::Result {
    match action {
        Action::Output(number) | Action::OutputNoting { port: number, .. } => match port::name(*number) {
            Some(name) => f.write_str(name),
            None => write!(f, "output:{number}"),
        },
        Action::OutputTruncated { port, max_len } => {
            write!(f, "output(port={},max_len={max_len})", PortName(*port))
        }
        Action::OutputField(source) => write!(f, "output:{source}"),
        Action::Controller { max_len } => write!(f, "CONTROLLER:{max_len}"),
        Action::ControllerWith(with) => emit_controller(f, with),
        Action::Enqueue { port, queue } => write!(f, "enqueue:{}:{queue}", PortName(*port)),
        Action::SetQueue(queue) => write!(f, "set_queue:{queue}"),
        _ => f.write_str("pop_queue"),
    }
}

/// A port by its reserved name, else by its number.
pub(super) struct PortName(pub u32);

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match port::name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

fn emit_controller(f: &mut fmt::Formatter<'_>, with: &ToController) -> fmt::Result {
    match REASONS.get(usize::from(with.reason)) {
        Some(reason) => write!(f, "controller(reason={reason}")?,
        None => write!(f, "controller(reason={}", with.reason)?,
    }
    write!(f, ",max_len={},id={}", with.max_len, with.controller)?;
    if !with.userdata.is_empty() {
        write!(f, ",userdata={}", words::dotted(&with.userdata))?;
    }
    if with.pause {
        f.write_str(",pause")?;
    }
    if let Some(meter) = with.meter {
        write!(f, ",meter_id={meter}")?;
    }
    f.write_str(")")
}
