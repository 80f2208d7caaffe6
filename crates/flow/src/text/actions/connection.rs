//! `ct(...)`: connection tracking and address translation.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::super::TextError;
use super::words::{Words, number};
use super::{List, parse_list, subfield};
use crate::action::{Action, Ct, CtZone, Nat, NatKind};

const FTP_PORT: u16 = 21;
const TFTP_PORT: u16 = 69;

pub(super) fn parse(argument: &str, depth: usize) -> Result<Action, TextError> {
    let words = Words::parse(argument, &["commit", "force", "zone", "table", "nat", "alg", "exec"])?;
    let exec = words.value("exec").map_or(Ok(Vec::new()), |actions| parse_list(actions, depth + 1))?;
    Ok(Action::Ct(Box::new(Ct {
        commit: words.has("commit"),
        force: words.has("force"),
        zone: words.value("zone").map_or(Ok(CtZone::Fixed(0)), parse_zone)?,
        table: words.number("table")?,
        nat: words.value("nat").map(parse_nat).transpose()?,
        alg: words.value("alg").map_or(Ok(0), parse_alg)?,
        exec: exec.into(),
    })))
}

fn parse_zone(text: &str) -> Result<CtZone, TextError> {
    match text.starts_with(|c: char| c.is_ascii_digit()) {
        true => number("zone", text).map(CtZone::Fixed),
        false => subfield::parse(text).map(CtZone::Field),
    }
}

fn parse_alg(text: &str) -> Result<u16, TextError> {
    match text {
        "ftp" => Ok(FTP_PORT),
        "tftp" => Ok(TFTP_PORT),
        _ => number("alg", text),
    }
}

fn parse_nat(text: &str) -> Result<Nat, TextError> {
    let words = Words::parse(text, &["src", "dst", "persistent", "hash", "random"])?;
    let (kind, range) = match (words.value("src"), words.value("dst")) {
        (Some(range), None) => (NatKind::Source, range),
        (None, Some(range)) => (NatKind::Destination, range),
        (None, None) => (NatKind::Existing, ""),
        (Some(_), Some(_)) => return Err(TextError::Malformed(text.to_owned())),
    };
    let (addresses, ports) = parse_range(range).ok_or_else(|| TextError::Malformed(range.to_owned()))?;
    Ok(Nat {
        kind,
        addresses,
        ports,
        persistent: words.has("persistent"),
        hash: words.has("hash"),
        random: words.has("random"),
    })
}

type Range<T> = Option<(T, T)>;

/// `address`, `address-address`, with `:port` or `:port-port`; IPv6 addresses with ports stand in brackets.
fn parse_range(text: &str) -> Option<(Range<IpAddr>, Range<u16>)> {
    if text.is_empty() {
        return Some((None, None));
    }
    let (addresses, ports) = split_ports(text);
    let addresses = match addresses.split_once('-') {
        Some((low, high)) => (address(low)?, address(high)?),
        None => (address(addresses)?, address(addresses)?),
    };
    let ports = match ports.map(|ports| ports.split_once('-').unwrap_or((ports, ports))) {
        Some((low, high)) => Some((low.parse().ok()?, high.parse().ok()?)),
        None => None,
    };
    let same_family = addresses.0.is_ipv4() == addresses.1.is_ipv4();
    let ordered = addresses.0 <= addresses.1 && ports.is_none_or(|(low, high)| low <= high);
    (same_family && ordered).then_some((Some(addresses), ports))
}

/// Ports stand behind a closing bracket, or behind the colon of an IPv4 address.
fn split_ports(text: &str) -> (&str, Option<&str>) {
    if let Some((addresses, ports)) = text.rsplit_once("]:") {
        return (addresses, Some(ports));
    }
    if text.matches(':').count() == 1 && text.contains('.') {
        return text.split_once(':').map_or((text, None), |(addresses, ports)| (addresses, Some(ports)));
    }
    (text, None)
}

fn address(text: &str) -> Option<IpAddr> {
    text.trim_matches(['[', ']']).parse().ok()
}

pub(super) fn emit(f: &mut fmt::Formatter<'_>, ct: &Ct) -> fmt::Result {
    let mut parts = Vec::new();
    if ct.commit {
        parts.push("commit".to_owned());
    }
    if ct.force {
        parts.push("force".to_owned());
    }
    if let Some(table) = ct.table {
        parts.push(format!("table={table}"));
    }
    match ct.zone {
        CtZone::Fixed(0) => {}
        CtZone::Fixed(zone) => parts.push(format!("zone={zone}")),
        CtZone::Field(field) => parts.push(format!("zone={field}")),
    }
    if let Some(nat) = &ct.nat {
        parts.push(nat_text(nat));
    }
    match ct.alg {
        0 => {}
        FTP_PORT => parts.push("alg=ftp".to_owned()),
        TFTP_PORT => parts.push("alg=tftp".to_owned()),
        port => parts.push(format!("alg={port}")),
    }
    if !ct.exec.is_empty() {
        parts.push(format!("exec({})", List(&ct.exec)));
    }
    write!(f, "ct({})", parts.join(","))
}

fn nat_text(nat: &Nat) -> String {
    let mut parts = Vec::new();
    match nat.kind {
        NatKind::Existing => {}
        NatKind::Source => parts.push(with_range("src", nat)),
        NatKind::Destination => parts.push(with_range("dst", nat)),
    }
    let flags = [("persistent", nat.persistent), ("hash", nat.hash), ("random", nat.random)];
    parts.extend(flags.iter().filter(|(_, set)| *set).map(|(name, _)| (*name).to_owned()));
    if parts.is_empty() { "nat".to_owned() } else { format!("nat({})", parts.join(",")) }
}

fn with_range(side: &str, nat: &Nat) -> String {
    let Some((low, high)) = nat.addresses else { return side.to_owned() };
    let bracketed = low.is_ipv6() && nat.ports.is_some();
    let one = |address: IpAddr| match address {
        IpAddr::V6(address) if bracketed => format!("[{}]", Ipv6Addr::from(address.octets())),
        address => address.to_string(),
    };
    let addresses = if low == high { one(low) } else { format!("{}-{}", one(low), one(high)) };
    let ports = match nat.ports {
        None => String::new(),
        Some((low, high)) if low == high => format!(":{low}"),
        Some((low, high)) => format!(":{low}-{high}"),
    };
    format!("{side}={addresses}{ports}")
}
