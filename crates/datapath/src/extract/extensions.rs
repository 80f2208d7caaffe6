//! IPv6 extension headers (RFC 8200 section 4): walked to what they carry, and told by `ipv6_exthdr`.

use super::half;
use super::ip::{LATER_FRAGMENT, fragment};
use crate::drop::DropReason;

/// More extension headers than this have no honest use, and would hide the transport header.
const MAX_EXTENSIONS: usize = 16;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT_HEADER: u8 = 44;
const ENCRYPTED: u8 = 50;
const AUTHENTICATION: u8 = 51;
const NO_NEXT_HEADER: u8 = 59;
const DESTINATION: u8 = 60;

/// Bits of `ipv6_exthdr` (OpenFlow 1.3.5 section 7.2.3.7).
mod bit {
    pub const NO_NEXT_HEADER: u16 = 1;
    pub const ENCRYPTED: u16 = 1 << 1;
    pub const AUTHENTICATION: u16 = 1 << 2;
    pub const DESTINATION: u16 = 1 << 3;
    pub const FRAGMENT: u16 = 1 << 4;
    pub const ROUTING: u16 = 1 << 5;
    /// As the first header only.
    pub const HOP_BY_HOP: u16 = 1 << 6;
    /// One that should be there once is there again, or a third one with options for the destination.
    pub const REPEATED: u16 = 1 << 7;
    /// Not in the order that RFC 8200 section 4.1 prefers.
    pub const UNORDERED: u16 = 1 << 8;
}

/// What a walk found.
pub(super) struct Extensions {
    /// The protocol of what follows.
    pub proto: u8,
    /// As `ip_frag` has it.
    pub frag: u128,
    /// A routing header stands before the final destination.
    pub routed: bool,
    /// As `ipv6_exthdr` has it; headers that are cut off do not count.
    pub seen: u16,
    /// Where the transport header begins; nothing in later fragments and behind a header that is cut off.
    pub l4: Option<usize>,
}

/// Walks the headers of a packet, the first of which begins at `at`.  Errors: there are too many.
#[inline]
pub(super) fn walk(packet: &[u8], at: usize, proto: u8) -> Result<Extensions, DropReason> {
    let found = Extensions { proto, frag: 0, routed: false, seen: 0, l4: Some(at) };
    match proto {
        HOP_BY_HOP | ROUTING | FRAGMENT_HEADER | AUTHENTICATION | DESTINATION => {
            walk_all(packet, at, Extensions { l4: None, ..found })
        }
        ENCRYPTED => Ok(Extensions { seen: bit::ENCRYPTED, ..found }),
        NO_NEXT_HEADER => Ok(Extensions { seen: bit::NO_NEXT_HEADER, ..found }),
        _ => Ok(found),
    }
}

fn walk_all(packet: &[u8], mut at: usize, mut found: Extensions) -> Result<Extensions, DropReason> {
    let mut order = Order::default();
    for _ in 0..MAX_EXTENSIONS {
        let Some(length) = length(packet, at, found.proto) else {
            return Ok(Extensions { l4: Some(at), seen: order.meet(found.proto), ..found });
        };
        let Some(header) = packet.get(at..at + length) else { return Ok(found) };
        found.seen = order.meet(found.proto);
        found.routed |= found.proto == ROUTING && header[3] > 0;
        if found.proto == FRAGMENT_HEADER {
            found.frag |= fragment(half(header, 2) & 1 != 0, half(header, 2) >> 3);
        }
        found.proto = header[0];
        at += length;
        if found.frag & LATER_FRAGMENT != 0 {
            return Ok(found);
        }
    }
    Err(DropReason::Ipv6TooManyExtensions)
}

/// Bytes of an extension header that leads on to another, 8 at least; nothing where it is none.
fn length(packet: &[u8], at: usize, kind: u8) -> Option<usize> {
    let units = || usize::from(packet.get(at + 1).copied().unwrap_or(0));
    match kind {
        FRAGMENT_HEADER => Some(8),
        AUTHENTICATION => Some((units() + 2) * 4),
        HOP_BY_HOP | ROUTING | DESTINATION => Some((units() + 1) * 8),
        _ => None,
    }
}

/// What is known of the order of headers so far.
#[derive(Default)]
struct Order {
    seen: u16,
    met: u16,
    destinations: u8,
    /// The place of the last one in the order that is preferred, from 1.
    last: u8,
}

