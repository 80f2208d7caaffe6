//! ICMP and ICMPv6: queries are connections of their own, errors belong to what they quote.

use tulle_wire::{icmpv4, icmpv6, ipv4, ipv6, protocol};

use super::{Parsed, Quoted, addresses, set_ports, transport};
use crate::headers::Headers;
use crate::tuple::{ECHO, Family, INFORMATION, NO_QUERY, Query, TIMESTAMP, Tuple};

const HEADER_LEN: usize = 8;
/// Bytes of the transport header that an IPv4 error must quote (RFC 792); IPv6 ones quote more.
const LEAST_QUOTED: usize = 8;

enum Message {
    Query(Query),
    Error,
    Other,
}

/// RFC 792; RFC 950 and RFC 1122 leave timestamp and information queries in being.
fn message_v4(kind: u8) -> Message {
    match kind {
        icmpv4::kind::ECHO_REQUEST => Message::Query(ECHO),
        icmpv4::kind::ECHO_REPLY => Message::Query(ECHO + 1),
        13 => Message::Query(TIMESTAMP),
        14 => Message::Query(TIMESTAMP + 1),
        15 => Message::Query(INFORMATION),
        16 => Message::Query(INFORMATION + 1),
        icmpv4::kind::UNREACHABLE
        | icmpv4::kind::SOURCE_QUENCH
        | icmpv4::kind::REDIRECT
        | icmpv4::kind::TIME_EXCEEDED
        | icmpv4::kind::PARAMETER_PROBLEM => Message::Error,
        _ => Message::Other,
    }
}

/// RFC 4443. Neighbour discovery is not tracked: it is invalid here, as in Open vSwitch.
fn message_v6(kind: u8) -> Message {
    match kind {
        icmpv6::kind::ECHO_REQUEST => Message::Query(ECHO),
        icmpv6::kind::ECHO_REPLY => Message::Query(ECHO + 1),
        icmpv6::kind::UNREACHABLE
        | icmpv6::kind::TOO_BIG
        | icmpv6::kind::TIME_EXCEEDED
        | icmpv6::kind::PARAMETER_PROBLEM => Message::Error,
        _ => Message::Other,
    }
}

fn message(kind: u8, family: Family) -> Message {
    match family {
        Family::V4 => message_v4(kind),
        Family::V6 => message_v6(kind),
    }
}

/// Reads an ICMP message into `parsed`, which has its addresses. `None`: it is invalid.
pub(super) fn parse(frame: &[u8], headers: &Headers, parsed: &mut Parsed) -> Option<()> {
    let bytes = transport(frame, headers)?;
    let [kind, code, ..] = *bytes.first_chunk::<HEADER_LEN>()?;
    match message(kind, headers.family) {
        Message::Query(query) if code == 0 => {
            set_query(&mut parsed.tuple, bytes, query);
            parsed.may_open = query % 2 == 1;
            Some(())
        }
        Message::Error => {
            let (inner, quoted) = quote(frame, headers, parsed.tuple.zone)?;
            // The error goes to whom the packet came from, or it is a forgery.
            if inner.source != parsed.tuple.destination {
                return None;
            }
            parsed.tuple = inner.reversed();
            parsed.quoted = Some(quoted);
            parsed.may_open = false;
            Some(())
        }
        _ => None,
    }
}

/// The identifier stands behind the checksum; the caller has checked the length.
fn set_query(tuple: &mut Tuple, bytes: &[u8], query: Query) {
    let id = u16::from_be_bytes([bytes[4], bytes[5]]);
    (tuple.source_port, tuple.destination_port) = (id, id);
    tuple.kind = Tuple::kind_of(tuple.family(), query);
}

/// The packet that an error quotes: its tuple and its place. Its checksums cannot be verified, as it is
/// cut short. `None`: a fragment, an error about an error, or too little of it.
fn quote(frame: &[u8], headers: &Headers, zone: u16) -> Option<(Tuple, Quoted)> {
    let l3 = headers.l4 + HEADER_LEN;
    let network = frame.get(l3..headers.end)?;
    let (source, destination) = addresses(network, headers.family)?;
    let (protocol, offset) = match headers.family {
        Family::V4 => upper_v4(network)?,
        Family::V6 => upper_v6(network)?,
    };
    let bytes = network.get(offset..).filter(|bytes| bytes.len() >= LEAST_QUOTED)?;
    let mut tuple = Tuple {
        source,
        destination,
        source_port: 0,
        destination_port: 0,
        zone,
        protocol,
        kind: Tuple::kind_of(headers.family, NO_QUERY),
    };
    match (protocol, headers.family) {
        (protocol::TCP | protocol::UDP | protocol::SCTP, _) => set_ports(&mut tuple, bytes)?,
        (protocol::ICMP, Family::V4) | (protocol::ICMPV6, Family::V6) => {
            match message(bytes[0], headers.family) {
                Message::Query(query) => set_query(&mut tuple, bytes, query),
                _ => return None,
            }
        }
        _ => {}
    }
    Some((tuple, Quoted { l3, l4: l3 + offset }))
}

fn upper_v4(network: &[u8]) -> Option<(u8, usize)> {
    let header: &[u8; ipv4::HEADER_LEN] = network.first_chunk()?;
    let header_len = usize::from(header[0] & 15) * 4;
    let later = u16::from_be_bytes([header[6], header[7]]) & ipv4::OFFSET_MASK != 0;
    let sound = header[0] >> 4 == 4 && header_len >= ipv4::HEADER_LEN && !later;
    sound.then_some((header[9], header_len))
}

/// The quoted packet is cut short, so its length field is of no use: it is walked as if it were whole.
fn upper_v6(network: &[u8]) -> Option<(u8, usize)> {
    const MOST_EXTENSIONS: usize = 8;
    let header: &[u8; ipv6::HEADER_LEN] = network.first_chunk()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let (mut next, mut offset) = (header[6], ipv6::HEADER_LEN);
    for _ in 0..MOST_EXTENSIONS {
        let len = match next {
            // Hop-by-hop, routing, destination options, mobility (RFC 8200 section 4).
            0 | 43 | 60 | 135 => (usize::from(*network.get(offset + 1)?) + 1) * 8,
            51 => (usize::from(*network.get(offset + 1)?) + 2) * 4,
            44 if network.get(offset + 2..offset + 4)? == [0, 0] => 8,
            44 => return None,
            _ => return Some((next, offset)),
        };
        next = *network.get(offset)?;
        offset += len;
    }
    None
}
