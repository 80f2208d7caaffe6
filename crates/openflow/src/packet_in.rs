//! A packet sent to the controller (OpenFlow 1.0 section 5.4.1, 1.3.5 section 7.4.1, and Nicira's two formats).

mod nicira;

use tulle_flow::{Field, Match};

use crate::NO_BUFFER;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::header::HEADER_LEN;
use crate::matching::{emit_match, parse_match};
use crate::port_number::{emit_short_port, parse_short_port};
use crate::version::Version;

/// Why the packet comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketInReason {
    /// The table-miss flow sent it.
    NoMatch,
    /// Another flow's action sent it; before OpenFlow 1.4 this stands for the three last ones too.
    Action,
    /// Its TTL is used up.
    InvalidTtl,
    /// The action set sent it.
    ActionSet,
    /// A group's bucket sent it.
    Group,
    /// A packet-out sent it.
    PacketOut,
}

const REASONS: [PacketInReason; 6] = [
    PacketInReason::NoMatch,
    PacketInReason::Action,
    PacketInReason::InvalidTtl,
    PacketInReason::ActionSet,
    PacketInReason::Group,
    PacketInReason::PacketOut,
];

impl PacketInReason {
    /// The reason of this number in OpenFlow 1.4.
    pub fn from_number(number: u8) -> Option<PacketInReason> {
        REASONS.get(usize::from(number)).copied()
    }

    fn parse(number: u8) -> Parsed<PacketInReason> {
        PacketInReason::from_number(number).ok_or(ErrorCode::BadReason)
    }

    fn number(self, version: Version) -> u8 {
        let new = self as u8 > PacketInReason::InvalidTtl as u8;
        if new && version < Version::V14 { PacketInReason::Action as u8 } else { self as u8 }
    }
}

/// Which form packet-in messages have (`NXT_SET_PACKET_IN_FORMAT`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PacketInFormat {
    /// That of the version.
    #[default]
    Standard,
    /// `NXT_PACKET_IN`: with metadata, for OpenFlow 1.0.
    Nicira,
    /// `NXT_PACKET_IN2`: with userdata and what is needed to go on.
    Nicira2,
}

const FORMATS: [PacketInFormat; 3] =
    [PacketInFormat::Standard, PacketInFormat::Nicira, PacketInFormat::Nicira2];

impl PacketInFormat {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<PacketInFormat> {
        let format = FORMATS.get(body.u32()? as usize).copied();
        body.finish()?;
        format.ok_or(ErrorCode::RequestNotPermitted)
    }
}

/// A packet sent to the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketIn {
    /// The form of the message.
    pub format: PacketInFormat,
    /// The packet kept in the switch, if any.
    pub buffer: Option<u32>,
    /// Bytes of the whole packet; `data` may hold fewer.
    pub total_len: u32,
    /// Why.
    pub reason: PacketInReason,
    /// The table of the flow that sent it; 0 where the form has none (OpenFlow 1.0).
    pub table: u8,
    /// The cookie of the flow that sent it; all ones where there is none.
    pub cookie: u64,
    /// Ingress port, tunnel fields, metadata and registers; OpenFlow 1.0 has only the port.
    pub metadata: Match,
    /// The packet's first bytes.
    pub data: Vec<u8>,
    /// What the flow's action gave for the controller; `Nicira2` only.
    pub userdata: Vec<u8>,
    /// What the switch needs to let a paused packet go on: properties known to it alone; `Nicira2` only.
    pub continuation: Vec<u8>,
}

impl Default for PacketIn {
    fn default() -> Self {
        PacketIn {
            format: PacketInFormat::Standard,
            buffer: None,
            total_len: 0,
            reason: PacketInReason::Action,
            table: 0,
            cookie: u64::MAX,
            metadata: Match::ANY,
            data: Vec::new(),
            userdata: Vec::new(),
            continuation: Vec::new(),
        }
    }
}

impl PacketIn {
    /// The port that the packet came in by.
    pub fn in_port(&self) -> Option<u32> {
        self.metadata.exact(Field::InPort).and_then(|port| u32::try_from(port).ok())
    }

    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<PacketIn> {
        let buffer = Some(body.u32()?).filter(|buffer| *buffer != NO_BUFFER);
        let total_len = u32::from(body.u16()?);
        let mut packet = PacketIn { buffer, total_len, ..PacketIn::default() };
        if body.version() == Version::V10 {
            let number = parse_short_port(&mut body)?;
            packet.metadata.require(Field::InPort, number.into(), u128::MAX);
            packet.reason = PacketInReason::parse(body.u8()?)?;
            body.skip(1)?;
        } else {
            packet.reason = PacketInReason::parse(body.u8()?)?;
            (packet.table, packet.cookie) = (body.u8()?, body.u64()?);
            packet.metadata = parse_match(&mut body)?;
            body.skip(2)?;
        }
        packet.data = body.rest().to_vec();
        Ok(packet)
    }

    /// Data that a message cannot hold is cut off, as `total_len` tells.
    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        let version = out.version();
        out.u32(self.buffer.unwrap_or(NO_BUFFER));
        out.u16(self.short_total_len());
        if version == Version::V10 {
            emit_short_port(self.in_port().unwrap_or(0), out)?;
            out.u8(self.reason.number(version));
            out.u8(0);
        } else {
            out.u8(self.reason.number(version));
            out.u8(self.table);
            out.u64(self.cookie);
            emit_match(&self.metadata, out)?;
            out.zeros(2);
        }
        self.emit_data(start, out);
        Ok(())
    }

    fn short_total_len(&self) -> u16 {
        u16::try_from(self.total_len).unwrap_or(u16::MAX)
    }

    /// As much of the data as there is room for; the body of the message began at `start`.
    fn emit_data(&self, start: usize, out: &mut Writer<'_>) {
        let room = usize::from(u16::MAX) - HEADER_LEN - (out.len() - start);
        out.extend_from_slice(&self.data[..self.data.len().min(room)]);
    }
}
