//! SipHash-1-3 of a tuple under a secret key, so that no tenant can aim packets at one bucket.
//!
//! Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), with one round a word and
//! three at the end, as hash tables of other systems use it. Input is whole 64-bit words, no length.

/// The secret of one tracker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hasher {
    key: [u64; 2],
}

impl Hasher {
    pub fn new(seed: u128) -> Self {
        Self { key: [seed as u64, (seed >> 64) as u64] }
    }

    /// The hash of some words.
    #[inline]
    pub fn hash<const N: usize>(&self, words: [u64; N]) -> u64 {
        let mut state = [
            self.key[0] ^ 0x736f_6d65_7073_6575,
            self.key[1] ^ 0x646f_7261_6e64_6f6d,
            self.key[0] ^ 0x6c79_6765_6e65_7261,
            self.key[1] ^ 0x7465_6462_7974_6573,
        ];
        for word in words {
            state[3] ^= word;
            round(&mut state);
            state[0] ^= word;
        }
        state[2] ^= 0xff;
        for _ in 0..3 {
            round(&mut state);
        }
        state[0] ^ state[1] ^ state[2] ^ state[3]
    }
}

#[inline]
fn round(state: &mut [u64; 4]) {
    let [a, b, c, d] = state;
    *a = a.wrapping_add(*b);
    *b = b.rotate_left(13) ^ *a;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*d);
    *d = d.rotate_left(16) ^ *c;
    *a = a.wrapping_add(*d);
    *d = d.rotate_left(21) ^ *a;
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_bit_and_the_seed_change_the_hash() {
        let hasher = Hasher::new(7);
        let base = hasher.hash([1, 2, 3]);
        for bit in 0..192 {
            let mut words = [1, 2, 3];
            words[bit / 64] ^= 1_u64 << (bit % 64);
            let differing = (hasher.hash(words) ^ base).count_ones();
            assert!((10..54).contains(&differing), "bit {bit} changes {differing} bits");
        }
        assert_ne!(Hasher::new(8).hash([1, 2, 3]), base);
    }
}
