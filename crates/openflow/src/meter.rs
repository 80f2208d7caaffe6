//! Meters: changes of them and their description (OpenFlow 1.3.5 sections 7.3.4.4 and 7.3.5.12).

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::version::Version;

/// Meter numbers with a meaning of their own.
pub mod meter_id {
    /// The highest that can be added (`OFPM_MAX`).
    pub const MAX: u32 = 0xffff_0000;
    /// Packets that the switch itself handles.
    pub const SLOW_PATH: u32 = 0xffff_fffd;
    /// Packets sent to controllers.
    pub const CONTROLLER: u32 = 0xffff_fffe;
    /// Every meter, in requests to delete and to report.
    pub const ALL: u32 = 0xffff_ffff;
}

/// Bits of a meter's flags.
pub mod meter_flags {
    /// Rates are in kilobits a second.
    pub const KBPS: u16 = 1;
    /// Rates are in packets a second.
    pub const PKTPS: u16 = 1 << 1;
    /// Bands have a burst size.
    pub const BURST: u16 = 1 << 2;
    /// Count.
    pub const STATS: u16 = 1 << 3;
    /// All bits with a meaning.
    pub const ALL: u16 = 0b1111;
}

const DROP: u16 = 1;
const DSCP_REMARK: u16 = 2;
const BAND_LEN: u16 = 16;

/// What a band does with packets above its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeterBandKind {
    /// Drops them.
    Drop,
    /// Raises their drop precedence by so many levels.
    DscpRemark(u8),
}

/// One rate of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeterBand {
    /// What happens above the rate.
    pub kind: MeterBandKind,
    /// The rate, in the unit of the meter's flags.
    pub rate: u32,
    /// The burst, in kilobits or packets.
    pub burst: u32,
}

/// A meter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// Its number.
    pub meter: u32,
    /// [`meter_flags`].
    pub flags: u16,
    /// Its rates.
    pub bands: Vec<MeterBand>,
}

/// What to do with a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeterCommand {
    /// Add it.
    Add,
    /// Change it.
    Modify,
    /// Delete it, or all of them.
    Delete,
}

/// A change of a meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterMod {
    /// What to do.
    pub command: MeterCommand,
    /// The meter; a request to delete needs only its number.
    pub meter: Meter,
}

impl MeterMod {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<MeterMod> {
        let command = match body.u16()? {
            0 => MeterCommand::Add,
            1 => MeterCommand::Modify,
            2 => MeterCommand::Delete,
            _ => return Err(ErrorCode::BadMeterCommand),
        };
        let (flags, meter) = (body.u16()?, body.u32()?);
        let bands = Meter::parse_bands(body)?;
        let change = MeterMod { command, meter: Meter { meter, flags, bands } };
        change.check()?;
        Ok(change)
    }

    fn check(&self) -> Parsed<()> {
        let number = self.meter.meter;
        let special = matches!(number, meter_id::SLOW_PATH | meter_id::CONTROLLER);
        if self.command == MeterCommand::Delete {
            let valid = (1..=meter_id::MAX).contains(&number) || special || number == meter_id::ALL;
            return if valid { Ok(()) } else { Err(ErrorCode::InvalidMeter) };
        }
        if !special && !(1..=meter_id::MAX).contains(&number) {
            return Err(ErrorCode::InvalidMeter);
        }
        let flags = self.meter.flags;
        let both = meter_flags::KBPS | meter_flags::PKTPS;
        if flags & !meter_flags::ALL != 0 || flags & both == both {
            return Err(ErrorCode::BadMeterFlags);
        }
        if self.meter.bands.iter().any(|band| band.rate == 0) {
            return Err(ErrorCode::BadRate);
        }
        Ok(())
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        if out.version() == Version::V10 {
            return out.lacks("a meter");
        }
        out.u16(self.command as u16);
        out.u16(self.meter.flags);
        out.u32(self.meter.meter);
        self.meter.emit_bands(out);
        Ok(())
    }
}

impl Meter {
    /// Parses one description.
    pub(crate) fn parse(body: &mut Reader<'_>) -> Parsed<Meter> {
        let short = ErrorCode::BadRequestLength;
        let length = usize::from(body.u16()?).checked_sub(2).ok_or(short)?;
        let mut entry = body.part(length, short)?;
        let (flags, meter) = (entry.u16()?, entry.u32()?);
        Ok(Meter { meter, flags, bands: Meter::parse_bands(entry)? })
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.u16(0);
        out.u16(self.flags);
        out.u32(self.meter);
        self.emit_bands(out);
        out.set_length(start, start);
        Ok(())
    }

    fn parse_bands(mut body: Reader<'_>) -> Parsed<Vec<MeterBand>> {
        let mut bands = Vec::new();
        while !body.is_empty() {
            let mut head = body.blaming(ErrorCode::BadRequestLength);
            let (kind, length) = (head.u16()?, head.u16()?);
            if length < BAND_LEN || length % 8 != 0 {
                return Err(ErrorCode::BadRequestLength);
            }
            let (rate, burst, level) = (head.u32()?, head.u32()?, head.u8()?);
            let kind = match kind {
                DROP => MeterBandKind::Drop,
                DSCP_REMARK => MeterBandKind::DscpRemark(level),
                _ => return Err(ErrorCode::BadBand),
            };
            if length != BAND_LEN {
                return Err(ErrorCode::BadRequestLength);
            }
            body.skip(usize::from(length))?;
            bands.push(MeterBand { kind, rate, burst });
        }
        Ok(bands)
    }

    fn emit_bands(&self, out: &mut Writer<'_>) {
        for band in &self.bands {
            let (kind, level) = match band.kind {
                MeterBandKind::Drop => (DROP, 0),
                MeterBandKind::DscpRemark(level) => (DSCP_REMARK, level),
            };
            out.u16(kind);
            out.u16(BAND_LEN);
            out.u32(band.rate);
            out.u32(band.burst);
            out.u8(level);
            out.zeros(3);
        }
    }

    /// The bits for the kinds of band that there are (`ofp_meter_features`).
    pub const BAND_KINDS: u32 = 1 << DROP | 1 << DSCP_REMARK;
}
