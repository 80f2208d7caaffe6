//! Random numbers for what need not be secret: how much earlier than due a packet is sent.

/// A generator (xorshift64*, Marsaglia and Vigna).
#[derive(Clone, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Jitter {
        // Seeds that differ little shall not give numbers that do; 0 would stay 0.
        Jitter(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (seed >> 32) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    /// An interval shortened by up to a quarter; where one lost packet is too many, by a tenth at least
    /// (RFC 5880 section 6.8.7).
    pub(crate) fn shortened(&mut self, interval_ns: u64, multiplier: u8) -> u64 {
        let (least, most) = if multiplier == 1 { (10, 25) } else { (0, 25) };
        let per_mille = least * 10 + self.next() % ((most - least) * 10 + 1);
        interval_ns - interval_ns / 1000 * per_mille
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_become_shorter_by_up_to_a_quarter_and_fill_that_range() {
        for (multiplier, most) in [(3, 1000), (1, 900)] {
            let mut jitter = Jitter::new(7);
            let found: Vec<u64> = (0..2000).map(|_| jitter.shortened(1000, multiplier)).collect();
            assert!(found.iter().all(|one| (750..=most).contains(one)), "{found:?}");
            assert!(found.iter().any(|one| *one < 760) && found.iter().any(|one| *one > most - 10));
        }
    }
}
