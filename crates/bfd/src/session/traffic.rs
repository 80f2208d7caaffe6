//! What packets of any kind say of the path: that it is alive, or that nobody uses it.

use crate::settings::Settings;

/// The least time over which packets are counted to say that a path is quiet.
const LEAST_QUIET_MS: u32 = 2000;
/// A path is not alive by other packets alone for longer than so many intervals of its session.
const MOST_INTERVALS: u64 = 100;
const NS_PER_MS: u64 = 1_000_000;

#[derive(Clone, Debug)]
pub(super) struct Traffic {
    /// Packets of the session so far, and when the last one came.
    control_packets: u64,
    control_at_ns: Option<u64>,
    /// Next to no other packets come.
    pub is_quiet: bool,
    /// What there was at the last look for whether the path is alive.
    seen: u64,
    looks_at_ns: u64,
    fresh_until_ns: u64,
    /// The same for whether it is quiet: all packets, those of the session.
    weighed: (u64, u64),
    weighs_at_ns: u64,
}

impl Traffic {
    pub(super) fn new(now_ns: u64) -> Traffic {
        Traffic {
            control_packets: 0,
            control_at_ns: None,
            is_quiet: false,
            seen: 0,
            looks_at_ns: now_ns,
            fresh_until_ns: 0,
            weighed: (0, 0),
            weighs_at_ns: now_ns,
        }
    }

    /// A packet of the session has come.
    pub(super) fn received_control(&mut self, now_ns: u64) {
        self.control_packets += 1;
        self.control_at_ns = Some(now_ns);
    }

    /// Looks at how many packets have come, where it is time.
    pub(super) fn look(&mut self, settings: &Settings, received: u64, now_ns: u64) {
        if settings.forwarding_if_rx && self.looks_at_ns <= now_ns {
            let interval_ns = interval_ns(settings);
            if received != self.seen {
                self.fresh_until_ns = now_ns + interval_ns * u64::from(settings.multiplier);
            }
            (self.seen, self.looks_at_ns) = (received, now_ns + interval_ns);
        }
        if !decays(settings) {
            self.is_quiet = false;
        } else if self.weighs_at_ns <= now_ns {
            let (before, control_before) = self.weighed;
            let control = self.control_packets - control_before;
            self.is_quiet = received.saturating_sub(before) <= 2 * control;
            self.weighed = (received, self.control_packets);
            let period_ms = settings.decay_min_rx_ms.max(LEAST_QUIET_MS);
            self.weighs_at_ns = now_ns + u64::from(period_ms) * NS_PER_MS;
        }
    }

    /// Whether packets have come lately, and one of the session not too long ago.
    pub(super) fn is_fresh(&self, settings: &Settings, now_ns: u64) -> bool {
        let most_ns = MOST_INTERVALS * interval_ns(settings);
        now_ns < self.fresh_until_ns && self.control_at_ns.is_some_and(|at| now_ns < at + most_ns)
    }

    pub(super) fn deadline_ns(&self, settings: &Settings) -> u64 {
        let looks_at_ns = if settings.forwarding_if_rx { self.looks_at_ns } else { u64::MAX };
        let weighs_at_ns = if decays(settings) { self.weighs_at_ns } else { u64::MAX };
        looks_at_ns.min(weighs_at_ns)
    }
}

/// A decay that would be to a shorter interval is none.
fn decays(settings: &Settings) -> bool {
    settings.decay_min_rx_ms > settings.min_rx_ms
}

fn interval_ns(settings: &Settings) -> u64 {
    u64::from(settings.min_rx_ms.max(1)) * NS_PER_MS
}
