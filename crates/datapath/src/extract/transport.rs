//! TCP, UDP, SCTP, ICMP and neighbour discovery headers.

use super::{ETHERTYPE_IPV6, ICMPV4, ICMPV6, Layout, SCTP, TCP, UDP, half, mac, wide, word};
use tulle_flow::{Field, Key};

const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Bytes of a neighbour solicitation or advertisement before its options (RFC 4861 section 4.3).
pub(crate) const ND_OPTIONS: usize = 24;
pub(crate) const SOURCE_LINK_ADDRESS: u8 = 1;
pub(crate) const TARGET_LINK_ADDRESS: u8 = 2;

/// Reads the transport header at `at`, if it is whole.
pub(super) fn transport(frame: &[u8], key: &mut Key, layout: &mut Layout, at: usize) {
    let bytes = &frame[at..layout.end];
    let ipv6 = layout.ethertype == ETHERTYPE_IPV6;
    let found = match layout.proto {
        TCP => tcp(bytes, key),
        UDP => udp(bytes, key),
        SCTP => sctp(bytes, key),
        ICMPV4 if !ipv6 => icmpv4(bytes, key),
        ICMPV6 if ipv6 => icmpv6(bytes, key),
        _ => false,
    };
    layout.l4 = if found { at } else { 0 };
}

fn tcp(bytes: &[u8], key: &mut Key) -> bool {
    // A first fragment may hold just the ports (RFC 1858 section 3): it must not pass where they may not.
    let Some(ports) = bytes.get(..4) else { return false };
    key.set(Field::TcpSrc, u128::from(half(ports, 0)));
    key.set(Field::TcpDst, u128::from(half(ports, 2)));
    let Some(header) = bytes.get(..20) else { return false };
    key.set(Field::TcpFlags, u128::from(half(header, 12) & 0x0fff));
    true
}

fn udp(bytes: &[u8], key: &mut Key) -> bool {
    let Some(header) = bytes.get(..8) else { return false };
    key.set(Field::UdpSrc, u128::from(half(header, 0)));
    key.set(Field::UdpDst, u128::from(half(header, 2)));
    true
}

/// SCTP (RFC 9260 section 3).
fn sctp(bytes: &[u8], key: &mut Key) -> bool {
    // As of TCP.
    let Some(ports) = bytes.get(..4) else { return false };
    key.set(Field::SctpSrc, u128::from(half(ports, 0)));
    key.set(Field::SctpDst, u128::from(half(ports, 2)));
    bytes.len() >= 12
}

fn icmpv4(bytes: &[u8], key: &mut Key) -> bool {
    let Some(header) = bytes.get(..8) else { return false };
    key.set(Field::IcmpType, u128::from(header[0]));
    key.set(Field::IcmpCode, u128::from(header[1]));
    true
}

fn icmpv6(bytes: &[u8], key: &mut Key) -> bool {
    let Some(header) = bytes.get(..4) else { return false };
    key.set(Field::Icmpv6Type, u128::from(header[0]));
    key.set(Field::Icmpv6Code, u128::from(header[1]));
    if matches!(header[0], NEIGHBOUR_SOLICITATION | NEIGHBOUR_ADVERTISEMENT) && header[1] == 0 {
        neighbour_discovery(bytes, key);
    }
    true
}

/// RFC 4861.  With a malformed option, none of the fields is set.
fn neighbour_discovery(bytes: &[u8], key: &mut Key) {
    if bytes.len() < ND_OPTIONS {
        return;
    }
    let mut found = *key;
    found.set(Field::NdReserved, u128::from(word(bytes, 4)));
    found.set(Field::NdTarget, wide(bytes, 8));
    let mut options = &bytes[ND_OPTIONS..];
    if let [kind, ..] = options {
        found.set(Field::NdOptionsType, u128::from(*kind));
    }
    while !options.is_empty() {
        let Some((option, rest)) = split_option(options) else { return };
        match (option[0], option.len()) {
            (SOURCE_LINK_ADDRESS, 8) => found.set(Field::NdSll, mac(&option[2..])),
            (TARGET_LINK_ADDRESS, 8) => found.set(Field::NdTll, mac(&option[2..])),
            _ => {}
        }
        options = rest;
    }
    *key = found;
}

/// The first option and what follows it; nothing where its length is zero or reaches too far.
pub(crate) fn split_option(options: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(*options.get(1)?) * 8;
    (length > 0).then(|| options.split_at_checked(length)).flatten()
}
