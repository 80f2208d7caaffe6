//! Matches and flows as text.

use std::fmt;
use std::str::FromStr;

use super::actions::{emit_actions, parse_actions};
use super::values::{emit_masked, parse_masked, parse_number};
use super::{TextError, names, options, split_list, vlan};
use crate::field::Field;
use crate::flow::Flow;
use crate::matching::Match;
use crate::option::OptionValue;

/// Names that stand for an Ethernet type and, for some, an IP protocol; the last ones are only understood.
const PROTOCOLS: [(&str, u128, Option<u128>); 15] = [
    ("ip", 0x0800, None),
    ("ipv6", 0x86dd, None),
    ("arp", 0x0806, None),
    ("rarp", 0x8035, None),
    ("mpls", 0x8847, None),
    ("mplsm", 0x8848, None),
    ("tcp", 0x0800, Some(6)),
    ("udp", 0x0800, Some(17)),
    ("sctp", 0x0800, Some(132)),
    ("icmp", 0x0800, Some(1)),
    ("tcp6", 0x86dd, Some(6)),
    ("udp6", 0x86dd, Some(17)),
    ("sctp6", 0x86dd, Some(132)),
    ("icmp6", 0x86dd, Some(58)),
    ("ip6", 0x86dd, None),
];
/// The names that are emitted.
const EMITTED: usize = 14;

impl FromStr for Match {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Match, TextError> {
        let mut matching = Match::ANY;
        for part in split_list(text) {
            require(&mut matching, part)?;
        }
        check_prerequisites(&matching)?;
        Ok(matching)
    }
}

/// Adds one `field=value` or protocol name to a match.
fn require(matching: &mut Match, part: &str) -> Result<(), TextError> {
    let Some((name, value)) = part.split_once('=') else {
        return require_protocol(matching, part);
    };
    if let Some(required) = vlan::require(matching, name, value) {
        return required;
    }
    let field = match_field(matching, name)?;
    if field.option().is_some() {
        return require_option(matching, &options::parse(field, value)?);
    }
    let (value, mask) = parse_masked(field, value)?;
    if name == "nw_tos" {
        // The two ECN bits are a field of their own.
        matching.require(Field::IpDscp, value >> 2, mask >> 2);
    } else {
        matching.require(field, value, mask);
    }
    Ok(())
}

fn require_option(matching: &mut Match, option: &OptionValue) -> Result<(), TextError> {
    if matching.require_option(option) {
        return Ok(());
    }
    let (field, got) = (option.field().name().to_owned(), options::emit(option));
    Err(TextError::BadValue { field, expected: "each field once, and 128 bytes in all", got })
}

/// A match may name ports without their protocol (`tp_dst`); the protocol named before decides.
fn match_field(matching: &Match, name: &str) -> Result<Field, TextError> {
    let by_protocol = |tcp, udp, sctp| match matching.exact(Field::IpProto) {
        Some(17) => udp,
        Some(132) => sctp,
        _ => tcp,
    };
    match name {
        "tp_src" => Ok(by_protocol(Field::TcpSrc, Field::UdpSrc, Field::SctpSrc)),
        "tp_dst" => Ok(by_protocol(Field::TcpDst, Field::UdpDst, Field::SctpDst)),
        _ => names::field(name).ok_or_else(|| TextError::UnknownField(name.to_owned())),
    }
}

fn require_protocol(matching: &mut Match, name: &str) -> Result<(), TextError> {
    if name == "eth" {
        return Ok(());
    }
    if let Some(index) = names::field(name).and_then(Field::option) {
        return require_option(matching, &options::presence(index));
    }
    let (_, ethertype, proto) = PROTOCOLS
        .iter()
        .find(|(known, _, _)| *known == name)
        .ok_or_else(|| TextError::UnknownField(name.to_owned()))?;
    matching.require(Field::EthType, *ethertype, u128::MAX);
    if let Some(proto) = proto {
        matching.require(Field::IpProto, *proto, u128::MAX);
    }
    Ok(())
}

