//! From the bytes of a frame to what the tracker needs of them, and whether they are sound.

mod icmp;

use tulle_wire::{checksum, ipv4, protocol};

use crate::headers::Headers;
use crate::request::Packet;
use crate::sctp::Chunks;
use crate::tcp::Segment;
use crate::tuple::{Address, Family, NO_QUERY, Tuple};

/// What the tracker needs of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parsed {
    /// Of the packet; of an ICMP error, the reverse of what the packet that it quotes has.
    pub tuple: Tuple,
    pub segment: Option<Segment>,
    pub chunks: Option<Chunks>,
    /// It is an ICMP error; where the packet that it quotes lies.
    pub quoted: Option<Quoted>,
    /// It may be the first of a connection.
    pub may_open: bool,
}

/// The packet that an ICMP error is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted {
    pub l3: usize,
    pub l4: usize,
}

/// Reads a packet. `None`: it is invalid.
#[inline]
pub(crate) fn parse(frame: &[u8], packet: &Packet, zone: u16) -> Option<Parsed> {
    let headers = &packet.headers;
    let network = frame.get(headers.l3..headers.end)?;
    let (source, destination) = addresses(network, headers.family)?;
    if headers.family == Family::V4 && !is_sound_v4(network) {
        return None;
    }
    let mut tuple = Tuple {
        source,
        destination,
        source_port: 0,
        destination_port: 0,
        zone,
        protocol: headers.protocol,
        kind: Tuple::kind_of(headers.family, NO_QUERY),
    };
    let mut parsed = Parsed { tuple, segment: None, chunks: None, quoted: None, may_open: true };
    match (headers.protocol, headers.family) {
        (protocol::TCP, _) => {
            let bytes = transport(frame, headers)?;
            let segment = Segment::parse(bytes)?;
            set_ports(&mut tuple, bytes)?;
            parsed.may_open = segment.may_open();
            parsed.segment = Some(segment);
            parsed.tuple = tuple;
        }
        (protocol::UDP, _) => {
            let bytes = transport(frame, headers)?;
            tulle_wire::udp::Packet::new_checked(bytes).ok()?;
            set_ports(&mut tuple, bytes)?;
            parsed.tuple = tuple;
        }
        (protocol::SCTP, _) => {
            let bytes = transport(frame, headers)?;
            let chunks = Chunks::parse(bytes)?;
            set_ports(&mut tuple, bytes)?;
            parsed.may_open = chunks.may_open();
            parsed.chunks = Some(chunks);
            parsed.tuple = tuple;
        }
        (protocol::ICMP, Family::V4) | (protocol::ICMPV6, Family::V6) => {
            icmp::parse(frame, headers, &mut parsed)?;
        }
        _ => {}
    }
    is_checksum_right(frame, packet).then_some(parsed)
}

/// Transport header and payload.
#[inline]
fn transport<'a>(frame: &'a [u8], headers: &Headers) -> Option<&'a [u8]> {
    if headers.l4 <= headers.l3 { None } else { frame.get(headers.l4..headers.end) }
}

#[inline]
pub(crate) fn addresses(network: &[u8], family: Family) -> Option<(Address, Address)> {
    let (mut source, mut destination) = ([0; 16], [0; 16]);
    match family {
        Family::V4 => {
            let header: &[u8; ipv4::HEADER_LEN] = network.first_chunk()?;
            source[..4].copy_from_slice(&header[12..16]);
            destination[..4].copy_from_slice(&header[16..20]);
        }
        Family::V6 => {
            let header: &[u8; tulle_wire::ipv6::HEADER_LEN] = network.first_chunk()?;
            source.copy_from_slice(&header[8..24]);
            destination.copy_from_slice(&header[24..40]);
        }
    }
    Some((source, destination))
}

#[inline]
fn is_sound_v4(network: &[u8]) -> bool {
    ipv4::Packet::new_checked(network).is_ok_and(|packet| packet.verify_checksum())
}

/// Reads the ports of TCP, UDP or SCTP. `None`: too few bytes, or a port is 0, which no connection has.
#[inline]
fn set_ports(tuple: &mut Tuple, transport: &[u8]) -> Option<()> {
    let [a, b, c, d] = *transport.first_chunk()?;
    tuple.source_port = u16::from_be_bytes([a, b]);
    tuple.destination_port = u16::from_be_bytes([c, d]);
    (tuple.source_port != 0 && tuple.destination_port != 0).then_some(())
}

/// Whether the checksum of a transport header is right, left to be filled in, or known to be right.
#[inline]
fn is_checksum_right(frame: &[u8], packet: &Packet) -> bool {
    let (headers, offload) = (&packet.headers, &packet.offload);
    let undone = offload.needs_csum && usize::from(offload.csum_start) == headers.l4;
    if undone || offload.data_valid {
        return true;
    }
    let Some(bytes) = transport(frame, headers) else { return true };
    match headers.protocol {
        protocol::TCP => checksum::verify(pseudo(frame, headers, bytes.len()), bytes),
        protocol::UDP => tulle_wire::udp::Packet::new_checked(bytes)
            .is_ok_and(|udp| udp.verify_checksum(pseudo(frame, headers, udp.total_len()))),
        protocol::SCTP => {
            tulle_wire::sctp::Packet::new_checked(bytes).is_ok_and(|packet| packet.verify_checksum())
        }
        protocol::ICMP if headers.family == Family::V4 => checksum::verify(0, bytes),
        protocol::ICMPV6 if headers.family == Family::V6 => {
            checksum::verify(pseudo(frame, headers, bytes.len()), bytes)
        }
        _ => true,
    }
}

/// What a datagram carries.
pub(crate) fn payload_of_udp<'a>(frame: &'a [u8], headers: &Headers) -> Option<&'a [u8]> {
    transport(frame, headers)?.get(tulle_wire::udp::HEADER_LEN..)
}

/// The sum of the pseudo header; the network header has been read already.
#[inline]
pub(crate) fn pseudo(frame: &[u8], headers: &Headers, len: usize) -> u16 {
    let range = match headers.family {
        Family::V4 => headers.l3 + 12..headers.l3 + 20,
        Family::V6 => headers.l3 + 8..headers.l3 + 40,
    };
    let rest = [0, headers.protocol, (len >> 24) as u8, (len >> 16) as u8, (len >> 8) as u8, len as u8];
    checksum::add(checksum::sum(&frame[range]), checksum::sum(&rest))
}
