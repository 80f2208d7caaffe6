//! ICMP for IPv4 (RFC 792): type, code, checksum, four bytes whose meaning depends on the type, and a body.

use crate::WireError;
use crate::bytes::{array_at, set_u16};
use crate::checksum;

/// Length of the header.
pub const HEADER_LEN: usize = 8;

/// Message types.
pub mod kind {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// Source quench (deprecated).
    pub const SOURCE_QUENCH: u8 = 4;
    /// Redirect.
    pub const REDIRECT: u8 = 5;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 12;
}

/// A view of a message.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Checks the length.
    #[inline]
    pub fn new_checked(buffer: T) -> Result<Self, WireError> {
        if buffer.as_ref().len() < HEADER_LEN { Err(WireError::Truncated) } else { Ok(Self { buffer }) }
    }

    /// Message type.
    #[inline]
    pub fn kind(&self) -> u8 {
        self.buffer.as_ref()[0]
    }

    /// Code, whose meaning depends on the type.
    #[inline]
    pub fn code(&self) -> u8 {
        self.buffer.as_ref()[1]
    }

    /// The four bytes behind the checksum.
    #[inline]
    pub fn rest(&self) -> [u8; 4] {
        array_at(self.buffer.as_ref(), 4)
    }

    /// Whether the checksum fits.
    #[inline]
    pub fn verify_checksum(&self) -> bool {
        checksum::verify(0, self.buffer.as_ref())
    }

    /// What follows the header.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.buffer.as_ref()[HEADER_LEN..]
    }
}

/// A header as a value; the body stands behind it in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Message type, see [`kind`].
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The four bytes behind the checksum.
    pub rest: [u8; 4],
    /// Length of the body in bytes.
    pub payload_len: usize,
}

impl Repr {
    /// Reads the header. Errors: a wrong checksum.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, WireError> {
        if !packet.verify_checksum() {
            return Err(WireError::BadChecksum);
        }
        let payload_len = packet.payload().len();
        Ok(Self { kind: packet.kind(), code: packet.code(), rest: packet.rest(), payload_len })
    }

    /// Length of header and body.
    #[must_use]
    pub fn buffer_len(&self) -> usize {
        HEADER_LEN + self.payload_len
    }

    /// Writes the header in front of the body that `bytes` already holds, with its checksum.
    /// Errors: too few bytes.
    pub fn emit(&self, bytes: &mut [u8]) -> Result<(), WireError> {
        let bytes = bytes.get_mut(..self.buffer_len()).ok_or(WireError::Truncated)?;
        bytes[0] = self.kind;
        bytes[1] = self.code;
        set_u16(bytes, 2, 0);
        bytes[4..8].copy_from_slice(&self.rest);
        checksum::finish_checksum(bytes, 0, 2)
    }
}
