//! Meters: token buckets that packets pass, or are dropped or remarked by (OpenFlow 1.3.5 section 5.7).

use std::collections::BTreeMap;

use crate::groups::Traffic;
use thiserror::Error;

/// The most meters.
pub const MAX_METERS: usize = 65_536;
/// The most bands of one meter.
pub const MAX_BANDS: usize = 8;
/// The highest number of a meter for flows (`OFPM_MAX`).
pub const LAST_METER: u32 = 0xffff_0000;
/// The meter of packets that go to the controller (`OFPM_CONTROLLER`).
pub const CONTROLLER_METER: u32 = 0xffff_fffe;
/// The meter of packets that go the slow way (`OFPM_SLOWPATH`); it may be set and is passed by none here.
pub const SLOWPATH_METER: u32 = 0xffff_fffd;
/// All meters (`OFPM_ALL`).
pub const ALL_METERS: u32 = 0xffff_ffff;

const NS_PER_S: u128 = 1_000_000_000;

/// What is done with packets above a band's rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BandKind {
    /// They are dropped.
    Drop,
    /// Their drop precedence is raised by so many levels (RFC 2597).
    Remark(u8),
}

/// One rate of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// What is done above the rate.
    pub kind: BandKind,
    /// Kilobits or packets a second.
    pub rate: u32,
    /// Kilobits or packets that may come at once; 0 means as many as come in a second.
    pub burst: u32,
}

/// A meter as a controller writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// Its number.
    pub id: u32,
    /// Rates count packets rather than kilobits.
    pub is_packets: bool,
    /// The bands' bursts were given by the controller (`OFPMF_BURST`).
    pub has_burst: bool,
    /// Counters were asked for (`OFPMF_STATS`); they are kept always.
    pub has_stats: bool,
    /// Its bands.
    pub bands: Vec<Band>,
}

/// A change of the meters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeterMod {
    /// A new meter.
    Add(Meter),
    /// New bands for a meter that exists.
    Modify(Meter),
    /// Away with a meter, or with [`ALL_METERS`].
    Delete(u32),
}

/// Why a change of the meters is refused (`ofp_meter_mod_failed_code`); nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MeterModError {
    /// `OFPMMFC_METER_EXISTS`.
    #[error("meter {0} exists")]
    MeterExists(u32),
    /// `OFPMMFC_INVALID_METER`.
    #[error("a meter cannot have the number {0}")]
    InvalidMeter(u32),
    /// `OFPMMFC_UNKNOWN_METER`.
    #[error("meter {0} does not exist")]
    UnknownMeter(u32),
    /// `OFPMMFC_BAD_RATE`.
    #[error("a band needs a rate")]
    BadRate,
    /// `OFPMMFC_BAD_BAND_VALUE`.
    #[error("a remark band raises the drop precedence by 1 or 2")]
    BadBandValue,
    /// `OFPMMFC_OUT_OF_METERS`.
    #[error("there are {MAX_METERS} meters already")]
    OutOfMeters,
    /// `OFPMMFC_OUT_OF_BANDS`.
    #[error("a meter has 1 to {MAX_BANDS} bands")]
    OutOfBands,
}

/// A meter's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterStats {
    /// The meter.
    pub id: u32,
    /// How many flows pass it.
    pub flows: u32,
    /// What came to it.
    pub traffic: Traffic,
    /// What each band dropped or remarked.
    pub bands: Vec<Traffic>,
    /// How long it has existed, in nanoseconds.
    pub duration_ns: u64,
}

/// What a meter says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metered {
    Pass,
    Drop,
    Remark(u8),
}

/// A band and its tokens: one unit is what a billionth of a second brings at a rate of 1.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    band: Band,
    tokens: u128,
    limit: u128,
    cost_of_byte: u128,
    cost_of_packet: u128,
    traffic: Traffic,
}

#[derive(Debug)]
struct Entry {
    meter: Meter,
    buckets: Vec<Bucket>,
    traffic: Traffic,
    created_ns: u64,
    used_ns: u64,
}

/// All meters of a switch.
#[derive(Debug, Default)]
pub struct Meters {
    meters: BTreeMap<u32, Entry>,
}

impl Bucket {
    fn new(band: Band, is_packets: bool) -> Bucket {
        // Kilobits a second: a byte costs 8 bits of 1000 a second each.
        let (cost_of_byte, cost_of_packet) =
            if is_packets { (0, NS_PER_S) } else { (8 * NS_PER_S / 1000, 0) };
        let burst = if band.burst == 0 { band.rate } else { band.burst };
        let limit = u128::from(burst) * NS_PER_S;
        Bucket { band, tokens: limit, limit, cost_of_byte, cost_of_packet, traffic: Traffic::default() }
    }

