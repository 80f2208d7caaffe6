//! A hash map keyed by hashes that are already good: it hashes nothing again.

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
