//! Hashing of flow keys under a secret, so that no tenant can aim flows at one bucket.

use std::hash::{BuildHasher, Hasher};

/// Makes hashers that start from the exporter's seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeded(pub u64);

/// Multiplies each word into the state and folds the product (as in wyhash by Wang Yi); the seed stays secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folding(u64);

impl BuildHasher for Seeded {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding(self.0 ^ 0x2d35_8dcc_aa6c_78a5)
    }
}

impl Hasher for Folding {
    #[inline]
    fn finish(&self) -> u64 {
        fold(self.0, 0x8bb8_4b93_962e_acc9)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.0 = fold(self.0 ^ word, 0x9e37_79b9_7f4a_7c15 ^ self.0.rotate_left(32));
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b | 1);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_and_the_seed_change_about_half_of_the_hash() {
        let hash = |seed: u64, words: [u64; 3]| {
            let mut hasher = Seeded(seed).build_hasher();
            words.into_iter().for_each(|word| hasher.write_u64(word));
            hasher.finish()
        };
        let base = hash(7, [1, 2, 3]);
        assert_ne!(hash(8, [1, 2, 3]), base);
        for bit in 0..192 {
            let mut words = [1, 2, 3];
            words[bit / 64] ^= 1_u64 << (bit % 64);
            let differing = (hash(7, words) ^ base).count_ones();
            assert!((10..54).contains(&differing), "bit {bit} changes {differing} bits");
        }
    }
}