impl Order {
    /// Notes the next header; gives `ipv6_exthdr` up to it.
    fn meet(&mut self, kind: u8) -> u16 {
        let (bit, place) = match kind {
            HOP_BY_HOP => (bit::HOP_BY_HOP, 1),
            // Before a routing header, or as the last of all.
            DESTINATION => (bit::DESTINATION, if self.last < 2 { 2 } else { 7 }),
            ROUTING => (bit::ROUTING, 3),
            FRAGMENT_HEADER => (bit::FRAGMENT, 4),
            AUTHENTICATION => (bit::AUTHENTICATION, 5),
            ENCRYPTED => (bit::ENCRYPTED, 6),
            NO_NEXT_HEADER => (bit::NO_NEXT_HEADER, 8),
            _ => return self.seen,
        };
        self.destinations += u8::from(kind == DESTINATION);
        let is_again = if kind == DESTINATION { self.destinations > 2 } else { self.met & bit != 0 };
        self.met |= bit;
        self.seen |= if is_again { bit::REPEATED } else { 0 };
        self.seen |= if place < self.last { bit::UNORDERED } else { 0 };
        self.seen |= if kind == HOP_BY_HOP && self.last != 0 { 0 } else { bit };
        self.last = place;
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `ipv6_exthdr` of headers of these kinds, in this order, before what has kind 17.
    fn seen(kinds: &[u8]) -> u16 {
        let mut packet = Vec::new();
        for (i, kind) in kinds.iter().enumerate() {
            let next = kinds.get(i + 1).copied().unwrap_or(17);
            let length = u8::from(*kind == AUTHENTICATION) * 2;
            packet.extend([next, length, 0, 0, 0, 0, 0, 0]);
            packet.extend(vec![0; if *kind == AUTHENTICATION { 8 } else { 0 }]);
        }
        walk(&packet, 0, kinds.first().copied().unwrap_or(17)).map(|found| found.seen).unwrap_or(u16::MAX)
    }

    #[test]
    fn headers_in_the_preferred_order_have_a_bit_each() {
        assert_eq!(seen(&[]), 0);
        assert_eq!(seen(&[HOP_BY_HOP, AUTHENTICATION]), 0x44);
        let all =
            [HOP_BY_HOP, DESTINATION, ROUTING, FRAGMENT_HEADER, AUTHENTICATION, DESTINATION, NO_NEXT_HEADER];
        assert_eq!(seen(&all), 0x7d);
        assert_eq!(seen(&[FRAGMENT_HEADER, ENCRYPTED]), 0x12);
        assert_eq!((seen(&[ENCRYPTED]), seen(&[NO_NEXT_HEADER])), (2, 1));
    }

    #[test]
    fn headers_again_or_out_of_order_are_told() {
        assert_eq!(seen(&[DESTINATION, DESTINATION]), 8);
        assert_eq!(seen(&[DESTINATION, ROUTING, DESTINATION, DESTINATION]), 0xa8);
        assert_eq!(seen(&[HOP_BY_HOP, HOP_BY_HOP]), 0xc0);
        assert_eq!(seen(&[ROUTING, HOP_BY_HOP]), 0x120);
        assert_eq!(seen(&[AUTHENTICATION, FRAGMENT_HEADER]), 0x114);
        assert_eq!(seen(&[ROUTING, AUTHENTICATION, ROUTING]), 0x1a4);
    }

    /// The bits, by counting and by trying which of the headers for the destination may be the early one.
    fn seen_slowly(kinds: &[u8]) -> u16 {
        let place = |i: usize, early: usize| match kinds[i] {
            DESTINATION if i == early => 2,
            kind => {
                [(HOP_BY_HOP, 1), (ROUTING, 3), (FRAGMENT_HEADER, 4), (AUTHENTICATION, 5), (ENCRYPTED, 6)]
                    .iter()
                    .find(|(other, _)| *other == kind)
                    .map_or(7, |(_, place)| *place)
            }
        };
        let is_ordered =
            (0..=kinds.len()).any(|early| (1..kinds.len()).all(|i| place(i - 1, early) <= place(i, early)));
        let count = |kind| kinds.iter().filter(|other| **other == kind).count();
        let bits = [ENCRYPTED, AUTHENTICATION, DESTINATION, FRAGMENT_HEADER, ROUTING];
        let mut seen = if is_ordered { 0 } else { 0x100 };
        for (i, kind) in bits.into_iter().enumerate() {
            seen |= u16::from(count(kind) > 0) << (i + 1);
        }
        seen |= u16::from(kinds.first() == Some(&HOP_BY_HOP)) << 6;
        let most = |kind: u8| if kind == DESTINATION { 2 } else { 1 };
        seen | u16::from(kinds.iter().any(|kind| count(*kind) > most(*kind))) << 7
    }

    proptest! {
        #[test]
        fn bits_are_those_of_counting(
            mut kinds in prop::collection::vec(prop::sample::select(
                vec![HOP_BY_HOP, ROUTING, FRAGMENT_HEADER, AUTHENTICATION, DESTINATION]), 0..8),
            is_encrypted in any::<bool>(),
        ) {
            kinds.extend(is_encrypted.then_some(ENCRYPTED));
            prop_assert_eq!(seen(&kinds), seen_slowly(&kinds));
        }
    }

    #[test]
    fn a_header_that_is_cut_off_does_not_count() {
        let cut = [AUTHENTICATION, 0, 0, 0, 0, 0, 0, 0, 6, 2, 0, 0];
        let found = walk(&cut, 0, HOP_BY_HOP).map(|found| (found.seen, found.proto, found.l4));
        assert_eq!(found, Ok((0x40, AUTHENTICATION, None)));
    }
}
