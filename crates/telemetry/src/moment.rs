//! Times as exporters tell them.

const MS: u64 = 1_000_000;
const S: u64 = 1_000_000_000;

/// Translates between the monotonic clock that packets are stamped with and what collectors want to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// When the exporter began, on the monotonic clock, in nanoseconds.
    pub start_ns: u64,
    /// The Unix epoch on the monotonic clock: wall time minus monotonic time, in nanoseconds.
    pub epoch_ns: u64,
}

impl Clock {
    /// Milliseconds since the exporter began; wraps after 49 days, as the formats have it.
    pub(crate) fn uptime_ms(&self, at_ns: u64) -> u32 {
        (at_ns.saturating_sub(self.start_ns) / MS) as u32
    }

    /// Seconds since 1970, and nanoseconds beyond them.
    pub(crate) fn unix(&self, at_ns: u64) -> (u32, u32) {
        let wall = at_ns.saturating_add(self.epoch_ns);
        ((wall / S) as u32, (wall % S) as u32)
    }

    /// Milliseconds since 1970.
    pub(crate) fn unix_ms(&self, at_ns: u64) -> u64 {
        at_ns.saturating_add(self.epoch_ns) / MS
    }
}
