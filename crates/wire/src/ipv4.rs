//! IPv4 (RFC 791). Options are skipped on receive and never sent.

use std::net::Ipv4Addr;

use crate::WireError;
use crate::bytes::{array_at, set_u16, u16_at};
use crate::checksum;

/// Length of a header without options.
pub const HEADER_LEN: usize = 20;
/// Place of the time to live.
pub const TTL_AT: usize = 8;
/// Place of the checksum.
pub const CSUM_AT: usize = 10;
/// Bit of the fragment word: don't fragment.
pub const DONT_FRAGMENT: u16 = 0x4000;
/// Bit of the fragment word: more fragments follow.
pub const MORE_FRAGMENTS: u16 = 0x2000;
/// Bits of the fragment word: offset in units of 8 bytes.
pub const OFFSET_MASK: u16 = 0x1fff;

/// A view of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Checks version and lengths, not the checksum. A total length of 0 is an error here.
    #[inline]
    pub fn new_checked(buffer: T) -> Result<Self, WireError> {
        let bytes = buffer.as_ref();
        if bytes.len() < HEADER_LEN {
            return Err(WireError::Truncated);
        }
        if bytes[0] >> 4 != 4 {
            return Err(WireError::BadVersion);
        }
        let (header_len, total_len) = (usize::from(bytes[0] & 15) * 4, usize::from(u16_at(bytes, 2)));
        if header_len < HEADER_LEN || total_len < header_len {
            return Err(WireError::BadLength);
        }
        if bytes.len() < total_len {
            return Err(WireError::Truncated);
        }
        Ok(Self { buffer })
    }

    /// Length of the header with its options.
    #[inline]
    pub fn header_len(&self) -> usize {
        usize::from(self.buffer.as_ref()[0] & 15) * 4
    }

    /// Length of header and payload.
    #[inline]
    pub fn total_len(&self) -> usize {
        usize::from(u16_at(self.buffer.as_ref(), 2))
    }

    /// DSCP 6 bits, ECN 2 bits.
    #[inline]
    pub fn tos(&self) -> u8 {
        self.buffer.as_ref()[1]
    }

    /// Identification.
    #[inline]
    pub fn id(&self) -> u16 {
        u16_at(self.buffer.as_ref(), 4)
    }

    /// Flags and fragment offset.
    #[inline]
    pub fn fragment_word(&self) -> u16 {
        u16_at(self.buffer.as_ref(), 6)
    }

    /// Whether it is a piece of a packet.
    #[inline]
    pub fn is_fragment(&self) -> bool {
        self.fragment_word() & (MORE_FRAGMENTS | OFFSET_MASK) != 0
    }

    /// Whether it is a piece without the transport header.
    #[inline]
    pub fn is_later_fragment(&self) -> bool {
        self.fragment_word() & OFFSET_MASK != 0
    }

    /// Time to live.
    #[inline]
    pub fn ttl(&self) -> u8 {
        self.buffer.as_ref()[8]
    }

    /// Protocol of the payload.
    #[inline]
    pub fn protocol(&self) -> u8 {
        self.buffer.as_ref()[9]
    }

    /// Source address.
    #[inline]
    pub fn source(&self) -> Ipv4Addr {
        array_at(self.buffer.as_ref(), 12).into()
    }

    /// Destination address.
    #[inline]
    pub fn destination(&self) -> Ipv4Addr {
        array_at(self.buffer.as_ref(), 16).into()
    }

    /// Whether the header's checksum fits.
    #[inline]
    pub fn verify_checksum(&self) -> bool {
        checksum::sum(&self.buffer.as_ref()[..self.header_len()]) == 0xffff
    }

    /// Payload, without what pads the frame.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.buffer.as_ref()[self.header_len()..self.total_len()]
    }
}

/// A header without options, of a packet that is not a fragment, as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Length of the payload in bytes.
    pub payload_len: usize,
    /// Time to live.
    pub ttl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// Identification.
    pub id: u16,
    /// Whether it may not be fragmented.
    pub dont_fragment: bool,
}

impl Repr {
    /// Reads a header; drops its options. Errors: a fragment, a wrong checksum.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, WireError> {
        if !packet.verify_checksum() {
            return Err(WireError::BadChecksum);
        }
        if packet.is_fragment() {
            return Err(WireError::Unsupported);
        }
        Ok(Self {
            source: packet.source(),
            destination: packet.destination(),
            protocol: packet.protocol(),
            payload_len: packet.payload().len(),
            ttl: packet.ttl(),
            tos: packet.tos(),
            id: packet.id(),
            dont_fragment: packet.fragment_word() & DONT_FRAGMENT != 0,
        })
    }

    /// Length of the header that [`emit`](Self::emit) writes.
    #[must_use]
    pub fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes the header with its checksum. Errors: too few bytes, a payload over 65515 bytes.
    pub fn emit(&self, bytes: &mut [u8]) -> Result<(), WireError> {
        let bytes = bytes.get_mut(..HEADER_LEN).ok_or(WireError::Truncated)?;
        let total_len = u16::try_from(HEADER_LEN + self.payload_len).map_err(|_| WireError::BadLength)?;
        bytes[0] = 0x45;
        bytes[1] = self.tos;
        set_u16(bytes, 2, total_len);
        set_u16(bytes, 4, self.id);
        set_u16(bytes, 6, if self.dont_fragment { DONT_FRAGMENT } else { 0 });
        bytes[8] = self.ttl;
        bytes[9] = self.protocol;
        set_u16(bytes, CSUM_AT, 0);
        bytes[12..16].copy_from_slice(&self.source.octets());
        bytes[16..20].copy_from_slice(&self.destination.octets());
        let checksum = !checksum::sum(bytes);
        set_u16(bytes, CSUM_AT, checksum);
        Ok(())
    }
}
