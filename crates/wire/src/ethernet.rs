//! Ethernet II with an optional IEEE 802.1Q tag.

use crate::bytes::{array_at, set_u16, u16_at};
use crate::{Mac, WireError};

/// Length of the header without a tag.
pub const HEADER_LEN: usize = 14;
/// Length of a VLAN tag.
pub const TAG_LEN: usize = 4;
/// Length of the two addresses.
pub const MACS_LEN: usize = 12;
/// The address of everybody.
pub const BROADCAST: Mac = [0xff; 6];

/// Ethernet types.
pub mod ether_type {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// IEEE 802.1Q tag.
    pub const VLAN: u16 = 0x8100;
    /// IEEE 802.1ad service tag.
    pub const SERVICE_VLAN: u16 = 0x88a8;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// MPLS labels (RFC 5332).
    pub const MPLS: u16 = 0x8847;
    /// MPLS labels that are given by who sends upstream (RFC 5332).
    pub const MPLS_UPSTREAM: u16 = 0x8848;
    /// The service tag of a provider backbone, and the customer's frame (IEEE 802.1ah).
    pub const BACKBONE: u16 = 0x88e7;
}

/// Whether a frame to this address reaches more than one station.
#[inline]
#[must_use]
pub fn is_multicast(mac: Mac) -> bool {
    mac[0] & 1 != 0
}

/// A view of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Checks that the header, and the tag if it announces one, are there.
    #[inline]
    pub fn new_checked(buffer: T) -> Result<Self, WireError> {
        let bytes = buffer.as_ref();
        if bytes.len() < HEADER_LEN {
            return Err(WireError::Truncated);
        }
        let tagged = u16_at(bytes, MACS_LEN) == ether_type::VLAN;
        if tagged && bytes.len() < HEADER_LEN + TAG_LEN {
            return Err(WireError::Truncated);
        }
        Ok(Self { buffer })
    }

    /// Destination address.
    #[inline]
    pub fn destination(&self) -> Mac {
        array_at(self.buffer.as_ref(), 0)
    }

    /// Source address.
    #[inline]
    pub fn source(&self) -> Mac {
        array_at(self.buffer.as_ref(), 6)
    }

    /// Tag control information of the outermost 802.1Q tag: priority 3, DEI 1, VLAN id 12 bits.
    #[inline]
    pub fn vlan(&self) -> Option<u16> {
        let bytes = self.buffer.as_ref();
        (u16_at(bytes, MACS_LEN) == ether_type::VLAN).then(|| u16_at(bytes, MACS_LEN + 2))
    }

    /// The Ethernet type behind the tag, if any.
    #[inline]
    pub fn ether_type(&self) -> u16 {
        u16_at(self.buffer.as_ref(), self.header_len() - 2)
    }

    /// Length of the header with its tag.
    #[inline]
    pub fn header_len(&self) -> usize {
        HEADER_LEN + if self.vlan().is_some() { TAG_LEN } else { 0 }
    }

    /// What is behind the header, padding included.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.buffer.as_ref()[self.header_len()..]
    }
}

/// The header as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Source address.
    pub source: Mac,
    /// Destination address.
    pub destination: Mac,
    /// Tag control information, if tagged.
    pub vlan: Option<u16>,
    /// Ethernet type of the payload.
    pub ether_type: u16,
}

impl Repr {
    /// Reads the header.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, WireError> {
        Ok(Self {
            source: packet.source(),
            destination: packet.destination(),
            vlan: packet.vlan(),
            ether_type: packet.ether_type(),
        })
    }

    /// Length of the header that [`emit`](Self::emit) writes.
    #[must_use]
    pub fn buffer_len(&self) -> usize {
        HEADER_LEN + if self.vlan.is_some() { TAG_LEN } else { 0 }
    }

    /// Writes the header. Errors: `bytes` is shorter than [`buffer_len`](Self::buffer_len).
    pub fn emit(&self, bytes: &mut [u8]) -> Result<(), WireError> {
        let len = self.buffer_len();
        let bytes = bytes.get_mut(..len).ok_or(WireError::Truncated)?;
        bytes[..6].copy_from_slice(&self.destination);
        bytes[6..MACS_LEN].copy_from_slice(&self.source);
        if let Some(control) = self.vlan {
            set_u16(bytes, MACS_LEN, ether_type::VLAN);
            set_u16(bytes, MACS_LEN + 2, control);
        }
        set_u16(bytes, len - 2, self.ether_type);
        Ok(())
    }
}
