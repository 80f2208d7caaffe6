//! `NXT_PACKET_IN`, `NXT_PACKET_IN2` and `NXT_RESUME`.

use super::{PacketIn, PacketInFormat, PacketInReason};
use crate::NO_BUFFER;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::matching::{emit_nxm, emit_oxms, parse_nxm, parse_oxms};
use crate::property::{Property, emit_property, emit_u8, emit_u32, emit_u64, next_property, unknown};

const PACKET: u16 = 0;
const FULL_LEN: u16 = 1;
const BUFFER: u16 = 2;
const TABLE: u16 = 3;
const COOKIE: u16 = 4;
const REASON: u16 = 5;
const METADATA: u16 = 6;
const USERDATA: u16 = 7;
const CONTINUATION: u16 = 8;

impl PacketIn {
    pub(crate) fn parse_nicira(mut body: Reader<'_>) -> Parsed<PacketIn> {
        let buffer = Some(body.u32()?).filter(|buffer| *buffer != NO_BUFFER);
        let total_len = u32::from(body.u16()?);
        let reason = PacketInReason::parse(body.u8()?)?;
        let (table, cookie) = (body.u8()?, body.u64()?);
        let match_len = usize::from(body.u16()?);
        body.skip(6)?;
        let metadata = parse_nxm(&mut body, match_len)?.matching;
        body.skip(2)?;
        let data = body.rest().to_vec();
        let format = PacketInFormat::Nicira;
        Ok(PacketIn {
            format,
            buffer,
            total_len,
            reason,
            table,
            cookie,
            metadata,
            data,
            ..PacketIn::default()
        })
    }

    pub(crate) fn emit_nicira(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.u32(self.buffer.unwrap_or(NO_BUFFER));
        out.u16(self.short_total_len());
        let reason = self.reason.number(out.version());
        out.u8(reason);
        out.u8(self.table);
        out.u64(self.cookie);
        let at = out.len();
        out.zeros(8);
        emit_nxm(&self.metadata, None, at, out)?;
        out.zeros(2);
        // The experimenter header takes another 8 bytes of the message.
        self.emit_data(start.saturating_sub(8), out);
        Ok(())
    }

    pub(crate) fn parse_nicira2(mut body: Reader<'_>) -> Parsed<PacketIn> {
        let mut packet = PacketIn { format: PacketInFormat::Nicira2, ..PacketIn::default() };
        while let Some(property) = next_property(&mut body)? {
            packet.parse_property(property)?;
        }
        let length = packet.data.len() as u32;
        if packet.data.is_empty() || (packet.total_len != 0 && packet.total_len < length) {
            return Err(ErrorCode::BadRequestLength);
        }
        packet.total_len = packet.total_len.max(length);
        Ok(packet)
    }

    fn parse_property(&mut self, mut property: Property<'_>) -> Parsed<()> {
        match property.kind {
            PACKET => self.data = property.body.rest().to_vec(),
            FULL_LEN => self.total_len = property.u32()?,
            BUFFER => self.buffer = Some(property.u32()?).filter(|buffer| *buffer != NO_BUFFER),
            TABLE => self.table = property.u8()?,
            COOKIE => self.cookie = property.u64()?,
            REASON => self.reason = PacketInReason::parse(property.u8()?)?,
            METADATA => self.metadata = parse_oxms(property.body)?.matching,
            USERDATA => self.userdata = property.body.rest().to_vec(),
            CONTINUATION => {
                property.body.skip(4)?;
                self.continuation = property.body.rest().to_vec();
            }
            _ => return Err(unknown(property)),
        }
        Ok(())
    }

    /// A packet that is too long for a message, with all that must be said of it, is refused.
    pub(crate) fn emit_nicira2(&self, out: &mut Writer<'_>) -> Emitted {
        let version = out.version();
        emit_property(PACKET, out, |out| out.extend_from_slice(&self.data));
        if self.total_len as usize != self.data.len() {
            emit_u32(FULL_LEN, self.total_len, out);
        }
        if let Some(buffer) = self.buffer {
            emit_u32(BUFFER, buffer, out);
        }
        emit_u8(TABLE, self.table, out);
        if self.cookie != u64::MAX {
            emit_u64(COOKIE, self.cookie, out);
        }
        emit_u8(REASON, self.reason.number(version), out);
        let mut emitted = Ok(());
        emit_property(METADATA, out, |out| emitted = emit_oxms(&self.metadata, out));
        emitted?;
        if !self.continuation.is_empty() {
            emit_property(CONTINUATION, out, |out| {
                out.zeros(4);
                out.extend_from_slice(&self.continuation);
            });
        }
        if !self.userdata.is_empty() {
            emit_property(USERDATA, out, |out| out.extend_from_slice(&self.userdata));
        }
        Ok(())
    }
}
