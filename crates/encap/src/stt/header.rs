//! The STT frame header: 18 bytes in front of the inner frame (draft-davie-stt-08 section 3.2).
//!
//! Flag bits count from the least significant one, as all deployed implementations have it.

use crate::DropReason;

/// Length of the header with its two padding bytes.
pub const HEADER_LEN: usize = 18;

/// The VLAN field holds a tag.
const VLAN_PRESENT: u16 = 0x1000;
const VERSION: u8 = 0;

/// Bits of the flags byte.
pub(super) mod flag {
    /// The sender has verified the inner checksum.
    pub const CHECKSUM_VERIFIED: u8 = 0x01;
    /// The inner checksum field holds only the pseudo-header sum.
    pub const CHECKSUM_PARTIAL: u8 = 0x02;
    /// The inner packet is IPv4, else IPv6; counts only with a partial checksum.
    pub const IPV4: u8 = 0x04;
    /// The inner packet is TCP, else UDP; counts only with a partial checksum.
    pub const TCP: u8 = 0x08;
}

/// The header as a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bits: C 1, P 2, V 4, T 8.
    pub flags: u8,
    /// Where the inner transport header begins in the inner frame.
    pub l4_offset: u8,
    /// Payload bytes of each inner TCP segment if the frame is to be cut, else 0.
    pub mss: u16,
    /// Priority (3 bits) and VLAN id (12 bits) of the tag taken out of the frame.
    pub vlan: Option<u16>,
    /// Opaque.
    pub context: u64,
}

impl Header {
    /// Reads the header at the front of `bytes`. Reserved bits and padding are ignored.
    pub fn parse(bytes: &[u8]) -> Result<Self, DropReason> {
        let bytes: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(DropReason::SttTruncated)?;
        let [version, flags, l4_offset, _, mss_high, mss_low, vlan_high, vlan_low, rest @ ..] = *bytes;
        if version != VERSION {
            return Err(DropReason::SttBadVersion);
        }
        let both = flag::CHECKSUM_VERIFIED | flag::CHECKSUM_PARTIAL;
        if flags & both == both {
            return Err(DropReason::SttBadFlags);
        }
        let tag = u16::from_be_bytes([vlan_high, vlan_low]);
        let [c0, c1, c2, c3, c4, c5, c6, c7, ..] = rest;
        Ok(Self {
            flags,
            l4_offset,
            mss: u16::from_be_bytes([mss_high, mss_low]),
            vlan: (tag & VLAN_PRESENT != 0).then_some(tag & !VLAN_PRESENT),
            context: u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
        })
    }

    /// The header's bytes.
    #[inline]
    #[must_use]
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = VERSION;
        bytes[1] = self.flags;
        bytes[2] = self.l4_offset;
        bytes[4..6].copy_from_slice(&self.mss.to_be_bytes());
        let tag = self.vlan.map_or(0, |tag| tag | VLAN_PRESENT);
        bytes[6..8].copy_from_slice(&tag.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.context.to_be_bytes());
        bytes
    }
}
