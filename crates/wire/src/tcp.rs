//! TCP headers (RFC 9293). Options are skipped; no connection is kept here.

use crate::WireError;
use crate::bytes::{set_u16, set_u32, u16_at, u32_at};
use crate::checksum;

/// Length of a header without options.
pub const HEADER_LEN: usize = 20;
/// Place of the flags.
pub const FLAGS_AT: usize = 13;

/// Bits of the flags byte.
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronize sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment number counts.
    pub const ACK: u8 = 0x10;
    /// ECN echo (RFC 3168).
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced (RFC 3168).
    pub const CWR: u8 = 0x80;
}

/// A view of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Checks length and data offset.
    #[inline]
    pub fn new_checked(buffer: T) -> Result<Self, WireError> {
        let bytes = buffer.as_ref();
        if bytes.len() < HEADER_LEN {
            return Err(WireError::Truncated);
        }
        match usize::from(bytes[12] >> 4) * 4 {
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

    /// Sequence number.
    #[inline]
    pub fn sequence(&self) -> u32 {
        u32_at(self.buffer.as_ref(), 4)
    }

    /// Acknowledgment number.
    #[inline]
    pub fn acknowledgment(&self) -> u32 {
        u32_at(self.buffer.as_ref(), 8)
    }

    /// Length of the header with its options.
    #[inline]
    pub fn header_len(&self) -> usize {
        usize::from(self.buffer.as_ref()[12] >> 4) * 4
    }

    /// Flags, see [`flag`].
    #[inline]
    pub fn flags(&self) -> u8 {
        self.buffer.as_ref()[FLAGS_AT]
    }

    /// Window.
    #[inline]
    pub fn window(&self) -> u16 {
        u16_at(self.buffer.as_ref(), 14)
    }

    /// Whether the checksum fits, given the pseudo header's sum.
    #[inline]
    pub fn verify_checksum(&self, pseudo: u16) -> bool {
        checksum::verify(pseudo, self.buffer.as_ref())
    }

    /// Payload.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.buffer.as_ref()[self.header_len()..]
    }
}

/// A header without options as a value; the payload stands behind it in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Flags, see [`flag`].
    pub flags: u8,
    /// Window.
    pub window: u16,
    /// Length of the payload in bytes.
    pub payload_len: usize,
}

impl Repr {
    /// Reads a header; drops its options. Errors: a wrong checksum.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>, pseudo: u16) -> Result<Self, WireError> {
        if !packet.verify_checksum(pseudo) {
            return Err(WireError::BadChecksum);
        }
        Ok(Self {
            source_port: packet.source_port(),
            destination_port: packet.destination_port(),
            sequence: packet.sequence(),
            acknowledgment: packet.acknowledgment(),
            flags: packet.flags(),
            window: packet.window(),
            payload_len: packet.payload().len(),
        })
    }

    /// Length of header and payload.
    #[must_use]
    pub fn buffer_len(&self) -> usize {
        HEADER_LEN + self.payload_len
    }

    /// Writes the header in front of the payload that `bytes` already holds, with its checksum.
    /// `pseudo` is the pseudo header's sum. Errors: too few bytes.
    pub fn emit(&self, bytes: &mut [u8], pseudo: u16) -> Result<(), WireError> {
        let bytes = bytes.get_mut(..self.buffer_len()).ok_or(WireError::Truncated)?;
        set_u16(bytes, 0, self.source_port);
        set_u16(bytes, 2, self.destination_port);
        set_u32(bytes, 4, self.sequence);
        set_u32(bytes, 8, self.acknowledgment);
        bytes[12] = 0x50;
        bytes[FLAGS_AT] = self.flags;
        set_u16(bytes, 14, self.window);
        set_u16(bytes, 16, pseudo);
        set_u16(bytes, 18, 0);
        checksum::finish_checksum(bytes, 0, checksum::TCP_CSUM_OFFSET)
    }
}
