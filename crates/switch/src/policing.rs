//! Policing: token buckets that let no more pass than was agreed upon, in bits and in packets
//! (`ovs-vswitchd.conf.db(5)`: `ingress_policing_*` of table Interface, rates of tables QoS and Queue).

use crate::error::SwitchError;
use crate::switch::Switch;

const NS_PER_SECOND: u128 = 1_000_000_000;

/// How much may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bits or packets a second, above 0.
    pub rate: u64,
    /// As many at once.
    pub burst: u64,
}

/// A bucket that fills with time.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    limit: Limit,
    tokens: u64,
    filled_ns: u64,
}

impl Bucket {
    pub(crate) fn new(limit: Limit) -> Bucket {
        Bucket { limit, tokens: limit.burst, filled_ns: 0 }
    }

    /// Whether there is as much in it now.
    #[inline]
    fn holds(&mut self, amount: u64, now_ns: u64) -> bool {
        let elapsed_ns = now_ns.saturating_sub(self.filled_ns);
        let grown = u128::from(elapsed_ns) * u128::from(self.limit.rate);
        let gained = u64::try_from(grown / NS_PER_SECOND).unwrap_or(u64::MAX);
        if gained > 0 {
            self.tokens = self.tokens.saturating_add(gained).min(self.limit.burst);
            // The time in which a part of a token has grown counts for the next one, but where there is no room.
            let is_full = self.tokens == self.limit.burst;
            let kept_ns = if is_full { 0 } else { (grown % NS_PER_SECOND) as u64 / self.limit.rate };
            self.filled_ns = now_ns - kept_ns;
        }
        amount <= self.tokens
    }

    #[inline]
    fn take(&mut self, amount: u64) {
        self.tokens = self.tokens.saturating_sub(amount);
    }
}

/// Takes from all buckets, or from none where one has too little.
#[inline]
pub(crate) fn admits<const N: usize>(buckets: [(&mut Option<Bucket>, u64); N], now_ns: u64) -> bool {
    let mut buckets = buckets.map(|(bucket, amount)| (bucket.as_mut(), amount));
    let short = |(bucket, amount): &mut (Option<&mut Bucket>, u64)| {
        bucket.as_mut().is_some_and(|bucket| !bucket.holds(*amount, now_ns))
    };
    if buckets.iter_mut().any(short) {
        return false;
    }
    for (bucket, amount) in buckets {
        if let Some(bucket) = bucket {
            bucket.take(amount);
        }
    }
    true
}

/// What may come in by a port; a frame that finds too little in a bucket is lost.
#[derive(Clone, Debug)]
pub(crate) struct Policer {
    bits: Option<Bucket>,
    packets: Option<Bucket>,
}

impl Policer {
    /// None where nothing is limited.
    pub(crate) fn new(bits: Option<Limit>, packets: Option<Limit>) -> Option<Policer> {
        let any = bits.is_some() || packets.is_some();
        any.then(|| Policer { bits: bits.map(Bucket::new), packets: packets.map(Bucket::new) })
    }

    /// One that limits packets only.
    pub(crate) fn packets(limit: Limit) -> Policer {
        Policer { bits: None, packets: Some(Bucket::new(limit)) }
    }

    /// True where the frame may pass.
    #[inline]
    pub(crate) fn admits(&mut self, bytes: usize, now_ns: u64) -> bool {
        admits([(&mut self.bits, bytes as u64 * 8), (&mut self.packets, 1)], now_ns)
    }
}

impl Switch {
    /// Lets at most so many bits and so many packets come in by a port.
    pub fn set_policing(
        &self,
        number: u32,
        bits: Option<Limit>,
        packets: Option<Limit>,
    ) -> Result<(), SwitchError> {
        self.change_port(number, move |port| port.policer = Policer::new(bits, packets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn bits(rate: u64, burst: u64) -> Policer {
        Policer::new(Some(Limit { rate, burst }), None).expect("a limit")
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut policer = bits(1_000_000, 80_000);
        let passed = (0..20).filter(|_| policer.admits(1000, 1)).count();
        assert_eq!(passed, 10, "80 kbit are ten frames of 1000 bytes");
        let later = (1..=1000).filter(|at| policer.admits(1000, 1 + at * SECOND / 1000)).count();
        assert!((124..=126).contains(&later), "1000 kbit/s are 125 frames a second, not {later}");
    }

    #[test]
    fn the_bucket_never_holds_more_than_the_burst() {
        let mut policer = bits(1_000_000, 80_000);
        assert_eq!((0..20).filter(|_| policer.admits(1000, u64::MAX)).count(), 10);
    }

    #[test]
    fn packets_are_limited_whatever_their_size() {
        let packets = Limit { rate: 1000, burst: 50 };
        let mut policer = Policer::new(None, Some(packets)).expect("a limit");
        assert_eq!((0..100).filter(|at| policer.admits(60 + at * 600, 1)).count(), 50);
        assert_eq!((0..100).filter(|_| policer.admits(60, 1 + SECOND / 100)).count(), 10);
    }

    #[test]
    fn what_is_offered_just_above_the_rate_passes_at_the_rate() {
        for (rate, offered) in [(1000, 1001), (3, 7), (700, 1_000_000)] {
            let mut policer = Policer::new(None, Some(Limit { rate, burst: 2 })).expect("a limit");
            let passed = (0..10 * offered).filter(|at| policer.admits(60, SECOND + at * SECOND / offered));
            let (passed, agreed) = (passed.count() as u64, 2 + 10 * rate);
            assert!((agreed - 2..=agreed).contains(&passed), "{passed} of {agreed} packets");
        }
    }

    #[test]
    fn a_frame_that_one_bucket_refuses_takes_nothing_from_the_other() {
        let (bits, packets) = (Limit { rate: 8, burst: 8000 }, Limit { rate: 1, burst: 2 });
        let mut policer = Policer::new(Some(bits), Some(packets)).expect("a limit");
        assert!(!policer.admits(1001, 1));
        assert!(policer.admits(500, 1) && policer.admits(500, 1));
        assert!(!policer.admits(1, 1));
    }
}