/// Every bit of the mask must belong to a field whose prerequisite the match requires.
fn check_prerequisites(matching: &Match) -> Result<(), TextError> {
    let mut explained = Match::ANY;
    for (field, value, mask) in matching.fields() {
        explained.require(field, value, mask);
    }
    if explained == matching.without_options() {
        return Ok(());
    }
    let orphan = Field::ALL
        .iter()
        .find(|field| matching.mask().field(**field) != 0 && !matching.guarantees(field.prerequisite()));
    Err(TextError::MissingPrerequisite(orphan.map_or("match", |field| field.name())))
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let protocol = PROTOCOLS.iter().take(EMITTED).rev().find(|(_, ethertype, proto)| {
            self.exact(Field::EthType) == Some(*ethertype)
                && (proto.is_none() || self.exact(Field::IpProto) == *proto)
        });
        if let Some((name, _, _)) = protocol {
            parts.push((*name).to_owned());
        }
        for (field, value, mask) in self.fields() {
            match field {
                Field::EthType if protocol.is_some() => {}
                Field::IpProto if protocol.is_some_and(|(_, _, proto)| proto.is_some()) => {}
                Field::VlanTci => vlan::emit(&mut parts, value, mask),
                Field::IpTos => emit_tos(&mut parts, value, mask),
                _ => parts.push(emit_part(field, value, mask)),
            }
        }
        parts.extend(self.options().iter().map(options::emit_match));
        f.write_str(&parts.join(","))
    }
}

fn emit_part(field: Field, value: u128, mask: u128) -> String {
    let mut text = format!("{}=", field.name());
    emit_masked(&mut text, field, value, mask);
    text
}

/// DSCP, in its place within the byte, and ECN; the whole byte where only some bits of either count.
fn emit_tos(parts: &mut Vec<String>, value: u128, mask: u128) {
    match mask {
        0xfc => parts.push(format!("nw_tos={value}")),
        0x03 => parts.push(format!("nw_ecn={value}")),
        0xff => parts.extend([format!("nw_tos={}", value & 0xfc), format!("nw_ecn={}", value & 3)]),
        _ => parts.push(format!("ip_tos={value}/{mask}")),
    }
}

impl FromStr for Flow {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Flow, TextError> {
        let (head, actions) = split_actions(text);
        let mut flow = Flow { priority: 0x8000, ..Flow::default() };
        for part in split_list(head) {
            if !set_header(&mut flow, part)? {
                require(&mut flow.matching, part)?;
            }
        }
        check_prerequisites(&flow.matching)?;
        flow.actions = parse_actions(actions)?;
        Ok(flow)
    }
}

/// The text before and after `actions=`.
fn split_actions(text: &str) -> (&str, &str) {
    match text.find("actions=") {
        Some(at) => (&text[..at], &text[at + "actions=".len()..]),
        None => (text, ""),
    }
}

/// Takes `table=`, `priority=` and the like; false where the part belongs to the match.
fn set_header(flow: &mut Flow, part: &str) -> Result<bool, TextError> {
    let Some((name, value)) = part.split_once('=') else {
        return Ok(false);
    };
    match name {
        "table" => flow.table = header_number(name, value)?,
        "priority" => flow.priority = header_number(name, value)?,
        "cookie" => flow.cookie = header_number(name, value.split('/').next().unwrap_or(value))?,
        "idle_timeout" => flow.idle_timeout = header_number(name, value)?,
        "hard_timeout" => flow.hard_timeout = header_number(name, value)?,
        "importance" => flow.importance = header_number(name, value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn header_number<T: TryFrom<u128>>(name: &str, text: &str) -> Result<T, TextError> {
    parse_number(text).and_then(|value| T::try_from(value).ok()).ok_or_else(|| TextError::BadValue {
        field: name.to_owned(),
        expected: "a number in range",
        got: text.to_owned(),
    })
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cookie != 0 {
            write!(f, "cookie={:#x},", self.cookie)?;
        }
        write!(f, "table={}", self.table)?;
        if self.idle_timeout != 0 {
            write!(f, ",idle_timeout={}", self.idle_timeout)?;
        }
        if self.hard_timeout != 0 {
            write!(f, ",hard_timeout={}", self.hard_timeout)?;
        }
        if self.importance != 0 {
            write!(f, ",importance={}", self.importance)?;
        }
        write!(f, ",priority={}", self.priority)?;
        if self.matching != Match::ANY {
            write!(f, ",{}", self.matching)?;
        }
        let mut actions = String::new();
        emit_actions(&mut actions, &self.actions);
        write!(f, " actions={actions}")
    }
}
