//! `learn(...)`: flows made from packets.

use std::fmt;

use super::super::values::{emit_value, parse_value};
use super::super::{TextError, names, split_list};
use super::subfield::{self, split_arrow};
use super::words::number;
use crate::action::{Learn, LearnSource, LearnSpec, SubField};

const DEFAULT_PRIORITY: u16 = 0x8000;

pub(super) fn parse(argument: &str) -> Result<Learn, TextError> {
    let mut learn = Learn {
        idle_timeout: 0,
        hard_timeout: 0,
        priority: DEFAULT_PRIORITY,
        cookie: 0,
        table: 1,
        send_flow_removed: false,
        delete_learned: false,
        limit: 0,
        result: None,
        fin_idle_timeout: 0,
        fin_hard_timeout: 0,
        specs: Box::default(),
    };
    let mut specs = Vec::new();
    for part in split_list(argument) {
        if !set_parameter(&mut learn, part)? {
            specs.push(parse_spec(part)?);
        }
    }
    learn.specs = specs.into();
    Ok(learn)
}

/// Takes what is not part of the learned flow's match or actions; false where it is.
fn set_parameter(learn: &mut Learn, part: &str) -> Result<bool, TextError> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    match name {
        "idle_timeout" => learn.idle_timeout = number(name, value)?,
        "hard_timeout" => learn.hard_timeout = number(name, value)?,
        "fin_idle_timeout" => learn.fin_idle_timeout = number(name, value)?,
        "fin_hard_timeout" => learn.fin_hard_timeout = number(name, value)?,
        "priority" => learn.priority = number(name, value)?,
        "cookie" => learn.cookie = number(name, value)?,
        "table" => learn.table = number(name, value)?,
        "limit" => learn.limit = number(name, value)?,
        "result_dst" => learn.result = Some(one_bit(value)?),
        "send_flow_rem" => learn.send_flow_removed = true,
        "delete_learned" => learn.delete_learned = true,
        _ => return Ok(false),
    }
    Ok(true)
}

fn one_bit(text: &str) -> Result<SubField, TextError> {
    let bit = subfield::parse(text)?;
    if bit.bits == 1 { Ok(bit) } else { Err(TextError::Malformed(text.to_owned())) }
}

/// `field=value`, `field[a..b]=field[a..b]`, `field[]`, `load:value->field`, `load:field->field`, `output:field`.
fn parse_spec(part: &str) -> Result<LearnSpec, TextError> {
    if let Some(source) = part.strip_prefix("output:") {
        return subfield::parse(source).map(LearnSpec::Output);
    }
    if let Some(load) = part.strip_prefix("load:") {
        let (source, target) = split_arrow(load)?;
        let target = subfield::parse(target)?;
        return Ok(LearnSpec::Load { source: parse_source(source, target)?, target });
    }
    let Some((target, source)) = part.split_once('=') else {
        let both = subfield::parse(part)?;
        return Ok(LearnSpec::Match { source: LearnSource::Field(both), target: both });
    };
    let target = subfield::parse(target)?;
    Ok(LearnSpec::Match { source: parse_source(source, target)?, target })
}

/// A field of as many bits, or a value for the target.
fn parse_source(text: &str, target: SubField) -> Result<LearnSource, TextError> {
    let name = text.split('[').next().unwrap_or(text);
    if names::field(name).is_some() {
        let source = subfield::parse(text)?;
        let fits = source.bits == target.bits;
        return if fits {
            Ok(LearnSource::Field(source))
        } else {
            Err(TextError::Malformed(text.to_owned()))
        };
    }
    let whole = target == SubField::whole(target.field);
    let value = if whole { parse_value(target.field, text)? } else { number(target.field.name(), text)? };
    let fits = target.bits >= 128 || value >> target.bits == 0;
    if fits { Ok(LearnSource::Value(value)) } else { Err(TextError::Malformed(text.to_owned())) }
}

pub(super) fn emit(f: &mut fmt::Formatter<'_>, learn: &Learn) -> fmt::Result {
    write!(f, "learn(table={}", learn.table)?;
    let numbers = [
        ("idle_timeout", u64::from(learn.idle_timeout), 0),
        ("hard_timeout", u64::from(learn.hard_timeout), 0),
        ("fin_idle_timeout", u64::from(learn.fin_idle_timeout), 0),
        ("fin_hard_timeout", u64::from(learn.fin_hard_timeout), 0),
        ("priority", u64::from(learn.priority), u64::from(DEFAULT_PRIORITY)),
        ("limit", u64::from(learn.limit), 0),
    ];
    for (name, value, _) in numbers.iter().filter(|(_, value, usual)| value != usual) {
        write!(f, ",{name}={value}")?;
    }
    if learn.send_flow_removed {
        f.write_str(",send_flow_rem")?;
    }
    if learn.delete_learned {
        f.write_str(",delete_learned")?;
    }
    if learn.cookie != 0 {
        write!(f, ",cookie={:#x}", learn.cookie)?;
    }
    if let Some(result) = learn.result {
        write!(f, ",result_dst={result}")?;
    }
    learn.specs.iter().try_for_each(|spec| write!(f, ",{spec}"))?;
    f.write_str(")")
}

impl fmt::Display for LearnSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LearnSpec::Match { source: LearnSource::Field(source), target } if source == target => {
                write!(f, "{target}")
            }
            LearnSpec::Match { source, target } => {
                write!(f, "{}={}", place(*target), source_text(source, *target))
            }
            LearnSpec::Load { source, target } => {
                write!(f, "load:{}->{target}", source_text(source, *target))
            }
            LearnSpec::Output(source) => write!(f, "output:{source}"),
        }
    }
}

/// A whole field without brackets, as in a match.
fn place(target: SubField) -> String {
    if target == SubField::whole(target.field) { target.field.name().to_owned() } else { target.to_string() }
}

fn source_text(source: &LearnSource, target: SubField) -> String {
    match source {
        LearnSource::Field(source) => source.to_string(),
        LearnSource::Value(value) => value_text(*value, target),
    }
}

fn value_text(value: u128, target: SubField) -> String {
    if target != SubField::whole(target.field) {
        return format!("{value:#x}");
    }
    let mut text = String::new();
    emit_value(&mut text, target.field, value);
    text
}
