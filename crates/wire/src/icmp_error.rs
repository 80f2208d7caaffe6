//! ICMP errors that a router sends about a frame (RFC 792, RFC 1812 section 4.3, RFC 4443).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::ethernet;
use crate::{Layers, Mac, checksum, icmpv4, icmpv6, ipv4, ipv6, protocol};

/// RFC 1812 section 4.3.2.3: the whole IPv4 packet at most.
const MOST_V4: usize = 576;
/// RFC 4443 section 2.4 (c): the minimum IPv6 MTU at most.
const MOST_V6: usize = 1280;
const TTL: u8 = 64;
/// RFC 1812 section 4.3.2.5: precedence internetwork control.
const TOS_CONTROL: u8 = 0xc0;

/// Why a packet is not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpErrorKind {
    /// Its TTL or hop limit has run out.
    TimeExceeded,
    /// There is no route to its destination.
    NetUnreachable,
    /// The last hop cannot find its destination.
    HostUnreachable,
    /// A policy forbids it.
    Prohibited,
    /// It is longer than the next link takes, in bytes of network packet.
    TooBig {
        /// The longest packet that passes.
        mtu: u32,
    },
}

impl IcmpErrorKind {
    /// Type, code and the four bytes behind the checksum.
    fn v4(self) -> (u8, u8, [u8; 4]) {
        match self {
            Self::TimeExceeded => (icmpv4::kind::TIME_EXCEEDED, 0, [0; 4]),
            Self::NetUnreachable => (icmpv4::kind::UNREACHABLE, 0, [0; 4]),
            Self::HostUnreachable => (icmpv4::kind::UNREACHABLE, 1, [0; 4]),
            Self::Prohibited => (icmpv4::kind::UNREACHABLE, 13, [0; 4]),
            Self::TooBig { mtu } => {
                let [high, low] = u16::try_from(mtu).unwrap_or(u16::MAX).to_be_bytes();
                (icmpv4::kind::UNREACHABLE, 4, [0, 0, high, low])
            }
        }
    }

    fn v6(self) -> (u8, u8, [u8; 4]) {
        match self {
            Self::TimeExceeded => (icmpv6::kind::TIME_EXCEEDED, 0, [0; 4]),
            Self::NetUnreachable => (icmpv6::kind::UNREACHABLE, 0, [0; 4]),
            Self::HostUnreachable => (icmpv6::kind::UNREACHABLE, 3, [0; 4]),
            Self::Prohibited => (icmpv6::kind::UNREACHABLE, 1, [0; 4]),
            Self::TooBig { mtu } => (icmpv6::kind::TOO_BIG, 0, mtu.to_be_bytes()),
        }
    }
}

/// The Ethernet frame that tells the sender of `frame` why it is not delivered, VLAN tag included;
/// `None` where none may be sent: about ICMP errors, multicast, broadcast, later fragments, senders
/// that are no single host, or with a router address of the other family.
#[must_use]
pub fn icmp_error(frame: &[u8], kind: IcmpErrorKind, router_mac: Mac, router_ip: IpAddr) -> Option<Vec<u8>> {
    let layers = Layers::parse(frame)?;
    let link = ethernet::Packet::new_checked(frame).ok()?;
    // RFC 4443 section 2.4 (e.3): path MTU discovery works for multicast too.
    let multicast_too = !layers.is_v4() && matches!(kind, IcmpErrorKind::TooBig { .. });
    let to_many = ethernet::is_multicast(link.destination()) && !multicast_too;
    if to_many || ethernet::is_multicast(link.source()) || layers.later_fragment {
        return None;
    }
    let header = ethernet::Repr {
        source: router_mac,
        destination: link.source(),
        vlan: link.vlan(),
        ether_type: layers.ether_type,
    };
    // A service tag cannot be answered with an 802.1Q one, nor two tags with one.
    if header.buffer_len() != layers.network {
        return None;
    }
    let packet = &frame[layers.network..layers.end];
    let upper = &frame[layers.transport..layers.end];
    match router_ip {
        IpAddr::V4(router) if layers.is_v4() => error_v4(&header, packet, upper, kind, router),
        IpAddr::V6(router) if !layers.is_v4() => {
            error_v6(&header, packet, (layers.protocol, upper), kind, router, multicast_too)
        }
        _ => None,
    }
}

