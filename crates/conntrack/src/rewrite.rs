//! A frame's addresses and ports written anew, and its checksums with them.
//!
//! Checksums are updated, not computed (RFC 1624), so what was damaged stays damaged. One that is left
//! to be filled in holds the sum of the pseudo header, and takes in addresses only.

use tulle_wire::{checksum, ipv4, protocol, sctp};

use crate::packet::Parsed;
use crate::request::Packet;
use crate::tuple::{Address, Family, NO_QUERY, Tuple};

/// A network and a transport header.
#[derive(Clone, Copy)]
struct Place {
    l3: usize,
    l4: usize,
    end: usize,
    /// The transport checksum is left to be filled in.
    undone: bool,
    /// It is quoted, and what its checksum covers is not there.
    quoted: bool,
}

/// Makes a packet one of the tuple `to`. An ICMP error gets the addresses of that, and quotes its
/// reverse.
pub(crate) fn translate(frame: &mut [u8], packet: &Packet, parsed: &Parsed, to: &Tuple) {
    let headers = &packet.headers;
    let undone = packet.offload.needs_csum && usize::from(packet.offload.csum_start) == headers.l4;
    let outer = Place { l3: headers.l3, l4: headers.l4, end: headers.end, undone, quoted: false };
    let Some(quoted) = parsed.quoted else { return rewrite(frame, outer, &parsed.tuple, to) };
    let body = quoted.l3..headers.end;
    let before = checksum::sum(&frame[body.clone()]);
    let inner = Place { l3: quoted.l3, l4: quoted.l4, end: headers.end, undone: false, quoted: true };
    rewrite(frame, inner, &parsed.tuple.reversed(), &to.reversed());
    let after = checksum::sum(&frame[body]);
    if !undone {
        replace_sum(frame, outer.l4 + 2, before, after);
    }
    rewrite_outer(frame, outer, headers.protocol, &parsed.tuple, to);
}

/// The outer addresses of an error. Its sender may be any router: where the packets of this direction
/// get another source, so does the error, as the sender's own address may mean nothing over there.
fn rewrite_outer(frame: &mut [u8], place: Place, protocol: u8, from: &Tuple, to: &Tuple) {
    let icmp = Tuple { protocol, kind: Tuple::kind_of(from.family(), NO_QUERY), ..*from };
    if from.source != to.source {
        write_address(frame, place, &icmp, 0, &to.source);
    }
    if from.destination != to.destination {
        write_address(frame, place, &icmp, 1, &to.destination);
    }
}

fn rewrite(frame: &mut [u8], place: Place, from: &Tuple, to: &Tuple) {
    if from.source != to.source {
        write_address(frame, place, from, 0, &to.source);
    }
    if from.destination != to.destination {
        write_address(frame, place, from, 1, &to.destination);
    }
    if from.is_query() {
        write_port(frame, place, from, 4, from.source_port, to.source_port);
    } else if from.has_ports() {
        write_port(frame, place, from, 0, from.source_port, to.source_port);
        write_port(frame, place, from, 2, from.destination_port, to.destination_port);
    }
}

/// Writes the source (0) or destination (1) address.
fn write_address(frame: &mut [u8], place: Place, of: &Tuple, which: usize, new: &Address) {
    let (at, len) = match of.family() {
        Family::V4 => (place.l3 + 12 + which * 4, 4),
        Family::V6 => (place.l3 + 8 + which * 16, 16),
    };
    let Some(field) = frame.get_mut(at..at + len) else { return };
    let before = checksum::sum(field);
    field.copy_from_slice(&new[..len]);
    let after = checksum::sum(field);
    if of.family() == Family::V4 {
        replace_sum(frame, place.l3 + ipv4::CSUM_AT, before, after);
    }
    let Some(csum_at) = transport_checksum(frame, place, of) else { return };
    match (of.protocol, place.undone) {
        // The ICMP checksum covers no addresses.
        (protocol::ICMP, _) => {}
        (_, true) => {
            let sum = checksum::add(checksum::subtract(word(frame, csum_at), before), after);
            frame[csum_at..csum_at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        (protocol, false) => replace_transport_sum(frame, csum_at, protocol, before, after),
    }
}

/// Writes a port, or an identifier, at an offset of the transport header.
fn write_port(frame: &mut [u8], place: Place, of: &Tuple, offset: usize, old: u16, new: u16) {
    let at = place.l4 + offset;
    if old == new || at + 2 > place.end {
        return;
    }
    if of.protocol == protocol::SCTP && !place.undone && !place.quoted {
        return sctp::write_word(&mut frame[place.l4..place.end], offset, new, u16::MAX);
    }
    frame[at..at + 2].copy_from_slice(&new.to_be_bytes());
    if place.undone {
        return;
    }
    if let Some(csum_at) = transport_checksum(frame, place, of) {
        replace_transport_sum(frame, csum_at, of.protocol, old, new);
    }
}

/// Where the transport checksum is, if the protocol has one, the packet holds it, and it is in use.
fn transport_checksum(frame: &[u8], place: Place, of: &Tuple) -> Option<usize> {
    const UDP_LITE: u8 = 136;
    const DCCP: u8 = 33;
    let offset = match of.protocol {
        protocol::TCP => 16,
        protocol::UDP | UDP_LITE | DCCP => 6,
        protocol::ICMP | protocol::ICMPV6 => 2,
        _ => return None,
    };
    let bytes = frame.get(place.l4..place.end).filter(|_| place.l4 > place.l3)?;
    let field = bytes.get(offset..offset + 2)?;
    let used = of.protocol != protocol::UDP || place.undone || field != [0, 0];
    used.then_some(place.l4 + offset)
}

fn word(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

/// A checksum after words with one sum have become words with another. The caller has checked that it
/// is in the frame.
fn replace_sum(frame: &mut [u8], at: usize, before: u16, after: u16) {
    let checksum = checksum::replace(word(frame, at), before, after);
    frame[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// The same; for UDP, 0 would mean that there is none (RFC 768).
fn replace_transport_sum(frame: &mut [u8], at: usize, protocol: u8, before: u16, after: u16) {
    replace_sum(frame, at, before, after);
    if protocol == protocol::UDP && word(frame, at) == 0 {
        frame[at..at + 2].copy_from_slice(&[0xff; 2]);
    }
}
