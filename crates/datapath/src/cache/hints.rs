//! Hints: which entry packets with a certain hash used last.
//!
//! A set of hints is a quarter of a cache line.  A new hint takes an empty place, else the last one; each use moves a
//! hint one place forward.  So packets that come once, however many, push no hint out that is in use.

use tulle_flow::Key;

const SETS: usize = 8192;
const WAYS: usize = 4;
/// Bits of a hint that are the number of an entry and one; entries with greater numbers are found without hints.
const ENTRY_BITS: u32 = 18;
const ENTRY: u32 = (1 << ENTRY_BITS) - 1;

/// The rest of a hash, and an entry; zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hint(u32);

const NO_HINT: Hint = Hint(0);

impl Hint {
    #[inline]
    fn tag(hash: u64) -> u32 {
        (hash >> 32) as u32 & !ENTRY
    }

    #[inline]
    fn has(self, tag: u32) -> bool {
        self != NO_HINT && self.0 & !ENTRY == tag
    }

    #[inline]
    fn entry(self) -> u32 {
        (self.0 & ENTRY).wrapping_sub(1)
    }
}

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
        let tag = Hint::tag(hash);
        let set = &mut self.sets[hash as usize % SETS];
        for way in 0..WAYS {
            let hint = set[way];
            if hint.has(tag) && is_right(hint.entry()) {
                if way > 0 {
                    set.swap(way, way - 1);
                }
                return Some(hint.entry());
            }
        }
        None
    }

    pub fn set(&mut self, hash: u64, entry: u32) {
        if entry >= ENTRY {
            return;
        }
        let tag = Hint::tag(hash);
        let set = &mut self.sets[hash as usize % SETS];
        let is_free = |hint: &Hint| hint.has(tag) || *hint == NO_HINT;
        let way = set.iter().position(is_free).unwrap_or(WAYS - 1);
        set[way] = Hint(tag | (entry + 1));
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
