//! UDP (RFC 768).

use crate::WireError;
use crate::bytes::{set_u16, u16_at};
use crate::checksum;

/// Length of the header.
pub const HEADER_LEN: usize = 8;

/// A view of a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Checks the lengths.
    #[inline]
    pub fn new_checked(buffer: T) -> Result<Self, WireError> {
        let bytes = buffer.as_ref();
        if bytes.len() < HEADER_LEN {
            return Err(WireError::Truncated);
        }
        match usize::from(u16_at(bytes, 4)) {
            len if len < HEADER_LEN => Err(WireError::BadLength),
            len if len > bytes.len() => Err(WireError::Truncated),
            _ => Ok(Self { buffer }),
        }
    }

    /// Source port.
    #[inline]
    pub fn source_port(&self) -> u16 {
        u16_at(self.buffer.as_ref(), 0)
    }

    /// Destination port.
    #[inline]
    pub fn destination_port(&self) -> u16 {
        u16_at(self.buffer.as_ref(), 2)
    }

    /// Length of header and payload.
    #[inline]
    pub fn total_len(&self) -> usize {
        usize::from(u16_at(self.buffer.as_ref(), 4))
    }

    /// Checksum; 0 if there is none.
    #[inline]
    pub fn checksum(&self) -> u16 {
        u16_at(self.buffer.as_ref(), 6)
    }

    /// Whether the checksum fits, given the pseudo header's sum, or there is none.
    #[inline]
    pub fn verify_checksum(&self, pseudo: u16) -> bool {
        self.checksum() == 0 || checksum::verify(pseudo, &self.buffer.as_ref()[..self.total_len()])
    }

    /// Payload.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.buffer.as_ref()[HEADER_LEN..self.total_len()]
    }
}

/// A header as a value; the payload stands behind it in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Length of the payload in bytes.
    pub payload_len: usize,
}

impl Repr {
    /// Reads the header. Errors: a wrong checksum.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>, pseudo: u16) -> Result<Self, WireError> {
        if !packet.verify_checksum(pseudo) {
            return Err(WireError::BadChecksum);
        }
        Ok(Self {
            source_port: packet.source_port(),
            destination_port: packet.destination_port(),
            payload_len: packet.payload().len(),
        })
    }

    /// Length of header and payload.
    #[must_use]
    pub fn buffer_len(&self) -> usize {
        HEADER_LEN + self.payload_len
    }

    /// Writes the header in front of the payload that `bytes` already holds, with its checksum.
    /// `pseudo` is the pseudo header's sum. Errors: too few bytes, a payload over 65527 bytes.
    pub fn emit(&self, bytes: &mut [u8], pseudo: u16) -> Result<(), WireError> {
        let bytes = bytes.get_mut(..self.buffer_len()).ok_or(WireError::Truncated)?;
        let total_len = u16::try_from(bytes.len()).map_err(|_| WireError::BadLength)?;
        set_u16(bytes, 0, self.source_port);
        set_u16(bytes, 2, self.destination_port);
        set_u16(bytes, 4, total_len);
        set_u16(bytes, 6, pseudo);
        checksum::finish_checksum(bytes, 0, checksum::UDP_CSUM_OFFSET)
    }
}