    /// True where the packet is above the rate; then it takes nothing away.
    fn exceeds(&mut self, passed_ns: u64, bytes: usize) -> bool {
        let earned = u128::from(passed_ns) * u128::from(self.band.rate);
        self.tokens = self.tokens.saturating_add(earned).min(self.limit);
        let cost = self.cost_of_packet + self.cost_of_byte * bytes as u128;
        match self.tokens.checked_sub(cost) {
            Some(rest) => {
                self.tokens = rest;
                false
            }
            None => true,
        }
    }
}

impl Meters {
    /// A meter by its number.
    pub fn get(&self, id: u32) -> Option<&Meter> {
        self.meters.get(&id).map(|entry| &entry.meter)
    }

    /// All meters, in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Meter> {
        self.meters.values().map(|entry| &entry.meter)
    }

    /// Changes the meters; gives the numbers of those that went.  Errors: nothing has changed.
    pub(crate) fn apply(&mut self, change: &MeterMod, now: u64) -> Result<Vec<u32>, MeterModError> {
        match change {
            MeterMod::Add(meter) => {
                self.check(meter)?;
                if self.get(meter.id).is_some() {
                    return Err(MeterModError::MeterExists(meter.id));
                }
                if self.meters.len() >= MAX_METERS {
                    return Err(MeterModError::OutOfMeters);
                }
                self.put(meter, now);
                Ok(Vec::new())
            }
            MeterMod::Modify(meter) => {
                self.check(meter)?;
                let created_ns = self.meters.get(&meter.id).map(|entry| entry.created_ns);
                self.put(meter, created_ns.ok_or(MeterModError::UnknownMeter(meter.id))?);
                Ok(Vec::new())
            }
            MeterMod::Delete(ALL_METERS) => Ok(std::mem::take(&mut self.meters).into_keys().collect()),
            // Deleting what does not exist is no error (OpenFlow 1.3.5 section 7.3.4.4).
            MeterMod::Delete(id) => Ok(self.meters.remove(id).map(|_| *id).into_iter().collect()),
        }
    }

    fn check(&self, meter: &Meter) -> Result<(), MeterModError> {
        let is_special = matches!(meter.id, CONTROLLER_METER | SLOWPATH_METER);
        if meter.id == 0 || (meter.id > LAST_METER && !is_special) {
            return Err(MeterModError::InvalidMeter(meter.id));
        }
        if meter.bands.is_empty() || meter.bands.len() > MAX_BANDS {
            return Err(MeterModError::OutOfBands);
        }
        if meter.bands.iter().any(|band| band.rate == 0) {
            return Err(MeterModError::BadRate);
        }
        let is_odd =
            |band: &Band| matches!(band.kind, BandKind::Remark(levels) if !(1..=2).contains(&levels));
        if meter.bands.iter().any(is_odd) { Err(MeterModError::BadBandValue) } else { Ok(()) }
    }

    fn put(&mut self, meter: &Meter, created_ns: u64) {
        let before = self.meters.remove(&meter.id);
        let traffic = before.as_ref().map(|entry| entry.traffic).unwrap_or_default();
        let used_ns = before.map_or(created_ns, |entry| entry.used_ns);
        let buckets = meter.bands.iter().map(|band| Bucket::new(*band, meter.is_packets)).collect();
        let entry = Entry { meter: meter.clone(), buckets, traffic, created_ns, used_ns };
        self.meters.insert(meter.id, entry);
    }

    /// What becomes of a packet; a meter that does not exist lets it pass.  Of several bands that are exceeded the
    /// one of the highest rate decides.
    pub(crate) fn pass(&mut self, id: u32, bytes: usize, now: u64) -> Metered {
        let Some(entry) = self.meters.get_mut(&id) else { return Metered::Pass };
        entry.traffic.add(1, bytes as u64);
        let passed_ns = now.saturating_sub(entry.used_ns);
        entry.used_ns = entry.used_ns.max(now);
        let mut decisive: Option<usize> = None;
        for i in 0..entry.buckets.len() {
            let is_higher =
                decisive.is_none_or(|best| entry.buckets[i].band.rate > entry.buckets[best].band.rate);
            if entry.buckets[i].exceeds(passed_ns, bytes) && is_higher {
                decisive = Some(i);
            }
        }
        let Some(bucket) = decisive.and_then(|i| entry.buckets.get_mut(i)) else { return Metered::Pass };
        bucket.traffic.add(1, bytes as u64);
        match bucket.band.kind {
            BandKind::Drop => Metered::Drop,
            BandKind::Remark(levels) => Metered::Remark(levels),
        }
    }

    /// Counters, with how many flows pass each meter as told.
    pub(crate) fn stats(&self, flows: impl Fn(u32) -> u32, now: u64) -> Vec<MeterStats> {
        let row = |entry: &Entry| MeterStats {
            id: entry.meter.id,
            flows: flows(entry.meter.id),
            traffic: entry.traffic,
            bands: entry.buckets.iter().map(|bucket| bucket.traffic).collect(),
            duration_ns: now.saturating_sub(entry.created_ns),
        };
        self.meters.values().map(row).collect()
    }
}