fn error_v4(
    link: &ethernet::Repr,
    packet: &[u8],
    upper: &[u8],
    kind: IcmpErrorKind,
    router: Ipv4Addr,
) -> Option<Vec<u8>> {
    let view = ipv4::Packet::new_checked(packet).ok()?;
    let about_icmp = view.protocol() == protocol::ICMP && upper.first().is_none_or(|kind| is_error_v4(*kind));
    if about_icmp || !is_host_v4(view.source()) || !is_host_v4(view.destination()) {
        return None;
    }
    let overhead = ipv4::HEADER_LEN + icmpv4::HEADER_LEN;
    let quote = &packet[..packet.len().min(MOST_V4 - overhead)];
    let (kind, code, rest) = kind.v4();
    let message = icmpv4::Repr { kind, code, rest, payload_len: quote.len() };
    let network = ipv4::Repr {
        source: router,
        destination: view.source(),
        protocol: protocol::ICMP,
        payload_len: message.buffer_len(),
        ttl: TTL,
        tos: TOS_CONTROL,
        id: 0,
        dont_fragment: true,
    };
    let mut frame = frame_around(link, overhead, quote)?;
    let bytes = &mut frame[link.buffer_len()..];
    network.emit(bytes).ok()?;
    message.emit(&mut bytes[ipv4::HEADER_LEN..]).ok()?;
    Some(frame)
}

fn error_v6(
    link: &ethernet::Repr,
    packet: &[u8],
    (upper_protocol, upper): (u8, &[u8]),
    kind: IcmpErrorKind,
    router: Ipv6Addr,
    multicast_too: bool,
) -> Option<Vec<u8>> {
    let view = ipv6::Packet::new_checked(packet).ok()?;
    let about_icmp =
        upper_protocol == protocol::ICMPV6 && upper.first().is_none_or(|kind| is_error_v6(*kind));
    let to_many = view.destination().is_multicast() && !multicast_too;
    let from_host = !view.source().is_unspecified() && !view.source().is_multicast();
    if about_icmp || to_many || !from_host || view.source().is_loopback() {
        return None;
    }
    let overhead = ipv6::HEADER_LEN + icmpv6::HEADER_LEN;
    let quote = &packet[..packet.len().min(MOST_V6 - overhead)];
    let (kind, code, rest) = kind.v6();
    let message = icmpv6::Repr { kind, code, rest, payload_len: quote.len() };
    let network = ipv6::Repr {
        source: router,
        destination: view.source(),
        next_header: protocol::ICMPV6,
        payload_len: message.buffer_len(),
        hop_limit: TTL,
        traffic_class: 0,
        flow_label: 0,
    };
    let mut frame = frame_around(link, overhead, quote)?;
    let bytes = &mut frame[link.buffer_len()..];
    network.emit(bytes).ok()?;
    let pseudo = checksum::pseudo_v6(router, view.source(), protocol::ICMPV6, message.buffer_len());
    message.emit(&mut bytes[ipv6::HEADER_LEN..], pseudo).ok()?;
    Some(frame)
}

/// Link header, `overhead` empty bytes, and the quoted packet.
fn frame_around(link: &ethernet::Repr, overhead: usize, quote: &[u8]) -> Option<Vec<u8>> {
    let mut frame = vec![0; link.buffer_len() + overhead];
    frame.extend_from_slice(quote);
    link.emit(&mut frame).ok()?;
    Some(frame)
}

/// RFC 1122 section 3.2.2: errors, and what must be treated like them.
fn is_error_v4(kind: u8) -> bool {
    use icmpv4::kind::{PARAMETER_PROBLEM, REDIRECT, SOURCE_QUENCH, TIME_EXCEEDED, UNREACHABLE};
    matches!(kind, UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM)
}

/// RFC 4443 section 2.4 (e.1, e.2): all errors have types below 128.
fn is_error_v6(kind: u8) -> bool {
    kind < 128 || kind == icmpv6::kind::REDIRECT
}

/// RFC 1812 section 4.3.2.7: an address that names a single host. 0/8, 127/8, 224/4 and 240/4 do not.
fn is_host_v4(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first != 127 && first < 224
}
