//! Actions that change the packet or its metadata.

use std::fmt;

use super::super::values::{emit_masked, parse_masked, parse_number};
use super::super::{TextError, options};
use super::subfield::{self, split_arrow};
use super::words::number;
use crate::action::{Action, SubField};
use crate::field::Field;
use crate::option::OptionValue;

/// OpenFlow 1.0's way to set a field.
const SETTERS: [(&str, Field); 13] = [
    ("mod_dl_src", Field::EthSrc),
    ("mod_dl_dst", Field::EthDst),
    ("mod_nw_src", Field::IpSrc),
    ("mod_nw_dst", Field::IpDst),
    ("mod_nw_ecn", Field::IpEcn),
    ("mod_tp_src", Field::TcpSrc),
    ("mod_tp_dst", Field::TcpDst),
    ("set_mpls_label", Field::MplsLabel),
    ("set_mpls_tc", Field::MplsTc),
    ("set_tunnel", Field::TunId),
    ("set_tunnel64", Field::TunId),
    ("set_vlan_vid_field", Field::VlanVid),
    ("set_vlan_pcp_field", Field::VlanPcp),
];

pub(super) fn parse(name: &str, argument: &str) -> Option<Result<Action, TextError>> {
    if let Some((_, field)) = SETTERS.iter().find(|(setter, _)| *setter == name) {
        return Some(set_whole(*field, argument));
    }
    Some(match name {
        "set_field" | "load" => parse_set(argument),
        "move" => parse_move(argument),
        "push" => parse_stacked(argument).map(Action::Push),
        "pop" => parse_stacked(argument).map(Action::Pop),
        "push_vlan" => number(name, argument).map(Action::PushVlan),
        "strip_vlan" | "pop_vlan" => Ok(Action::PopVlan),
        "mod_vlan_vid" | "set_vlan_vid" => parse_vlan_vid(argument),
        "mod_vlan_pcp" | "set_vlan_pcp" => parse_vlan_pcp(argument),
        "push_mpls" => number(name, argument).map(Action::PushMpls),
        "pop_mpls" => number(name, argument).map(Action::PopMpls),
        "push_pbb" => number(name, argument).map(Action::PushPbb),
        "pop_pbb" => Ok(Action::PopPbb),
        "set_mpls_ttl" => number(name, argument).map(Action::SetMplsTtl),
        "dec_mpls_ttl" => Ok(Action::DecMplsTtl),
        "copy_ttl_out" => Ok(Action::CopyTtlOut),
        "copy_ttl_in" => Ok(Action::CopyTtlIn),
        "mod_nw_ttl" => number(name, argument).map(Action::SetTtl),
        "mod_nw_tos" => parse_tos(argument),
        "dec_ttl" => parse_dec_ttl(argument),
        "check_pkt_larger" => parse_check_larger(argument),
        _ => return None,
    })
}

fn set_whole(field: Field, argument: &str) -> Result<Action, TextError> {
    let (value, mask) = parse_masked(field, argument)?;
    Ok(Action::Set { field, value, mask })
}

fn parse_vlan_vid(argument: &str) -> Result<Action, TextError> {
    within("vlan id", argument, 0xfff).map(|vid| Action::SetVlanVid(vid as u16))
}

fn parse_vlan_pcp(argument: &str) -> Result<Action, TextError> {
    within("vlan priority", argument, 7).map(|pcp| Action::SetVlanPcp(pcp as u8))
}

/// The type of service without its two ECN bits, which stay.
fn parse_tos(argument: &str) -> Result<Action, TextError> {
    let value = u128::from(within("type of service", argument, 0xff)?);
    Ok(Action::Set { field: Field::IpTos, value: value & 0xfc, mask: 0xfc })
}

fn within(what: &str, argument: &str, most: u32) -> Result<u32, TextError> {
    let value: u32 = number(what, argument)?;
    let refused = || TextError::BadValue {
        field: what.to_owned(),
        expected: "a number in range",
        got: argument.to_owned(),
    };
    if value <= most { Ok(value) } else { Err(refused()) }
}

fn parse_dec_ttl(argument: &str) -> Result<Action, TextError> {
    if argument.is_empty() {
        return Ok(Action::DecTtl);
    }
    let ids: Result<Vec<u16>, _> = argument.split(',').map(|id| number("dec_ttl", id.trim())).collect();
    ids.map(|ids| Action::DecTtlTelling(ids.into()))
}

/// `value->field`, `value/mask->field`, or `value->field[a..b]`.
fn parse_set(argument: &str) -> Result<Action, TextError> {
    let (value, target) = split_arrow(argument)?;
    let target = subfield::parse(target)?;
    if let Some(index) = target.field.option() {
        return parse_set_option(index, target, value);
    }
    if target == SubField::whole(target.field) {
        return set_whole(target.field, value);
    }
    let value: u128 = number(target.field.name(), value)?;
    let shifted = value << target.offset;
    if shifted & !target.mask() != 0 || shifted >> target.offset != value {
        return Err(TextError::Malformed(argument.to_owned()));
    }
    Ok(Action::Set { field: target.field, value: shifted, mask: target.mask() })
}

