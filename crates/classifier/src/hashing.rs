//! Hash maps keyed by hashes that are already good: they hash nothing again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Passes a number that already is a hash through.
#[derive(Clone, Copy, Debug, Default)]
pub struct PassThrough(u64);

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

/// From a hash to something.
pub type HashIndex<V> = HashMap<u64, V, BuildHasherDefault<PassThrough>>;

/// Spreads half of a hash over a whole one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(self.0 as u32 ^ u32::from(*byte)));
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = u64::from(value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// From half a hash to something: half as large, for who can bear that a few different things fall together.
pub type ShortIndex<V> = HashMap<u32, V, BuildHasherDefault<Spread>>;
