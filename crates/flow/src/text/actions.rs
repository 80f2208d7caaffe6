//! Actions as text.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::values::{emit_masked, parse_masked, parse_number};
use super::{TextError, split_list};
use crate::action::{Action, SubField, port};
use crate::field::Field;

/// Parses a list of actions; `drop` stands for the empty list.
pub(super) fn parse_actions(text: &str) -> Result<Vec<Action>, TextError> {
    let parts = split_list(text);
    if parts == ["drop"] {
        return Ok(Vec::new());
    }
    parts.into_iter().map(str::parse).collect()
}

/// Emits a list of actions.
pub(super) fn emit_actions(out: &mut String, actions: &[Action]) {
    if actions.is_empty() {
        out.push_str("drop");
    }
    for (i, action) in actions.iter().enumerate() {
        let separator = if i == 0 { "" } else { "," };
        let _ = write!(out, "{separator}{action}");
    }
}

impl FromStr for Action {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Action, TextError> {
        let (name, argument) = split_name(text);
        match name {
            "output" => parse_output(argument),
            "set_field" | "load" => parse_set(argument),
            "move" => parse_move(argument),
            "dec_ttl" => Ok(Action::DecTtl),
            "resubmit" => parse_resubmit(argument),
            "goto_table" => Ok(Action::GotoTable(number("goto_table", argument)?)),
            "controller" | "CONTROLLER" => parse_controller(argument),
            _ => parse_port(text),
        }
    }
}

/// `name:argument`, `name(argument)` or just `name`.
fn split_name(text: &str) -> (&str, &str) {
    let Some(at) = text.find([':', '(']) else {
        return (text, "");
    };
    let argument = &text[at + 1..];
    let closed = text[at..].starts_with('(');
    (&text[..at], if closed { argument.strip_suffix(')').unwrap_or(argument) } else { argument })
}

fn number<T: TryFrom<u128>>(field: &str, text: &str) -> Result<T, TextError> {
    parse_number(text).and_then(|value| T::try_from(value).ok()).ok_or_else(|| TextError::BadValue {
        field: field.to_owned(),
        expected: "a number in range",
        got: text.to_owned(),
    })
}

fn parse_port(text: &str) -> Result<Action, TextError> {
    if let Some(number) = port::from_name(text) {
        return Ok(Action::Output(number));
    }
    let unknown = || TextError::UnknownAction(text.to_owned());
    let number = parse_number(text).ok_or_else(unknown)?;
    Ok(Action::Output(u32::try_from(number).map_err(|_| unknown())?))
}

fn parse_output(argument: &str) -> Result<Action, TextError> {
    match parse_port(argument) {
        Ok(action) => Ok(action),
        Err(_) => Ok(Action::OutputField(parse_subfield(argument)?)),
    }
}

fn parse_controller(argument: &str) -> Result<Action, TextError> {
    let length = argument.strip_prefix("max_len=").unwrap_or(argument);
    let max_len = if length.is_empty() { 0xffff } else { number("controller", length)? };
    Ok(Action::Controller { max_len })
}

/// `port`, `,table`, `port,table`, or nothing.
fn parse_resubmit(argument: &str) -> Result<Action, TextError> {
    let (port_text, table_text) = argument.split_once(',').unwrap_or((argument, ""));
    let port = match port_text.trim() {
        "" | "in_port" => None,
        text => Some(number("resubmit port", text)?),
    };
    let table = match table_text.trim() {
        "" => None,
        text => Some(number("resubmit table", text)?),
    };
    Ok(Action::Resubmit { port, table })
}

/// `value->field`, `value/mask->field`, or `value->field[a..b]`.
fn parse_set(argument: &str) -> Result<Action, TextError> {
    let (value, target) = split_arrow(argument)?;
    let target = parse_subfield(target)?;
    if target == SubField::whole(target.field) {
        let (value, mask) = parse_masked(target.field, value)?;
        return Ok(Action::Set { field: target.field, value, mask });
    }
    let value: u128 = number(target.field.name(), value)?;
    let shifted = value << target.offset;
    if shifted & !target.mask() != 0 || shifted >> target.offset != value {
        return Err(TextError::Malformed(argument.to_owned()));
    }
    Ok(Action::Set { field: target.field, value: shifted, mask: target.mask() })
}

fn parse_move(argument: &str) -> Result<Action, TextError> {
    let (source, target) = split_arrow(argument)?;
    let (source, target) = (parse_subfield(source)?, parse_subfield(target)?);
    if source.bits != target.bits {
        return Err(TextError::Malformed(argument.to_owned()));
    }
    Ok(Action::Move { source, target })
}

fn split_arrow(text: &str) -> Result<(&str, &str), TextError> {
    text.split_once("->").ok_or_else(|| TextError::Malformed(text.to_owned()))
}

/// `field`, `field[]`, `field[bit]` or `field[low..high]`.
fn parse_subfield(text: &str) -> Result<SubField, TextError> {
    let (name, bits) = match text.split_once('[') {
        Some((name, rest)) => {
            (name, rest.strip_suffix(']').ok_or_else(|| TextError::Malformed(text.to_owned()))?)
        }
        None => (text, ""),
    };
    let field = Field::from_name(name).ok_or_else(|| TextError::UnknownField(name.to_owned()))?;
    if bits.is_empty() {
        return Ok(SubField::whole(field));
    }
    let (low, high) = bits.split_once("..").unwrap_or((bits, bits));
    let (low, high): (u32, u32) = (number(name, low)?, number(name, high)?);
    high.checked_sub(low)
        .and_then(|span| SubField::new(field, low, span.checked_add(1)?))
        .ok_or_else(|| TextError::Malformed(text.to_owned()))
}

impl fmt::Display for SubField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.field.name();
        match (*self == SubField::whole(self.field), self.bits) {
            (true, _) => write!(f, "{name}[]"),
            (false, 1) => write!(f, "{name}[{}]", self.offset),
            (false, bits) => write!(f, "{name}[{}..{}]", self.offset, self.offset + bits - 1),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Output(number) => match port::name(*number) {
                Some(name) => f.write_str(name),
                None => write!(f, "output:{number}"),
            },
            Action::OutputField(source) => write!(f, "output:{source}"),
            Action::Controller { max_len } => write!(f, "CONTROLLER:{max_len}"),
            Action::Set { field, value, mask } => {
                let mut text = String::new();
                emit_masked(&mut text, *field, *value, *mask);
                write!(f, "set_field:{text}->{}", field.name())
            }
            Action::Move { source, target } => write!(f, "move:{source}->{target}"),
            Action::DecTtl => f.write_str("dec_ttl"),
            Action::Resubmit { port, table } => emit_resubmit(f, *port, *table),
            Action::GotoTable(table) => write!(f, "goto_table:{table}"),
            other => write!(f, "{other:?}"),
        }
    }
}

fn emit_resubmit(f: &mut fmt::Formatter<'_>, port: Option<u16>, table: Option<u8>) -> fmt::Result {
    let port = port.map(|port| port.to_string()).unwrap_or_default();
    let table = table.map(|table| table.to_string()).unwrap_or_default();
    write!(f, "resubmit({port},{table})")
}
