//! Changes of meters: from the messages' words to the datapath's, and why they are refused.

use std::sync::Arc;

use tulle_datapath as datapath;
use tulle_openflow::{
    ErrorCode, Message, Meter, MeterBand, MeterBandKind, MeterCommand, MeterMod, Xid, meter_flags,
};

use super::Session;
use super::changes::Answer;
use crate::engine::Engine;
use crate::notice::Notice;

impl Session {
    /// Changes the meters, and forwards the request to those who want to hear of it.
    pub(super) fn change_meters(&mut self, engine: &mut Engine, xid: Xid, request: MeterMod) {
        let message = Message::MeterMod(request.clone());
        match engine.change_meters(&request) {
            Ok(()) => {
                self.keep(engine, true);
                let notice = Notice::RequestForwarded { from: self.id, xid, message: Arc::new(message) };
                engine.wires.sessions.tell(notice);
            }
            Err(code) => self.refuse(xid, &message, code),
        }
    }
}

impl Engine {
    pub(crate) fn change_meters(&mut self, request: &MeterMod) -> Answer {
        let now = tulle_io::clock::monotonic_ns();
        let change = match request.command {
            MeterCommand::Add => datapath::MeterMod::Add(meter_of(&request.meter)?),
            MeterCommand::Modify => datapath::MeterMod::Modify(meter_of(&request.meter)?),
            MeterCommand::Delete => datapath::MeterMod::Delete(request.meter.meter),
        };
        let removed = self.datapath.meter_mod(&change, now).map_err(error_code)?;
        self.tell_removed(removed);
        Ok(())
    }
}

fn meter_of(meter: &Meter) -> Result<datapath::Meter, ErrorCode> {
    let unit = meter.flags & (meter_flags::KBPS | meter_flags::PKTPS);
    if meter.flags & !meter_flags::ALL != 0 || unit == (meter_flags::KBPS | meter_flags::PKTPS) {
        return Err(ErrorCode::BadMeterFlags);
    }
    Ok(datapath::Meter {
        id: meter.meter,
        is_packets: unit == meter_flags::PKTPS,
        has_burst: meter.flags & meter_flags::BURST != 0,
        has_stats: meter.flags & meter_flags::STATS != 0,
        bands: meter.bands.iter().map(|band| band_of(band, meter.flags)).collect(),
    })
}

fn band_of(band: &MeterBand, flags: u16) -> datapath::Band {
    datapath::Band {
        kind: match band.kind {
            MeterBandKind::Drop => datapath::BandKind::Drop,
            MeterBandKind::DscpRemark(levels) => datapath::BandKind::Remark(levels),
        },
        rate: band.rate,
        burst: if flags & meter_flags::BURST != 0 { band.burst } else { 0 },
    }
}

/// A meter as it is described to controllers.
pub(crate) fn described(meter: &datapath::Meter) -> Meter {
    let unit = if meter.is_packets { meter_flags::PKTPS } else { meter_flags::KBPS };
    let burst = if meter.has_burst { meter_flags::BURST } else { 0 };
    let stats = if meter.has_stats { meter_flags::STATS } else { 0 };
    let band = |band: &datapath::Band| MeterBand {
        kind: match band.kind {
            datapath::BandKind::Drop => MeterBandKind::Drop,
            datapath::BandKind::Remark(levels) => MeterBandKind::DscpRemark(levels),
        },
        rate: band.rate,
        burst: band.burst,
    };
    Meter { meter: meter.id, flags: unit | burst | stats, bands: meter.bands.iter().map(band).collect() }
}

fn error_code(error: datapath::MeterModError) -> ErrorCode {
    use datapath::MeterModError as E;
    match error {
        E::MeterExists(_) => ErrorCode::MeterExists,
        E::InvalidMeter(_) => ErrorCode::InvalidMeter,
        E::UnknownMeter(_) => ErrorCode::UnknownMeter,
        E::BadRate => ErrorCode::BadRate,
        E::BadBandValue => ErrorCode::BadBandValue,
        E::OutOfMeters => ErrorCode::OutOfMeters,
        E::OutOfBands => ErrorCode::OutOfBands,
    }
}
