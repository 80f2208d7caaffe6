//! Which packets are sampled.

/// Takes one packet in `rate`, on average, at distances that nobody can foretell who does not know the seed.
#[derive(Clone, Debug)]
pub struct Sampler {
    rate: u32,
    /// Packets until the next sample.
    left: u32,
    state: u64,
}

impl Sampler {
    /// One packet in `rate`; 0 counts as 1.
    pub fn new(rate: u32, seed: u64) -> Sampler {
        let mut sampler = Sampler { rate: rate.max(1), left: 0, state: seed | 1 };
        sampler.left = sampler.distance();
        sampler
    }

    /// The rate: of how many packets one is a sample.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// True where this packet is a sample.
    #[inline]
    pub fn takes(&mut self) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return false;
        }
        self.left = self.distance();
        true
    }

    /// Uniform in 1 to 2 * rate - 1, whose mean is the rate (sFlow version 5, "Sampling of Switched Flows").
    fn distance(&mut self) -> u32 {
        // xorshift
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let span = 2 * u64::from(self.rate) - 1;
        let drawn = 1 + (self.state >> 16) % span;
        u32::try_from(drawn).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_packet_in_one_is_every_packet() {
        let mut sampler = Sampler::new(1, 5);
        assert!((0..100).all(|_| sampler.takes()));
    }

    #[test]
    fn the_rate_is_right_over_many_packets_and_distances_differ() {
        for rate in [2_u32, 10, 400, 1000] {
            let mut sampler = Sampler::new(rate, 42);
            let packets = 1000 * u64::from(rate);
            let taken: Vec<u64> = (0..packets).filter(|_| sampler.takes()).collect();
            // 1000 distances of variance rate^2 / 3: five deviations are 9.2 percent.
            assert!((910..1092).contains(&taken.len()), "1 in {rate}: {} of {packets}", taken.len());
            let mut distances: Vec<u64> = taken.windows(2).map(|pair| pair[1] - pair[0]).collect();
            distances.sort_unstable();
            distances.dedup();
            assert!(distances.len() > 2, "1 in {rate}: {distances:?}");
        }
    }

    #[test]
    fn the_rarest_sampling_neither_overflows_nor_stops() {
        let mut sampler = Sampler::new(u32::MAX, 3);
        assert!((0..1000).filter(|_| sampler.takes()).count() <= 1);
        assert!(Sampler::new(0, 1).takes());
    }
}
