//! What ports counted (OpenFlow 1.0 section 5.3.5, 1.3.5 section 7.3.5.6, 1.4 section 7.3.5.6).

use std::time::Duration;

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::flow_removed::{emit_duration, parse_duration};
use crate::port_number::{emit_short_port, parse_port};
use crate::property::{emit_property, next_property};
use crate::version::Version;

/// The property with what OpenFlow 1.3 counts besides; others are passed over.
const ETHERNET: u16 = 0;

/// What a port counted; all ones stand for "not counted".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// OpenFlow port number.
    pub number: u32,
    /// Packets received.
    pub received_packets: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Packets dropped on receiving.
    pub receive_drops: u64,
    /// Packets dropped on sending.
    pub send_drops: u64,
    /// Errors on receiving.
    pub receive_errors: u64,
    /// Errors on sending.
    pub send_errors: u64,
    /// Frames received misaligned.
    pub frame_errors: u64,
    /// Packets lost for want of room.
    pub overruns: u64,
    /// Packets with a bad check sum.
    pub crc_errors: u64,
    /// Collisions.
    pub collisions: u64,
    /// How long the port has been there; OpenFlow 1.0 does not say.
    pub duration: Duration,
}

impl PortStats {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<PortStats> {
        let mut stats = PortStats::default();
        if body.version() >= Version::V14 {
            stats.parse_v14(body)?;
            return Ok(stats);
        }
        let old = body.version() == Version::V10;
        stats.number = parse_port(body)?;
        body.skip(if old { 6 } else { 4 })?;
        stats.parse_counts(body)?;
        stats.parse_ethernet(body)?;
        if !old {
            stats.duration = parse_duration(body)?;
        }
        Ok(stats)
    }

    fn parse_v14(&mut self, body: &mut Reader<'_>) -> Parsed<()> {
        let short = ErrorCode::BadRequestLength;
        let length = usize::from(body.u16()?).checked_sub(2).ok_or(short)?;
        let mut entry = body.part(length, short)?;
        entry.skip(2)?;
        self.number = entry.u32()?;
        self.duration = parse_duration(&mut entry)?;
        self.parse_counts(&mut entry)?;
        while let Some(mut property) = next_property(&mut entry)? {
            if property.kind == ETHERNET {
                property.body.skip(4)?;
                self.parse_ethernet(&mut property.body)?;
            }
        }
        Ok(())
    }

    fn parse_counts(&mut self, body: &mut Reader<'_>) -> Parsed<()> {
        for slot in [
            &mut self.received_packets,
            &mut self.sent_packets,
            &mut self.received_bytes,
            &mut self.sent_bytes,
            &mut self.receive_drops,
            &mut self.send_drops,
            &mut self.receive_errors,
            &mut self.send_errors,
        ] {
            *slot = body.u64()?;
        }
        Ok(())
    }

    fn parse_ethernet(&mut self, body: &mut Reader<'_>) -> Parsed<()> {
        for slot in [&mut self.frame_errors, &mut self.overruns, &mut self.crc_errors, &mut self.collisions] {
            *slot = body.u64()?;
        }
        Ok(())
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        match out.version() {
            Version::V10 => {
                emit_short_port(self.number, out)?;
                out.zeros(6);
                self.emit_counts(out);
                self.emit_ethernet(out);
            }
            Version::V13 => {
                out.u32(self.number);
                out.zeros(4);
                self.emit_counts(out);
                self.emit_ethernet(out);
                emit_duration(self.duration, out);
            }
            Version::V14 | Version::V15 => self.emit_v14(out),
        }
        Ok(())
    }

    fn emit_v14(&self, out: &mut Writer<'_>) {
        let start = out.len();
        out.zeros(4);
        out.u32(self.number);
        emit_duration(self.duration, out);
        self.emit_counts(out);
        emit_property(ETHERNET, out, |out| {
            out.zeros(4);
            self.emit_ethernet(out);
        });
        out.set_length(start, start);
    }

    fn emit_counts(&self, out: &mut Writer<'_>) {
        for count in [
            self.received_packets,
            self.sent_packets,
            self.received_bytes,
            self.sent_bytes,
            self.receive_drops,
            self.send_drops,
            self.receive_errors,
            self.send_errors,
        ] {
            out.u64(count);
        }
    }

    fn emit_ethernet(&self, out: &mut Writer<'_>) {
        for count in [self.frame_errors, self.overruns, self.crc_errors, self.collisions] {
            out.u64(count);
        }
    }
}
