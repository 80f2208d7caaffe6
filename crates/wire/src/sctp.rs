//! SCTP (RFC 9260): the common header, where chunks begin, and the checksum over both.

use crate::WireError;
use crate::bytes::{u16_at, u32_at};

mod crc32c;

/// Length of the common header.
pub const HEADER_LEN: usize = 12;
/// Where the checksum lies in it, the lowest byte first.
const CHECKSUM_AT: usize = 8;
const CHUNK_HEADER_LEN: usize = 4;

/// Types of chunks (RFC 9260 section 3.2) that say where an association stands.
pub mod kind {
    /// User data.
    pub const DATA: u8 = 0;
    /// Begins an association.
    pub const INIT: u8 = 1;
    /// Answers that.
    pub const INIT_ACK: u8 = 2;
    /// Acknowledges data.
    pub const SACK: u8 = 3;
    /// Asks whether the peer, or one of its addresses, is there.
    pub const HEARTBEAT: u8 = 4;
    /// Ends an association at once.
    pub const ABORT: u8 = 6;
    /// Asks for the end.
    pub const SHUTDOWN: u8 = 7;
    /// Agrees to the end.
    pub const SHUTDOWN_ACK: u8 = 8;
    /// Returns the cookie of an answer.
    pub const COOKIE_ECHO: u8 = 10;
    /// The association is there.
    pub const COOKIE_ACK: u8 = 11;
    /// The end.
    pub const SHUTDOWN_COMPLETE: u8 = 14;
}

/// A view of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    bytes: &'a [u8],
}

/// A chunk of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// See [`kind`].
    pub kind: u8,
    /// What they mean depends on the type.
    pub flags: u8,
    /// Without header and padding.
    pub value: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Checks the length of the header; those of chunks are checked as they are read.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, WireError> {
        if bytes.len() < HEADER_LEN { Err(WireError::Truncated) } else { Ok(Self { bytes }) }
    }

    /// What the receiver has asked to find in packets to it; 0 in an INIT.
    #[inline]
    pub fn tag(&self) -> u32 {
        u32_at(self.bytes, 4)
    }

    /// Whether the checksum is right.
    pub fn verify_checksum(&self) -> bool {
        let found = u32_at(self.bytes, CHECKSUM_AT).swap_bytes();
        let (head, rest) = self.bytes.split_at(CHECKSUM_AT);
        let crc = crc32c::add(crc32c::add(u32::MAX, head), &[0; 4]);
        !crc32c::add(crc, &rest[4..]) == found
    }

    /// The chunks, up to one that lies about its length, which is an error.
    pub fn chunks(&self) -> impl Iterator<Item = Result<Chunk<'a>, WireError>> + use<'a> {
        let mut rest = &self.bytes[HEADER_LEN..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let chunk = first_chunk(rest);
            // Padding may be missing behind the last one.
            rest = match &chunk {
                Ok(chunk) => {
                    let len = CHUNK_HEADER_LEN + chunk.value.len();
                    rest.get(len.next_multiple_of(4)..).unwrap_or(&[])
                }
                Err(_) => &[],
            };
            Some(chunk)
        })
    }
}

fn first_chunk(bytes: &[u8]) -> Result<Chunk<'_>, WireError> {
    let header: &[u8; CHUNK_HEADER_LEN] = bytes.first_chunk().ok_or(WireError::Truncated)?;
    let len = usize::from(u16_at(header, 2));
    if len < CHUNK_HEADER_LEN {
        return Err(WireError::BadLength);
    }
    let value = bytes.get(CHUNK_HEADER_LEN..len).ok_or(WireError::Truncated)?;
    Ok(Chunk { kind: header[0], flags: header[1], value })
}

/// Writes the bits of `mask` of a 16-bit word of a packet, and the checksum with it. The CRC is linear, so the
/// checksum changes by the CRC (begun with zero) of the change: a wrong checksum stays wrong. What lies beyond the
/// packet, or in a packet without room for a header, is left alone.
pub fn write_word(packet: &mut [u8], at: usize, value: u16, mask: u16) {
    if packet.len() < HEADER_LEN || at + 2 > packet.len() {
        return;
    }
    let old = u16_at(packet, at);
    let new = (old & !mask) | (value & mask);
    packet[at..at + 2].copy_from_slice(&new.to_be_bytes());
    let change = crc32c::add(0, &(old ^ new).to_be_bytes());
    let crc = crc32c::add_zeros(change, packet.len() - at - 2);
    for (slot, byte) in packet[CHECKSUM_AT..HEADER_LEN].iter_mut().zip(crc.to_le_bytes()) {
        *slot ^= byte;
    }
}

/// Fills in the checksum. Errors: no room for a header.
pub fn finish_checksum(packet: &mut [u8]) -> Result<(), WireError> {
    let field = packet.get_mut(CHECKSUM_AT..HEADER_LEN).ok_or(WireError::Truncated)?;
    field.fill(0);
    let crc = !crc32c::add(u32::MAX, packet);
    packet[CHECKSUM_AT..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720 section B.4 has the CRC of 32 bytes of zeros, which holds for this polynomial.
        assert_eq!(!crc32c::add(u32::MAX, &[0; 32]), 0x8a91_36aa);
        assert_eq!(!crc32c::add(u32::MAX, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn chunks_are_read_up_to_one_that_lies() {
        let bytes =
            [&[0; HEADER_LEN][..], &[10, 0, 0, 5, 7, 0, 0, 0], &[0, 3, 0, 4], &[1, 0, 0, 9, 0]].concat();
        let packet = Packet::new_checked(&bytes).expect("a header");
        let found: Vec<_> = packet.chunks().collect();
        assert_eq!(found[0], Ok(Chunk { kind: kind::COOKIE_ECHO, flags: 0, value: &[7] }));
        assert_eq!(found[1], Ok(Chunk { kind: kind::DATA, flags: 3, value: &[] }));
        assert_eq!((found.len(), found[2]), (3, Err(WireError::Truncated)));
        assert!(Packet::new_checked(&bytes[..11]).is_err());
    }

    proptest! {
        #[test]
        fn a_word_takes_the_checksum_along_and_a_wrong_one_stays_wrong(
            mut bytes in prop::collection::vec(any::<u8>(), HEADER_LEN..200), value: u16, mask: u16, second: bool
        ) {
            finish_checksum(&mut bytes).expect("room");
            write_word(&mut bytes, if second { 2 } else { 0 }, value, mask);
            prop_assert!(Packet::new_checked(&bytes).expect("a header").verify_checksum());
            bytes[8] ^= 1;
            write_word(&mut bytes, 0, value ^ 0x5555, mask);
            prop_assert!(!Packet::new_checked(&bytes).expect("a header").verify_checksum());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(packet) = Packet::new_checked(&bytes) {
                prop_assert!(packet.chunks().count() <= bytes.len());
                let _ = packet.verify_checksum();
            }
        }
    }
}
