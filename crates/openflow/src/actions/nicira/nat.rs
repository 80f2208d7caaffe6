//! Address translation, which stands only within connection tracking.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tulle_flow::{Nat, NatKind};

use super::NAT;
use crate::actions::frame::extension;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;

const SOURCE: u16 = 1;
const DESTINATION: u16 = 1 << 1;
const PERSISTENT: u16 = 1 << 2;
const HASH: u16 = 1 << 3;
const RANDOM: u16 = 1 << 4;

const IPV4_MIN: u16 = 1;
const IPV4_MAX: u16 = 1 << 1;
const IPV6_MIN: u16 = 1 << 2;
const IPV6_MAX: u16 = 1 << 3;
const PORT_MIN: u16 = 1 << 4;
const PORT_MAX: u16 = 1 << 5;

const BAD: ErrorCode = ErrorCode::BadActionArgument;

pub(super) fn parse(body: Reader<'_>) -> Parsed<Nat> {
    let mut body = body.blaming(BAD);
    body.skip(2)?;
    let (flags, present) = (body.u16()?, body.u16()?);
    let kind = match flags & (SOURCE | DESTINATION) {
        0 => NatKind::Existing,
        SOURCE => NatKind::Source,
        DESTINATION => NatKind::Destination,
        _ => return Err(BAD),
    };
    let both = HASH | RANDOM;
    if flags & !0x1f != 0 || flags & both == both {
        return Err(BAD);
    }
    let addresses = parse_addresses(present, &mut body)?;
    let ports = parse_ports(present, &mut body)?;
    let alone = kind == NatKind::Existing && (present != 0 || flags != 0);
    if alone || (ports.is_some() && addresses.is_none()) {
        return Err(BAD);
    }
    body.padding(BAD)?;
    let has = |flag| flags & flag != 0;
    Ok(Nat { kind, addresses, ports, persistent: has(PERSISTENT), hash: has(HASH), random: has(RANDOM) })
}

fn parse_v4(body: &mut Reader<'_>) -> Parsed<IpAddr> {
    Ok(Ipv4Addr::from(body.u32()?).into())
}

fn parse_v6(body: &mut Reader<'_>) -> Parsed<IpAddr> {
    Ok(Ipv6Addr::from(body.array::<16>()?).into())
}

fn parse_addresses(present: u16, body: &mut Reader<'_>) -> Parsed<Option<(IpAddr, IpAddr)>> {
    let range = match present & (IPV4_MIN | IPV4_MAX | IPV6_MIN | IPV6_MAX) {
        0 => return Ok(None),
        IPV4_MIN => parse_v4(body).map(|only| (only, only))?,
        IPV6_MIN => parse_v6(body).map(|only| (only, only))?,
        both if both == IPV4_MIN | IPV4_MAX => (parse_v4(body)?, parse_v4(body)?),
        both if both == IPV6_MIN | IPV6_MAX => (parse_v6(body)?, parse_v6(body)?),
        _ => return Err(BAD),
    };
    if range.0.is_unspecified() || range.1 < range.0 { Err(BAD) } else { Ok(Some(range)) }
}

fn parse_ports(present: u16, body: &mut Reader<'_>) -> Parsed<Option<(u16, u16)>> {
    let range = match present & (PORT_MIN | PORT_MAX) {
        0 => return Ok(None),
        PORT_MIN => body.u16().map(|only| (only, only))?,
        both if both == PORT_MIN | PORT_MAX => (body.u16()?, body.u16()?),
        _ => return Err(BAD),
    };
    if range.0 == 0 || range.1 < range.0 { Err(BAD) } else { Ok(Some(range)) }
}

fn emit_address(address: IpAddr, out: &mut Writer<'_>) {
    match address {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
    }
}

pub(super) fn emit(nat: &Nat, out: &mut Writer<'_>) -> Emitted {
    if nat.ports.is_some() && nat.addresses.is_none() {
        return out.lacks("translating ports without addresses");
    }
    extension(NAT, out, |out| {
        out.zeros(2);
        out.u16(flags(nat));
        let at = out.len();
        out.u16(0);
        let mut present = 0;
        if let Some((first, last)) = nat.addresses {
            let (min, max) = if first.is_ipv4() { (IPV4_MIN, IPV4_MAX) } else { (IPV6_MIN, IPV6_MAX) };
            emit_address(first, out);
            present |= min;
            if last != first {
                emit_address(last, out);
                present |= max;
            }
        }
        if let Some((first, last)) = nat.ports {
            out.u16(first);
            present |= PORT_MIN;
            if last != first {
                out.u16(last);
                present |= PORT_MAX;
            }
        }
        out[at..at + 2].copy_from_slice(&present.to_be_bytes());
        Ok(())
    })
}

fn flags(nat: &Nat) -> u16 {
    let kind = match nat.kind {
        NatKind::Existing => 0,
        NatKind::Source => SOURCE,
        NatKind::Destination => DESTINATION,
    };
    let options = [(nat.persistent, PERSISTENT), (nat.hash, HASH), (nat.random, RANDOM)];
    options.into_iter().filter(|(set, _)| *set).fold(kind, |flags, (_, flag)| flags | flag)
}
