//! The GRE header: 4 to 16 bytes (RFC 2784 section 2.1, RFC 2890 section 2).

use crate::DropReason;

/// Length of a header with everything.
pub const MOST_HEADER_LEN: usize = 16;
pub(super) const CHECKSUM_AT: usize = 4;
pub(super) const SEQUENCE_LEN: usize = 4;

const BASE_LEN: usize = 4;
/// Checksum and reserved bytes; key; sequence number.
const FIELD_LEN: usize = 4;

/// Bits of the first word.
mod flag {
    pub const CHECKSUM: u16 = 0x8000;
    pub const KEY: u16 = 0x2000;
    pub const SEQUENCE: u16 = 0x1000;
    /// Routing and others of RFC 1701 that must be 0; those of 0x03f8 are ignored.
    pub const REFUSED: u16 = 0x4c00;
    pub const VERSION: u16 = 0x0007;
}
/// Protocol type: Transparent Ethernet Bridging.
pub(crate) const ETHERNET: u16 = 0x6558;

/// The header as a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Whether there is a checksum.
    pub checksum: bool,
    /// The key, if there is one.
    pub key: Option<u32>,
    /// The number, if there is one.
    pub sequence: Option<u32>,
}

impl Header {
    /// Length of the header's bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        let fields = [self.checksum, self.key.is_some(), self.sequence.is_some()];
        BASE_LEN + FIELD_LEN * fields.into_iter().filter(|present| *present).count()
    }

    /// Whether there are no bytes. There always are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Reads the header at the front of `bytes`; the checksum is not verified.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, DropReason> {
        let [first, second, high, low] = *bytes.first_chunk().ok_or(DropReason::GreTruncated)?;
        let flags = u16::from_be_bytes([first, second]);
        if flags & flag::VERSION != 0 {
            return Err(DropReason::GreBadVersion);
        }
        if flags & flag::REFUSED != 0 {
            return Err(DropReason::GreBadFlags);
        }
        if u16::from_be_bytes([high, low]) != ETHERNET {
            return Err(DropReason::GreNotEthernet);
        }
        let mut fields = bytes[BASE_LEN..].chunks_exact(FIELD_LEN);
        let mut field = |bit: u16| match flags & bit {
            0 => Ok(None),
            _ => fields.next().map(Some).ok_or(DropReason::GreTruncated),
        };
        let checksum = field(flag::CHECKSUM)?.is_some();
        let (key, sequence) = (field(flag::KEY)?, field(flag::SEQUENCE)?);
        Ok(Self { checksum, key: key.map(number), sequence: sequence.map(number) })
    }

    /// The header's bytes, with a checksum of 0; [`len`](Self::len) of them count.
    #[inline]
    #[must_use]
    pub fn emit(&self) -> [u8; MOST_HEADER_LEN] {
        let flags = [
            (self.checksum, flag::CHECKSUM),
            (self.key.is_some(), flag::KEY),
            (self.sequence.is_some(), flag::SEQUENCE),
        ];
        let flags: u16 = flags.into_iter().filter_map(|(present, bit)| present.then_some(bit)).sum();
        let mut bytes = [0; MOST_HEADER_LEN];
        bytes[..2].copy_from_slice(&flags.to_be_bytes());
        bytes[2..4].copy_from_slice(&ETHERNET.to_be_bytes());
        let fields = [self.checksum.then_some(0), self.key, self.sequence];
        for (room, value) in bytes[BASE_LEN..].chunks_exact_mut(FIELD_LEN).zip(fields.into_iter().flatten()) {
            room.copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }
}

#[inline]
fn number(field: &[u8]) -> u32 {
    field.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}
