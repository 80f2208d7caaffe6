//! Ingress policing: a token bucket a port, as `ingress_policing_rate` and its burst ask for
//! (`ovs-vswitchd.conf.db(5)`, table Interface).

/// A bucket of bits that fills with time; a frame that finds too few in it is lost.
#[derive(Clone, Debug)]
pub(crate) struct Policer {
    rate_bps: u64,
    burst_bits: u64,
    tokens_bits: u64,
    filled_ns: u64,
}

impl Policer {
    /// `rate` in kbit/s, above 0; `burst` in kbit, where 0 is a tenth of a second of the rate, yet a large frame.
    pub(crate) fn new(rate_kbps: u32, burst_kb: u32) -> Policer {
        let rate_bps = u64::from(rate_kbps) * 1000;
        let default = (rate_bps / 10).max(8 * 65_536);
        let burst_bits = if burst_kb == 0 { default } else { u64::from(burst_kb) * 1000 };
        Policer { rate_bps, burst_bits, tokens_bits: burst_bits, filled_ns: 0 }
    }

    /// True where the frame may pass.
    #[inline]
    pub(crate) fn admits(&mut self, bytes: usize, now_ns: u64) -> bool {
        let elapsed_ns = now_ns.saturating_sub(self.filled_ns);
        let gained = (u128::from(elapsed_ns) * u128::from(self.rate_bps) / 1_000_000_000) as u64;
        if gained > 0 {
            self.tokens_bits = self.tokens_bits.saturating_add(gained).min(self.burst_bits);
            self.filled_ns = now_ns;
        }
        let needed = bytes as u64 * 8;
        let admitted = needed <= self.tokens_bits;
        if admitted {
            self.tokens_bits -= needed;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut policer = Policer::new(1000, 80);
        let passed = (0..20).filter(|_| policer.admits(1000, 1)).count();
        assert_eq!(passed, 10, "80 kbit are ten frames of 1000 bytes");
        let second = 1_000_000_000;
        let later = (1..=1000).filter(|at| policer.admits(1000, 1 + at * second / 1000)).count();
        assert!((124..=126).contains(&later), "1000 kbit/s are 125 frames a second, not {later}");
    }

    #[test]
    fn the_bucket_never_holds_more_than_the_burst() {
        let mut policer = Policer::new(1000, 80);
        assert_eq!((0..20).filter(|_| policer.admits(1000, u64::MAX)).count(), 10);
    }
}
