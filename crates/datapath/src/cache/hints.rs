//! Hints: which entry packets with a certain hash used last.
//!
//! A set of hints is one half of a cache line.  A new hint takes an empty place, else the last one; each use moves a
//! hint one place forward.  So packets that come once, however many, push no hint out that is in use.

use tulle_flow::Key;

const SETS: usize = 8192;
const WAYS: usize = 4;
const NO_ENTRY: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Hint {
    tag: u32,
    entry: u32,
}

const NO_HINT: Hint = Hint { tag: 0, entry: NO_ENTRY };

#[derive(Debug)]
pub(super) struct Hints {
    sets: Box<[[Hint; WAYS]]>,
}

impl Hints {
    pub fn new() -> Self {
        Hints { sets: vec![[NO_HINT; WAYS]; SETS].into() }
    }

    /// The entry that a packet with this hash uses, if `is_right` agrees.
    #[inline]
    pub fn find(&mut self, hash: u64, is_right: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = (hash >> 32) as u32;
        let set = &mut self.sets[hash as usize % SETS];
        for way in 0..WAYS {
            let hint = set[way];
            if hint.tag == tag && hint.entry != NO_ENTRY && is_right(hint.entry) {
                if way > 0 {
                    set.swap(way, way - 1);
                }
                return Some(hint.entry);
            }
        }
        None
    }

    pub fn set(&mut self, hash: u64, entry: u32) {
        let tag = (hash >> 32) as u32;
        let set = &mut self.sets[hash as usize % SETS];
        let is_free = |hint: &Hint| hint.tag == tag || hint.entry == NO_ENTRY;
        let way = set.iter().position(is_free).unwrap_or(WAYS - 1);
        set[way] = Hint { tag, entry };
    }

    pub fn clear(&mut self) {
        self.sets.fill([NO_HINT; WAYS]);
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
