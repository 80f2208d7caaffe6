//! Actions as text (`ovs-actions(7)`): which word begins which action.

mod change;
mod choose;
mod connection;
mod learn;
mod send;
mod subfield;
mod words;

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::{TextError, split_list};
use crate::action::Action;
use words::{Words, number};

/// Actions within actions: no honest flow goes deeper.
const MAX_NESTING: usize = 16;

/// Parses a list of actions; `drop` stands for the empty list.
pub(super) fn parse_actions(text: &str) -> Result<Vec<Action>, TextError> {
    parse_list(text, 0)
}

fn parse_list(text: &str, depth: usize) -> Result<Vec<Action>, TextError> {
    if depth > MAX_NESTING {
        return Err(TextError::Malformed(text.chars().take(40).collect()));
    }
    let parts = split_list(text);
    if parts == ["drop"] {
        return Ok(Vec::new());
    }
    parts.into_iter().map(|part| parse_action(part, depth)).collect()
}

/// Emits a list of actions.
pub(super) fn emit_actions(out: &mut String, actions: &[Action]) {
    if actions.is_empty() {
        out.push_str("drop");
    }
    let _ = write!(out, "{}", List(actions));
}

/// Actions with commas between them.
struct List<'a>(&'a [Action]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, action) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            write!(f, "{separator}{action}")?;
        }
        Ok(())
    }
}

impl FromStr for Action {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Action, TextError> {
        parse_action(text, 0)
    }
}

fn parse_action(text: &str, depth: usize) -> Result<Action, TextError> {
    let (name, argument) = split_name(text);
    let nested = |argument| parse_list(argument, depth + 1).map(Vec::into_boxed_slice);
    match name {
        "clone" => nested(argument).map(Action::Clone),
        "write_actions" => nested(argument).map(Action::WriteActions),
        "ct" => connection::parse(argument, depth),
        _ => parse_plain(name, argument, text),
    }
}

fn parse_plain(name: &str, argument: &str, text: &str) -> Result<Action, TextError> {
    let found = send::parse(name, argument)
        .or_else(|| change::parse(name, argument))
        .or_else(|| choose::parse(name, argument))
        .or_else(|| parse_control(name, argument));
    found.unwrap_or_else(|| send::parse_port(text))
}

/// Actions that decide how to go on.
fn parse_control(name: &str, argument: &str) -> Option<Result<Action, TextError>> {
    let id = |make: fn(u32) -> Action| number(name, argument).map(make);
    Some(match name {
        "resubmit" => parse_resubmit(argument),
        "goto_table" => number(name, argument).map(Action::GotoTable),
        "group" => id(Action::Group),
        "meter" => id(Action::Meter),
        "exit" => Ok(Action::Exit),
        "clear_actions" => Ok(Action::ClearActions),
        "write_metadata" => change::parse_write_metadata(argument),
        "ct_clear" => Ok(Action::CtClear),
        "conjunction" => parse_conjunction(argument),
        "note" => parse_note(argument),
        "learn" => learn::parse(argument).map(|learn| Action::Learn(Box::new(learn))),
        "fin_timeout" => parse_fin_timeout(argument),
        _ => return None,
    })
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

/// `port`, `,table`, `port,table`, `,table,ct`, or nothing.
fn parse_resubmit(argument: &str) -> Result<Action, TextError> {
    let mut parts = argument.split(',').map(str::trim);
    let port = match parts.next().unwrap_or_default() {
        "" | "in_port" => None,
        text => Some(number("resubmit port", text)?),
    };
    let table = match parts.next().unwrap_or_default() {
        "" => None,
        text => Some(number("resubmit table", text)?),
    };
    match (parts.next(), parts.next()) {
        (None, _) => Ok(Action::Resubmit { port, table }),
        (Some("ct"), None) => Ok(Action::ResubmitTracked { port, table }),
        _ => Err(TextError::Malformed(argument.to_owned())),
    }
}

/// `id,clause/clauses`, clauses counted from 1.
fn parse_conjunction(argument: &str) -> Result<Action, TextError> {
    let malformed = || TextError::Malformed(argument.to_owned());
    let (id, place) = argument.split_once(',').ok_or_else(malformed)?;
    let (clause, clauses) = place.split_once('/').ok_or_else(malformed)?;
    let id = number("conjunction", id.trim())?;
    let (clause, clauses): (u8, u8) = (number("clause", clause.trim())?, number("clauses", clauses.trim())?);
    let valid = (2..=64).contains(&clauses) && (1..=clauses).contains(&clause);
    if valid { Ok(Action::Conjunction { id, clause: clause - 1, clauses }) } else { Err(malformed()) }
}

/// Bytes in hexadecimal with dots between them.
fn parse_note(argument: &str) -> Result<Action, TextError> {
    words::bytes(argument).map(Action::Note).ok_or_else(|| TextError::Malformed(argument.to_owned()))
}

fn parse_fin_timeout(argument: &str) -> Result<Action, TextError> {
    let words = Words::parse(argument, &["idle_timeout", "hard_timeout"])?;
    Ok(Action::FinTimeout {
        idle: words.number("idle_timeout")?.unwrap_or(0),
        hard: words.number("hard_timeout")?.unwrap_or(0),
    })
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Resubmit { port, table } => emit_resubmit(f, *port, *table, ""),
            Action::ResubmitTracked { port, table } => emit_resubmit(f, *port, *table, ",ct"),
            Action::GotoTable(table) => write!(f, "goto_table:{table}"),
            Action::Group(group) => write!(f, "group:{group}"),
            Action::Meter(meter) => write!(f, "meter:{meter}"),
            Action::Exit => f.write_str("exit"),
            Action::ClearActions => f.write_str("clear_actions"),
            Action::WriteActions(actions) => write!(f, "write_actions({})", List(actions)),
            Action::Clone(actions) => write!(f, "clone({})", List(actions)),
            Action::Ct(ct) => connection::emit(f, ct),
            Action::CtClear => f.write_str("ct_clear"),
            Action::Conjunction { id, clause, clauses } => {
                write!(f, "conjunction({id},{}/{clauses})", u16::from(*clause) + 1)
            }
            Action::Note(bytes) => write!(f, "note:{}", words::dotted(bytes)),
            Action::Learn(learn) => learn::emit(f, learn),
            Action::FinTimeout { idle, hard } => {
                write!(f, "fin_timeout(idle_timeout={idle},hard_timeout={hard})")
            }
            Action::Multipath(_) | Action::Bundle(_) | Action::Sample(_) => choose::emit(f, self),
            Action::Output(_)
            | Action::OutputNoting { .. }
            | Action::OutputTruncated { .. }
            | Action::OutputField(_)
            | Action::Controller { .. }
            | Action::ControllerWith(_)
            | Action::Enqueue { .. }
            | Action::SetQueue(_)
            | Action::PopQueue => send::emit(f, self),
            _ => change::emit(f, self),
        }
    }
}

fn emit_resubmit(
    f: &mut fmt::Formatter<'_>,
    port: Option<u16>,
    table: Option<u8>,
    tracked: &str,
) -> fmt::Result {
    let port = port.map(|port| port.to_string()).unwrap_or_default();
    let table = table.map(|table| table.to_string()).unwrap_or_default();
    write!(f, "resubmit({port},{table}{tracked})")
}