fn parse_set_option(index: u8, target: SubField, text: &str) -> Result<Action, TextError> {
    let option = if target == SubField::whole(target.field) {
        options::parse(target.field, text)?
    } else {
        let fits = |value: &u128| target.bits >= 128 || value >> target.bits == 0;
        let value = parse_number(text).filter(fits).ok_or_else(|| TextError::Malformed(text.to_owned()))?;
        OptionValue::of_bits(index, target.offset, target.bits, value)
    };
    Ok(Action::SetOption(Box::new(option)))
}

fn parse_move(argument: &str) -> Result<Action, TextError> {
    let (source, target) = split_arrow(argument)?;
    let (source, target) = (subfield::parse(source)?, subfield::parse(target)?);
    if source.bits != target.bits {
        return Err(TextError::Malformed(argument.to_owned()));
    }
    Ok(Action::Move { source, target })
}

/// The bits of `push` and `pop`, of which the stack takes 128 at a time.
fn parse_stacked(argument: &str) -> Result<SubField, TextError> {
    let bits = subfield::parse(argument)?;
    if bits.bits <= 128 { Ok(bits) } else { Err(TextError::Malformed(argument.to_owned())) }
}

/// `(length)->field[bit]`, of which the opening parenthesis is gone.
fn parse_check_larger(argument: &str) -> Result<Action, TextError> {
    let (length, target) = split_arrow(argument)?;
    let target = subfield::parse(target)?;
    if target.bits != 1 {
        return Err(TextError::Malformed(argument.to_owned()));
    }
    Ok(Action::CheckPacketLarger {
        length: number("check_pkt_larger", length.trim_end_matches(')'))?,
        target,
    })
}

pub(super) fn parse_write_metadata(argument: &str) -> Result<Action, TextError> {
    let (value, mask) = parse_masked(Field::Metadata, argument)?;
    Ok(Action::WriteMetadata { value: value as u64, mask: mask as u64 })
}

pub(super) fn emit(f: &mut fmt::Formatter<'_>, action: &Action) -> fmt::Result {
    match action {
        Action::Set { field, value, mask } => {
            let mut text = String::new();
            emit_masked(&mut text, *field, *value, *mask);
            write!(f, "set_field:{text}->{}", field.name())
        }
        Action::SetOption(option) => {
            write!(f, "set_field:{}->{}", options::emit(option), option.field().name())
        }
        Action::Move { source, target } => write!(f, "move:{source}->{target}"),
        Action::Push(source) => write!(f, "push:{source}"),
        Action::Pop(target) => write!(f, "pop:{target}"),
        Action::PushVlan(ethertype) => write!(f, "push_vlan:{ethertype:#06x}"),
        Action::PopVlan => f.write_str("pop_vlan"),
        Action::SetVlanVid(vid) => write!(f, "mod_vlan_vid:{vid}"),
        Action::SetVlanPcp(pcp) => write!(f, "mod_vlan_pcp:{pcp}"),
        Action::PushMpls(ethertype) => write!(f, "push_mpls:{ethertype:#06x}"),
        Action::PopMpls(ethertype) => write!(f, "pop_mpls:{ethertype:#06x}"),
        Action::PushPbb(ethertype) => write!(f, "push_pbb:{ethertype:#06x}"),
        Action::PopPbb => f.write_str("pop_pbb"),
        Action::SetMplsTtl(ttl) => write!(f, "set_mpls_ttl({ttl})"),
        Action::DecMplsTtl => f.write_str("dec_mpls_ttl"),
        Action::CopyTtlOut => f.write_str("copy_ttl_out"),
        Action::CopyTtlIn => f.write_str("copy_ttl_in"),
        Action::SetTtl(ttl) => write!(f, "mod_nw_ttl:{ttl}"),
        Action::DecTtl => f.write_str("dec_ttl"),
        Action::DecTtlTelling(ids) => {
            let ids: Vec<_> = ids.iter().map(u16::to_string).collect();
            write!(f, "dec_ttl({})", ids.join(","))
        }
        Action::CheckPacketLarger { length, target } => write!(f, "check_pkt_larger({length})->{target}"),
        Action::WriteMetadata { value, mask } => emit_write_metadata(f, *value, *mask),
        // Written by the other files of this module.
        _ => Err(fmt::Error),
    }
}

fn emit_write_metadata(f: &mut fmt::Formatter<'_>, value: u64, mask: u64) -> fmt::Result {
    let mut text = String::new();
    emit_masked(&mut text, Field::Metadata, value.into(), mask.into());
    write!(f, "write_metadata:{text}")
}
