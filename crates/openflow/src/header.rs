//! The header that starts every message (OpenFlow 1.3.5 section 7.1).

use crate::bytes::Put;
use crate::error::ErrorCode;

/// Bytes in a header.
pub const HEADER_LEN: usize = 8;

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Wire version; 4 for OpenFlow 1.3.
    pub version: u8,
    /// `OFPT_*`.
    pub kind: u8,
    /// Bytes of the whole message, header included.
    pub length: u16,
    /// Transaction id: a reply bears that of its request.
    pub xid: u32,
}

impl Header {
    /// Parses the first 8 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Header, ErrorCode> {
        let head: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(ErrorCode::BadRequestLength)?;
        let [version, kind, length @ .., a, b, c, d] = *head;
        Ok(Header {
            version,
            kind,
            length: u16::from_be_bytes(length),
            xid: u32::from_be_bytes([a, b, c, d]),
        })
    }

    pub(crate) fn emit(self, out: &mut Vec<u8>) {
        out.u8(self.version);
        out.u8(self.kind);
        out.u16(self.length);
        out.u32(self.xid);
    }
}
