//! The VXLAN header: 8 bytes, and what two extensions make of its reserved bits.

use crate::udp::Head;
use crate::{DropReason, Gbp};

/// Length of the header.
pub const HEADER_LEN: usize = 8;

/// Bits of the flags byte.
mod flag {
    /// The network identifier is valid.
    pub const VNI: u8 = 0x08;
    /// Group policy: there is a group.
    pub const GROUP: u8 = 0x80;
    /// Generic protocol: its version.
    pub const VERSION: u8 = 0x30;
    /// Generic protocol: there is a next protocol.
    pub const PROTOCOL: u8 = 0x04;
    /// Generic protocol: for operations.
    pub const OAM: u8 = 0x01;
}
/// The next protocol that is Ethernet.
const ETHERNET: u8 = 3;
const GROUP_FLAGS: u8 = Gbp::DONT_LEARN | Gbp::APPLIED;

/// What is made of the header's reserved bits; at most one thing at a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Extension {
    /// Nothing (RFC 7348 section 5).
    #[default]
    Plain,
    /// A group of the source (draft-smith-vxlan-group-policy-05).
    Gbp,
    /// A next protocol (draft-ietf-nvo3-vxlan-gpe-12); here only Ethernet.
    Gpe,
}

impl Extension {
    /// The header for a network identifier of 24 bits.
    #[inline]
    pub(super) fn emit(self, vni: u64, gbp: Option<Gbp>) -> [u8; HEADER_LEN] {
        let [.., a, b, c] = vni.to_be_bytes();
        match (self, gbp) {
            (Self::Gbp, Some(Gbp { id, flags })) => {
                let [high, low] = id.to_be_bytes();
                [flag::VNI | flag::GROUP, flags & GROUP_FLAGS, high, low, a, b, c, 0]
            }
            (Self::Gpe, _) => [flag::VNI | flag::PROTOCOL, 0, 0, ETHERNET, a, b, c, 0],
            _ => [flag::VNI, 0, 0, 0, a, b, c, 0],
        }
    }

    /// Reads a header. Errors: it is cut short, or holds what this extension does not explain.
    #[inline]
    pub(super) fn parse(self, bytes: &[u8]) -> Result<Head, DropReason> {
        let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(DropReason::VxlanTruncated)?;
        let gbp = match self {
            Self::Plain => check_plain(header).map(|()| None),
            Self::Gbp => parse_group(header),
            Self::Gpe => check_protocol(header).map(|()| None),
        }?;
        let [_, _, _, _, a, b, c, last] = *header;
        if last != 0 {
            return Err(DropReason::VxlanReservedBits);
        }
        let context = u64::from(u32::from_be_bytes([0, a, b, c]));
        Ok(Head { len: HEADER_LEN, context, gbp, ..Head::default() })
    }
}

#[inline]
fn check_plain(header: &[u8; HEADER_LEN]) -> Result<(), DropReason> {
    match *header {
        [flag::VNI, 0, 0, 0, ..] => Ok(()),
        [flag::VNI, ..] => Err(DropReason::VxlanReservedBits),
        _ => Err(DropReason::VxlanBadFlags),
    }
}

/// Like Linux, which with this extension looks at none of the 24 bits that have no name in it.
fn parse_group(header: &[u8; HEADER_LEN]) -> Result<Option<Gbp>, DropReason> {
    let [flags, group_flags, high, low, ..] = *header;
    if flags & !flag::GROUP != flag::VNI {
        return Err(DropReason::VxlanBadFlags);
    }
    let gbp = Gbp { id: u16::from_be_bytes([high, low]), flags: group_flags & GROUP_FLAGS };
    Ok((flags & flag::GROUP != 0).then_some(gbp))
}

/// Like Linux, which wants the next protocol to be named.
fn check_protocol(header: &[u8; HEADER_LEN]) -> Result<(), DropReason> {
    let [flags, first, second, protocol, ..] = *header;
    if flags & flag::VNI == 0 || flags & flag::PROTOCOL == 0 {
        return Err(DropReason::VxlanBadFlags);
    }
    if flags & flag::VERSION != 0 {
        return Err(DropReason::VxlanGpeVersion);
    }
    if flags & flag::OAM != 0 {
        return Err(DropReason::VxlanGpeOam);
    }
    if (flags & !(flag::VNI | flag::PROTOCOL), first, second) != (0, 0, 0) {
        return Err(DropReason::VxlanReservedBits);
    }
    if protocol == ETHERNET { Ok(()) } else { Err(DropReason::VxlanGpeNotEthernet) }
}
