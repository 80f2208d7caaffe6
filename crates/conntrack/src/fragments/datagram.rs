//! A datagram that is whole, and the fragments that it came in.

use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, checksum, ipv4, ipv6};

use super::piece::{FRAGMENT_HEADER_LEN, Place};
use crate::headers::{Fragment, Headers};
use crate::request::Packet;
use crate::tuple::Family;

/// One fragment, as it is to be sent on.
#[derive(Debug)]
pub struct Piece<T> {
    /// The frame.
    pub frame: Vec<u8>,
    /// What was known of the frame when it was offered.
    pub packet: Packet,
    /// The caller's.
    pub context: T,
}

/// All fragments of one datagram.
#[derive(Debug)]
pub struct Datagram<T> {
    /// In the order of their offsets.
    pieces: Vec<(Place, Piece<T>)>,
    whole: FrameBuf,
    packet: Packet,
}

impl<T> Datagram<T> {
    /// Puts the pieces together, which have neither gaps nor overlaps. Errors: the first one holds
    /// headers that make no sense.
    pub(super) fn assemble(mut pieces: Vec<(Place, Piece<T>)>) -> Result<Self, Vec<Piece<T>>> {
        pieces.sort_unstable_by_key(|(place, _)| place.start);
        match join(&pieces) {
            Some((whole, packet)) => Ok(Self { pieces, whole, packet }),
            None => Err(pieces.into_iter().map(|(_, piece)| piece).collect()),
        }
    }

    /// The fragments, each with its context, in the order of their offsets.
    #[must_use]
    pub fn into_pieces(self) -> Vec<Piece<T>> {
        self.pieces.into_iter().map(|(_, piece)| piece).collect()
    }

    /// How many fragments there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Never: a datagram has fragments.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The datagram put together, with a header of its own.
    pub(crate) fn whole(&mut self) -> (&mut FrameBuf, Packet) {
        (&mut self.whole, self.packet)
    }

    /// Brings the addresses, and all that has changed behind the network header, into the fragments.
    pub(crate) fn copy_to_pieces(&mut self) {
        let headers = &self.packet.headers;
        let whole = self.whole.bytes();
        let Some((first, _)) = self.pieces.first() else { return };
        let removed = if headers.family == Family::V6 { FRAGMENT_HEADER_LEN } else { 0 };
        let data = &whole[first.data - removed..];
        let network = &whole[headers.l3..];
        for (place, piece) in &mut self.pieces {
            piece.frame[place.data..place.data + place.end - place.start]
                .copy_from_slice(&data[place.start..place.end]);
            let header = &mut piece.frame[place.l3..place.data];
            match headers.family {
                Family::V4 => {
                    header[12..20].copy_from_slice(&network[12..20]);
                    write_header_checksum(header);
                }
                Family::V6 => header[8..40].copy_from_slice(&network[8..40]),
            }
        }
    }
}

/// The frame that would have come, had it not been cut: that of the first piece, with all data.
fn join<T>(pieces: &[(Place, Piece<T>)]) -> Option<(FrameBuf, Packet)> {
    let (place, first) = pieces.first()?;
    let family = first.packet.headers.family;
    let mut bytes = first.frame[..place.data].to_vec();
    if family == Family::V6 {
        let announced = first.frame[place.data - FRAGMENT_HEADER_LEN];
        bytes.truncate(place.data - FRAGMENT_HEADER_LEN);
        bytes[place.announced_at] = announced;
    }
    for (place, piece) in pieces {
        bytes.extend_from_slice(&piece.frame[place.data..place.data + place.end - place.start]);
    }
    let (protocol, l4) = match family {
        Family::V4 => finish_v4(&mut bytes[place.l3..], place.data - place.l3)?,
        Family::V6 => finish_v6(&mut bytes[place.l3..])?,
    };
    let headers = Headers {
        family,
        l3: place.l3,
        l4: place.l3 + l4,
        end: bytes.len(),
        protocol,
        fragment: Fragment::No,
    };
    let packet = Packet { headers, offload: Offload::default(), ..first.packet };
    let whole = FrameBuf::copied(&bytes);
    (whole.len() == bytes.len()).then_some((whole, packet))
}

/// Gives protocol and place of the transport header.
fn finish_v4(network: &mut [u8], header_len: usize) -> Option<(u8, usize)> {
    let total = u16::try_from(network.len()).ok()?;
    network[2..4].copy_from_slice(&total.to_be_bytes());
    network[6..8].fill(0);
    write_header_checksum(&mut network[..header_len]);
    Some((network[9], header_len))
}

fn finish_v6(network: &mut [u8]) -> Option<(u8, usize)> {
    let payload = u16::try_from(network.len() - ipv6::HEADER_LEN).ok()?;
    network[4..6].copy_from_slice(&payload.to_be_bytes());
    let upper = ipv6::Packet::new_checked(&*network).ok()?.upper().ok()?;
    (!upper.fragment).then_some((upper.protocol, upper.offset))
}

/// `header` is an IPv4 header and nothing else.
fn write_header_checksum(header: &mut [u8]) {
    header[ipv4::CSUM_AT..ipv4::CSUM_AT + 2].fill(0);
    let checksum = !checksum::sum(header);
    header[ipv4::CSUM_AT..ipv4::CSUM_AT + 2].copy_from_slice(&checksum.to_be_bytes());
}
