//! The header that starts every message (OpenFlow 1.3.5 section 7.1).

use crate::bytes::{Parsed, Put, Reader};
use crate::error::ErrorCode;

/// The version spoken: OpenFlow 1.3.
pub const VERSION: u8 = 4;

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
    pub fn parse(bytes: &[u8]) -> Parsed<Header> {
        let mut reader = Reader::new(bytes, ErrorCode::BadRequestLength);
        Ok(Header { version: reader.u8()?, kind: reader.u8()?, length: reader.u16()?, xid: reader.u32()? })
    }

    pub(crate) fn emit(self, out: &mut Vec<u8>) {
        out.u8(self.version);
        out.u8(self.kind);
        out.u16(self.length);
        out.u32(self.xid);
    }
}
