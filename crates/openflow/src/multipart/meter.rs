//! What meters counted, and what they can do (OpenFlow 1.3.5 sections 7.3.5.13 and 7.3.5.14).

use std::time::Duration;

use super::BucketStats;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::flow_removed::{emit_duration, parse_duration};

/// What a meter counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeterStats {
    /// The meter.
    pub meter: u32,
    /// Flows that use it.
    pub flows: u32,
    /// Packets that it saw.
    pub packets: u64,
    /// Bytes that it saw.
    pub bytes: u64,
    /// How long the meter has been there.
    pub duration: Duration,
    /// What each band applied to, in order.
    pub bands: Vec<BucketStats>,
}

impl MeterStats {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<MeterStats> {
        let short = ErrorCode::BadRequestLength;
        let meter = body.u32()?;
        let length = usize::from(body.u16()?).checked_sub(6).ok_or(short)?;
        let mut entry = body.part(length, short)?;
        entry.skip(6)?;
        Ok(MeterStats {
            meter,
            flows: entry.u32()?,
            packets: entry.u64()?,
            bytes: entry.u64()?,
            duration: parse_duration(&mut entry)?,
            bands: BucketStats::parse_all(entry)?,
        })
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.u32(self.meter);
        out.zeros(8);
        out.u32(self.flows);
        out.u64(self.packets);
        out.u64(self.bytes);
        emit_duration(self.duration, out);
        BucketStats::emit_all(&self.bands, out);
        out.set_length(start + 4, start);
        Ok(())
    }
}

/// What meters can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeterFeatures {
    /// How many meters there may be.
    pub max_meters: u32,
    /// Bit n: has bands of type n.
    pub band_kinds: u32,
    /// [`meter_flags`](crate::meter_flags).
    pub capabilities: u32,
    /// Bands in a meter.
    pub max_bands: u8,
    /// Colors.
    pub max_color: u8,
}

impl MeterFeatures {
    /// OpenFlow 1.5 appends 8 bytes, which Open vSwitch does not.
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<MeterFeatures> {
        let features = MeterFeatures {
            max_meters: body.u32()?,
            band_kinds: body.u32()?,
            capabilities: body.u32()?,
            max_bands: body.u8()?,
            max_color: body.u8()?,
        };
        body.skip(2)?;
        body.skip(if body.len() == 8 { 8 } else { 0 })?;
        Ok(features)
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        out.u32(self.max_meters);
        out.u32(self.band_kinds);
        out.u32(self.capabilities);
        out.u8(self.max_bands);
        out.u8(self.max_color);
        out.zeros(2);
        Ok(())
    }
}
