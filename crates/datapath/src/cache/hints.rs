//! Hints: which entry packets with a certain hash used last.
//!
//! A set of hints is a quarter of a cache line.  A new hint takes an empty place, else the last one; each use moves a
//! hint one place forward.  So packets that come once, however many, push no hint out that is in use.

use tulle_flow::{Field, Key};

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

/// The words of a key that tell the packets of different flows apart when they come in, or come back.
const WORDS: [[usize; 2]; 7] = [
    [Field::InPort.word(), Field::TunId.word()],
    [Field::TunSrc.word(), Field::ResumeId.word()],
    [Field::CtState.word(), Field::EthDst.word()],
    [Field::EthSrc.word(), Field::IpSrc.word()],
    [Field::Ipv6Src.word(), Field::Ipv6Src.word() + 1],
    [Field::Ipv6Dst.word(), Field::Ipv6Dst.word() + 1],
    [Field::TcpSrc.word(), Field::TcpFlags.word()],
];

/// Hashes keys by a secret: sums the products of pairs of words, each with a secret number added, which needs one
/// multiplication for two words, all at the same time ("NH" of UMAC, Black and others, 1999).
#[derive(Debug)]
pub(super) struct IngressHash {
    secret: [[u64; 2]; WORDS.len()],
}

impl IngressHash {
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        IngressHash { secret: std::array::from_fn(|_| std::array::from_fn(|_| scattered(&mut state))) }
    }

    #[inline]
    pub fn of(&self, key: &Key) -> u64 {
        let word = |place: usize, secret: u64| u128::from(key.words[place].wrapping_add(secret));
        let pairs = WORDS.iter().zip(&self.secret);
        let sum = pairs.fold(0_u128, |sum, (&[a, b], &[x, y])| sum.wrapping_add(word(a, x) * word(b, y)));
        // The lower half chooses the set, the upper one the tag: both take from all of the sum.
        ((sum >> 64) as u64 ^ (sum as u64).rotate_left(32))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32)
    }
}

/// The next of a row of numbers that look random (SplitMix64, Steele and others, 2014).
fn scattered(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// What tells packets apart on their way in, or when they come back.
    const TELLING: [Field; 17] = [
        Field::InPort,
        Field::TunId,
        Field::TunSrc,
        Field::ResumeId,
        Field::CtState,
        Field::EthDst,
        Field::EthSrc,
        Field::EthType,
        Field::VlanTci,
        Field::IpSrc,
        Field::IpDst,
        Field::Ipv6Src,
        Field::Ipv6Dst,
        Field::IpProto,
        Field::TcpSrc,
        Field::TcpDst,
        Field::TcpFlags,
    ];

    #[test]
    fn packets_that_differ_in_any_telling_field_have_hints_of_their_own() {
        let hash = IngressHash::new(7);
        for field in TELLING {
            let values =
                (0..field.bits().min(12)).flat_map(|bit| [1_u128 << bit, 1 << (field.bits() - 1 - bit)]);
            let values: HashSet<u128> = values.collect();
            let hashes: HashSet<u64> = values
                .iter()
                .map(|value| {
                    let mut key = Key::ZERO;
                    key.set(field, *value);
                    hash.of(&key)
                })
                .collect();
            assert_eq!(hashes.len(), values.len(), "{field:?}");
        }
    }

    #[test]
    fn the_connections_of_one_port_spread_over_sets_and_tags() {
        let hash = IngressHash::new(7);
        let hashes: Vec<u64> = (0..20_000_u32)
            .map(|number| {
                let mut key = Key::ZERO;
                key.set(Field::InPort, 1);
                key.set(Field::IpSrc, u128::from(0x0a00_0000 + number / 100));
                key.set(Field::TcpSrc, u128::from(number % 100));
                hash.of(&key)
            })
            .collect();
        let distinct =
            |of: &dyn Fn(u64) -> u64| hashes.iter().map(|hash| of(*hash)).collect::<HashSet<_>>().len();
        // 20,000 balls in 8,192 and in 16,384 bins leave 713 and 4,835 of them empty.
        assert!(distinct(&|hash| hash % SETS as u64) > SETS - 900);
        assert!(distinct(&|hash| u64::from(Hint::tag(hash))) > 16_384 - 5_300);
    }

    #[test]
    fn a_seed_decides_which_packets_share_a_set() {
        let mut key = Key::ZERO;
        key.set(Field::InPort, 1);
        assert_ne!(IngressHash::new(1).of(&key), IngressHash::new(2).of(&key));
    }
}
