//! Hashes for the cache.

use std::hash::Hasher;

use tulle_flow::Key;

/// Passes a `u64` that already is a hash through.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PassThrough(u64);

impl Hasher for PassThrough {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// A hash of the fields that tell the packets of different flows apart when they come in.
/// Two lanes, so that the multiplications overlap.
#[inline]
pub(super) fn ingress_hash(key: &Key, seed: u64) -> u64 {
    let w = &key.words;
    let mut a = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut b = seed.rotate_left(32) ^ 0xa076_1d64_78bd_642f;
    for (x, y) in
        [(w[0], w[1]), (w[2], w[28]), (w[29], w[33]), (w[34], w[35]), (w[36], w[37]), (w[38], w[39])]
    {
        a = fold(a ^ x, 0xe703_7ed1_a0b4_28db);
        b = fold(b ^ y, 0x8ebc_6af0_9c88_c6e3);
    }
    fold(a ^ b.rotate_left(17), 0x5899_65cc_7537_4cc3)
}

#[inline]
fn fold(value: u64, factor: u64) -> u64 {
    let product = u128::from(value) * u128::from(factor);
    (product as u64) ^ ((product >> 64) as u64) ^ value.rotate_left(23)
}
