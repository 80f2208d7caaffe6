//! What ports counted (OpenFlow 1.3.5 section 7.3.5.6).

use std::time::Duration;

use crate::bytes::{Parsed, Put, Reader};
use crate::flow_removed::{emit_duration, parse_duration};

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
    /// How long the port has been there.
    pub duration: Duration,
}

impl PortStats {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<PortStats> {
        let number = body.u32()?;
        body.skip(4)?;
        Ok(PortStats {
            number,
            received_packets: body.u64()?,
            sent_packets: body.u64()?,
            received_bytes: body.u64()?,
            sent_bytes: body.u64()?,
            receive_drops: body.u64()?,
            send_drops: body.u64()?,
            receive_errors: body.u64()?,
            send_errors: body.u64()?,
            frame_errors: body.u64()?,
            overruns: body.u64()?,
            crc_errors: body.u64()?,
            collisions: body.u64()?,
            duration: parse_duration(body)?,
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.u32(self.number);
        out.zeros(4);
        for count in [
            self.received_packets,
            self.sent_packets,
            self.received_bytes,
            self.sent_bytes,
            self.receive_drops,
            self.send_drops,
            self.receive_errors,
            self.send_errors,
            self.frame_errors,
            self.overruns,
            self.crc_errors,
            self.collisions,
        ] {
            out.u64(count);
        }
        emit_duration(self.duration, out);
    }
}
