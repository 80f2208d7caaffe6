//! A packet sent to the controller (OpenFlow 1.3.5 section 7.4.1).

use tulle_flow::{Field, Match};

use crate::NO_BUFFER;
use crate::bytes::{Parsed, Put, Reader};
use crate::error::ErrorCode;
use crate::header::HEADER_LEN;
use crate::matching::{emit_match, parse_match};

/// Why the packet comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketInReason {
    /// The table-miss flow sent it.
    NoMatch,
    /// Another flow's action sent it.
    Action,
    /// Its TTL is used up.
    InvalidTtl,
}

/// A packet sent to the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketIn {
    /// The packet kept in the switch, if any.
    pub buffer: Option<u32>,
    /// Bytes of the whole packet; `data` may hold fewer.
    pub total_len: u16,
    /// Why.
    pub reason: PacketInReason,
    /// The table of the flow that sent it.
    pub table: u8,
    /// The cookie of the flow that sent it; all ones where there is none.
    pub cookie: u64,
    /// Ingress port, tunnel fields, metadata and registers.
    pub metadata: Match,
    /// The packet's first bytes.
    pub data: Vec<u8>,
}

impl PacketIn {
    /// The port that the packet came in by.
    pub fn in_port(&self) -> Option<u32> {
        self.metadata.exact(Field::InPort).and_then(|port| u32::try_from(port).ok())
    }

    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<PacketIn> {
        let buffer = Some(body.u32()?).filter(|buffer| *buffer != NO_BUFFER);
        let total_len = body.u16()?;
        let reason = match body.u8()? {
            0 => PacketInReason::NoMatch,
            1 => PacketInReason::Action,
            2 => PacketInReason::InvalidTtl,
            _ => return Err(ErrorCode::BadType),
        };
        let (table, cookie) = (body.u8()?, body.u64()?);
        let metadata = parse_match(&mut body)?;
        body.skip(2)?;
        Ok(PacketIn { buffer, total_len, reason, table, cookie, metadata, data: body.rest().to_vec() })
    }

    /// Data that a message cannot hold is cut off, as `total_len` tells.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.u32(self.buffer.unwrap_or(NO_BUFFER));
        out.u16(self.total_len);
        out.u8(self.reason as u8);
        out.u8(self.table);
        out.u64(self.cookie);
        emit_match(&self.metadata, out);
        out.zeros(2);
        let room = usize::from(u16::MAX) - HEADER_LEN - (out.len() - start);
        out.extend_from_slice(&self.data[..self.data.len().min(room)]);
    }
}
