//! Neighbor discovery (RFC 4861): the bodies of neighbor solicitations and advertisements.

use std::net::Ipv6Addr;

use crate::bytes::array_at;
use crate::icmpv6::{self, kind};
use crate::{Mac, WireError};

/// Option: link-layer address of the source, in solicitations.
pub const SOURCE_LINK_ADDRESS: u8 = 1;
/// Option: link-layer address of the target, in advertisements.
pub const TARGET_LINK_ADDRESS: u8 = 2;
/// Flag of an advertisement: the sender is a router.
pub const ROUTER: u8 = 0x80;
/// Flag of an advertisement: it answers a solicitation.
pub const SOLICITED: u8 = 0x40;
/// Flag of an advertisement: it replaces what was known.
pub const OVERRIDE: u8 = 0x20;

/// ICMPv6 header and target address.
const FIXED_LEN: usize = icmpv6::HEADER_LEN + 16;
const OPTION_LEN: usize = 8;

/// A solicitation or advertisement, ICMPv6 header included, as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repr {
    /// Who has the target address?
    Solicitation {
        /// The address asked for.
        target: Ipv6Addr,
        /// Ethernet address of who asks; absent in duplicate address detection.
        source_mac: Option<Mac>,
    },
    /// The target address is here.
    Advertisement {
        /// [`ROUTER`], [`SOLICITED`], [`OVERRIDE`].
        flags: u8,
        /// The address told.
        target: Ipv6Addr,
        /// Its Ethernet address.
        target_mac: Option<Mac>,
    },
}

impl Repr {
    /// Reads a message. Errors: another type or code, a wrong checksum, options that contradict their
    /// lengths (RFC 4861 section 7.1). The caller checks the hop limit of 255.
    pub fn parse<T: AsRef<[u8]>>(packet: &icmpv6::Packet<T>, pseudo: u16) -> Result<Self, WireError> {
        if !packet.verify_checksum(pseudo) {
            return Err(WireError::BadChecksum);
        }
        let body = packet.payload();
        let target: [u8; 16] = *body.first_chunk().ok_or(WireError::Truncated)?;
        let target = target.into();
        let options = &body[16..];
        match (packet.kind(), packet.code()) {
            (kind::NEIGHBOR_SOLICITATION, 0) => {
                Ok(Self::Solicitation { target, source_mac: link_address(options, SOURCE_LINK_ADDRESS)? })
            }
            (kind::NEIGHBOR_ADVERTISEMENT, 0) => Ok(Self::Advertisement {
                flags: packet.rest()[0],
                target,
                target_mac: link_address(options, TARGET_LINK_ADDRESS)?,
            }),
            _ => Err(WireError::BadVersion),
        }
    }

    /// Length of the ICMPv6 message that [`emit`](Self::emit) writes.
    #[must_use]
    pub fn buffer_len(&self) -> usize {
        let (_, _, _, option) = self.parts();
        FIXED_LEN + if option.is_some() { OPTION_LEN } else { 0 }
    }

    /// Writes the ICMPv6 message; `pseudo` is the pseudo header's sum. Errors: too few bytes.
    pub fn emit(&self, bytes: &mut [u8], pseudo: u16) -> Result<(), WireError> {
        let len = self.buffer_len();
        let bytes = bytes.get_mut(..len).ok_or(WireError::Truncated)?;
        let (kind, flags, target, option) = self.parts();
        bytes[icmpv6::HEADER_LEN..FIXED_LEN].copy_from_slice(&target.octets());
        if let Some((option, mac)) = option {
            bytes[FIXED_LEN] = option;
            bytes[FIXED_LEN + 1] = 1;
            bytes[FIXED_LEN + 2..].copy_from_slice(&mac);
        }
        let payload_len = len - icmpv6::HEADER_LEN;
        icmpv6::Repr { kind, code: 0, rest: [flags, 0, 0, 0], payload_len }.emit(bytes, pseudo)
    }

    fn parts(&self) -> (u8, u8, Ipv6Addr, Option<(u8, Mac)>) {
        match *self {
            Self::Solicitation { target, source_mac } => {
                let option = source_mac.map(|mac| (SOURCE_LINK_ADDRESS, mac));
                (kind::NEIGHBOR_SOLICITATION, 0, target, option)
            }
            Self::Advertisement { flags, target, target_mac } => {
                let option = target_mac.map(|mac| (TARGET_LINK_ADDRESS, mac));
                (kind::NEIGHBOR_ADVERTISEMENT, flags, target, option)
            }
        }
    }
}

/// The first Ethernet address in an option of the kind `wanted`.
fn link_address(mut options: &[u8], wanted: u8) -> Result<Option<Mac>, WireError> {
    while let [kind, words, ..] = *options {
        let len = usize::from(words) * 8;
        if len == 0 {
            return Err(WireError::BadLength);
        }
        let option = options.get(..len).ok_or(WireError::Truncated)?;
        if kind == wanted && words == 1 {
            return Ok(Some(array_at(option, 2)));
        }
        options = &options[len..];
    }
    if options.is_empty() { Ok(None) } else { Err(WireError::Truncated) }
}
