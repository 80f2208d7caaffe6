//! Where each field lies in a frame, and which checksums cover it.

use crate::extract::{
    ETHERTYPE_IPV4, Layout, ND_OPTIONS, SOURCE_LINK_ADDRESS, TARGET_LINK_ADDRESS, UCA_SHIFT, UDP,
    split_option,
};
use tulle_flow::Field;

/// Where the first VLAN tag's control information lies.
const FIRST_TAG: usize = 14;

/// The checksums that a field is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    Nothing,
    Ipv4Header,
    /// The pseudo-header, and in IPv4 the header's own.
    Addresses,
    Transport,
    /// SCTP's own, a CRC32c over the SCTP packet (RFC 9260 section 6.8).
    Sctp,
}

/// Some whole 16-bit words of a frame, and where in them the field ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub at: usize,
    /// Bytes, at most 16, an even number where a checksum covers them.
    pub len: usize,
    /// Bits of the field in the packet, which may be fewer than in the key.
    pub bits: u32,
    /// Bits behind the field.
    pub shift: u32,
    pub cover: Cover,
}

impl Place {
    /// The field's bits, all set.
    pub fn width(&self) -> u128 {
        u128::MAX >> (128 - self.bits)
    }
}

/// The place of a field in this frame, or nothing where the frame has no such field.
pub(super) fn place(frame: &[u8], layout: &Layout, field: Field) -> Option<Place> {
    match field {
        Field::EthDst => plain(0, 6),
        Field::EthSrc => plain(6, 6),
        Field::VlanTci => (layout.payload >= FIRST_TAG + 4).then(|| tag(FIRST_TAG)).flatten(),
        Field::MplsLabel => part(layout.payload, 4, 20, 12, Cover::Nothing),
        Field::MplsTc => part(layout.payload, 4, 3, 9, Cover::Nothing),
        Field::MplsTtl => part(layout.payload, 4, 8, 0, Cover::Nothing),
        Field::PbbIsid => part(layout.payload, 4, 24, 0, Cover::Nothing),
        Field::PbbUca => part(layout.payload, 4, 1, UCA_SHIFT, Cover::Nothing),
        _ if layout.l3 == 0 => None,
        _ => network(frame, layout, field),
    }
}

/// A tag's control information.  The key's bit 12 says that there is a tag; the packet's is not the switch's to set.
fn tag(at: usize) -> Option<Place> {
    part(at, 2, 16, 0, Cover::Nothing)
}

fn network(frame: &[u8], layout: &Layout, field: Field) -> Option<Place> {
    match field {
        Field::ArpOp => plain(layout.l3 + 6, 2),
        Field::ArpSha => plain(layout.l3 + 8, 6),
        Field::ArpSpa => plain(layout.l3 + 14, 4),
        Field::ArpTha => plain(layout.l3 + 18, 6),
        Field::ArpTpa => plain(layout.l3 + 24, 4),
        Field::IpTos | Field::IpTtl if layout.ethertype == ETHERTYPE_IPV4 => ipv4(layout, field),
        Field::IpTos => part(layout.l3, 2, 8, 4, Cover::Nothing),
        Field::IpTtl => plain(layout.l3 + 7, 1),
        Field::IpSrc => whole(layout.l3 + 12, 4, Cover::Addresses),
        Field::IpDst => whole(layout.l3 + 16, 4, Cover::Addresses),
        Field::Ipv6Label => part(layout.l3, 4, 20, 0, Cover::Nothing),
        Field::Ipv6Src => whole(layout.l3 + 8, 16, Cover::Addresses),
        Field::Ipv6Dst => {
            let cover = if layout.routed { Cover::Nothing } else { Cover::Addresses };
            whole(layout.l3 + 24, 16, cover)
        }
        _ if layout.l4 == 0 => None,
        _ => transport(frame, layout, field),
    }
}

fn whole(at: usize, len: usize, cover: Cover) -> Option<Place> {
    Some(Place { at, len, bits: len as u32 * 8, shift: 0, cover })
}

fn part(at: usize, len: usize, bits: u32, shift: u32, cover: Cover) -> Option<Place> {
    Some(Place { at, len, bits, shift, cover })
}

fn plain(at: usize, len: usize) -> Option<Place> {
    whole(at, len, Cover::Nothing)
}

fn ipv4(layout: &Layout, field: Field) -> Option<Place> {
    match field {
        Field::IpTos => part(layout.l3, 2, 8, 0, Cover::Ipv4Header),
        Field::IpTtl => part(layout.l3 + 8, 2, 8, 8, Cover::Ipv4Header),
        _ => None,
    }
}

fn transport(frame: &[u8], layout: &Layout, field: Field) -> Option<Place> {
    let l4 = layout.l4;
    let covered = |at, len| whole(at, len, Cover::Transport);
    let byte = |at, shift| part(at, 2, 8, shift, Cover::Transport);
    match field {
        Field::TcpSrc | Field::UdpSrc => covered(l4, 2),
        Field::TcpDst | Field::UdpDst => covered(l4 + 2, 2),
        Field::SctpSrc => whole(l4, 2, Cover::Sctp),
        Field::SctpDst => whole(l4 + 2, 2, Cover::Sctp),
        Field::IcmpType | Field::Icmpv6Type => byte(l4, 8),
        Field::IcmpCode | Field::Icmpv6Code => byte(l4, 0),
        _ if layout.proto == UDP || layout.end < l4 + ND_OPTIONS => None,
        Field::NdReserved => covered(l4 + 4, 4),
        Field::NdTarget => covered(l4 + 8, 16),
        Field::NdOptionsType if layout.end >= l4 + ND_OPTIONS + 8 => byte(l4 + ND_OPTIONS, 8),
        Field::NdSll => covered(link_address(frame, layout, SOURCE_LINK_ADDRESS)?, 6),
        Field::NdTll => covered(link_address(frame, layout, TARGET_LINK_ADDRESS)?, 6),
        _ => None,
    }
}

/// Where the address lies in the first link-layer address option of this kind (RFC 4861 section 4.6.1).
fn link_address(frame: &[u8], layout: &Layout, kind: u8) -> Option<usize> {
    let mut options = frame.get(layout.l4 + ND_OPTIONS..layout.end)?;
    while let Some((option, rest)) = split_option(options) {
        if option[0] == kind && option.len() == 8 {
            return Some(layout.end - options.len() + 2);
        }
        options = rest;
    }
    None
}
