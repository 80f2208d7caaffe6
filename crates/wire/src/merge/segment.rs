//! One TCP segment, and whether another is what a cut would have made next.

use crate::bytes::{set_u16, u16_at, u32_at};
use crate::tcp::flag;
use crate::vnet::{GsoKind, Offload};
use crate::{Layers, checksum, ipv4, ipv6, protocol, tcp};

/// Of the flags, only these are in segments that are joined, the first one always.
const ORDINARY: u8 = flag::ACK | flag::ECE | LAST;
/// A cut leaves these on the last segment alone.
const LAST: u8 = flag::PSH | flag::FIN;
const CSUM_AT: usize = checksum::TCP_CSUM_OFFSET as usize;
/// What a computed checksum never is, though it would be as right as 0.
const OTHER_ZERO: u16 = 0xffff;

/// What a frame is.
pub(super) enum Arrived {
    /// No TCP.
    Other,
    /// Something of TCP that may be of any flow: a fragment, or a header cut short.
    Unclear,
    Segment(Segment),
}

/// Where the parts of a TCP frame are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) v4: bool,
    pub(super) network: usize,
    pub(super) transport: usize,
    pub(super) payload: usize,
    /// Bytes of payload.
    pub(super) size: usize,
    /// Nothing is unusual in it, and its checksums are right.
    pub(super) joinable: bool,
    /// None can follow.
    pub(super) is_last: bool,
}

impl Segment {
    pub(super) fn parse(frame: &[u8], offload: &Offload) -> Arrived {
        let Some(layers) = Layers::parse(frame) else { return Arrived::Other };
        if layers.protocol != protocol::TCP {
            return Arrived::Other;
        }
        let bytes = &frame[layers.transport..layers.end];
        let header = match tcp::Packet::new_checked(bytes) {
            Ok(header) if !layers.fragment => header,
            _ => return Arrived::Unclear,
        };
        let mut segment = Self {
            v4: layers.is_v4(),
            network: layers.network,
            transport: layers.transport,
            payload: layers.transport + header.header_len(),
            size: bytes.len() - header.header_len(),
            joinable: false,
            is_last: header.flags() & LAST != 0,
        };
        let flags = header.flags() & !LAST;
        let whole = offload.gso == GsoKind::None && !offload.needs_csum && frame.len() == layers.end;
        let ordinary = flags & !ORDINARY == 0 && flags & flag::ACK != 0 && segment.size > 0;
        segment.joinable = whole && ordinary && segment.checksums_are_right(frame);
        Arrived::Segment(segment)
    }

    /// And such as a cut makes them.
    fn checksums_are_right(&self, frame: &[u8]) -> bool {
        let header = &frame[self.network..self.transport];
        let network =
            !self.v4 || checksum::sum(header) == OTHER_ZERO && u16_at(header, ipv4::CSUM_AT) != OTHER_ZERO;
        let segment = &frame[self.transport..];
        network
            && u16_at(segment, CSUM_AT) != OTHER_ZERO
            && checksum::verify(self.pseudo(frame, segment.len()), segment)
    }

    /// The sum of the pseudo header for a segment of `len` bytes.
    pub(super) fn pseudo(&self, frame: &[u8], len: usize) -> u16 {
        let addresses = checksum::sum(self.addresses(frame));
        checksum::add(checksum::add(addresses, u16::from(protocol::TCP)), len as u16)
    }

    fn addresses<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        let range = if self.v4 { 12..20 } else { 8..40 };
        &frame[self.network + range.start..self.network + range.end]
    }

    /// Whether both have the same addresses and ports.
    pub(super) fn is_flow_of(&self, mine: &[u8], other: &Self, frame: &[u8]) -> bool {
        self.v4 == other.v4
            && mine[self.transport..self.transport + 4] == frame[other.transport..other.transport + 4]
            && self.addresses(mine) == other.addresses(frame)
    }

    /// Whether `next` in `frame` is the segment that a cut makes after `count` of them, the first of
    /// which is this one, at the front of `mine`.
    pub(super) fn continues(&self, mine: &[u8], count: usize, next: &Self, frame: &[u8]) -> bool {
        next.joinable
            && next.size <= self.size
            && (self.network, self.transport, self.payload) == (next.network, next.transport, next.payload)
            && mine[..self.network] == frame[..self.network]
            && self.network_continues(mine, count, frame)
            && self.transport_continues(mine, count, frame)
    }

    fn network_continues(&self, mine: &[u8], count: usize, frame: &[u8]) -> bool {
        let (mine, next) = (&mine[self.network..self.transport], &frame[self.network..self.transport]);
        if !self.v4 {
            return mine[..4] == next[..4] && mine[6..] == next[6..];
        }
        // All but length, identification and checksum.
        let same = mine[..2] == next[..2]
            && mine[6..ipv4::CSUM_AT] == next[6..ipv4::CSUM_AT]
            && mine[ipv4::CSUM_AT + 2..] == next[ipv4::CSUM_AT + 2..];
        same && u16_at(next, 4) == u16_at(mine, 4).wrapping_add(count as u16)
    }

    fn transport_continues(&self, mine: &[u8], count: usize, frame: &[u8]) -> bool {
        let (mine, next) = (&mine[self.transport..self.payload], &frame[self.transport..self.payload]);
        // All but sequence, FIN and PSH, and checksum.
        let same = mine[8..tcp::FLAGS_AT] == next[8..tcp::FLAGS_AT]
            && mine[tcp::FLAGS_AT] == next[tcp::FLAGS_AT] & !LAST
            && mine[tcp::FLAGS_AT + 1..CSUM_AT] == next[tcp::FLAGS_AT + 1..CSUM_AT]
            && mine[CSUM_AT + 2..] == next[CSUM_AT + 2..];
        same && u32_at(next, 4) == u32_at(mine, 4).wrapping_add((count * self.size) as u32)
    }

    /// The flags of the last segment are those of the whole.
    pub(super) fn add_flags(&self, mine: &mut [u8], last: &Self, frame: &[u8]) {
        mine[self.transport + tcp::FLAGS_AT] |= frame[last.transport + tcp::FLAGS_AT] & LAST;
    }

    /// Writes the length of the whole frame to the network header.
    pub(super) fn set_network_len(&self, frame: &mut [u8]) {
        let total_len = frame.len() - self.network;
        let header = &mut frame[self.network..self.transport];
        if self.v4 {
            checksum::rewrite_word(header, ipv4::CSUM_AT, 2, total_len as u16);
        } else {
            set_u16(header, 4, (total_len - ipv6::HEADER_LEN) as u16);
        }
    }
}
