//! The form of a journal: a mark, the length of what follows and is whole (64 bits), then records, each with its length
//! and a check sum.
//!
//! A record is length (32 bits, of what follows the sum), sum (32), kind (8), version (8), flags (8), nothing (8), and
//! then messages as they came.  Numbers are in the order of the network.

use tulle_openflow::{Dialect, Version};

/// What a journal begins with.
pub(crate) const MAGIC: &[u8; 8] = b"tullejn2";

const HEAD_LEN: usize = 8;
const KIND_LEN: usize = 4;
const TABLE_ID: u8 = 1;
const NICIRA: u8 = 1 << 1;
const ADDS: u8 = 1 << 2;

/// How messages belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One by one.
    Each = 1,
    /// All or none.
    Bundle = 2,
}

/// Some messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub kind: Kind,
    pub dialect: Dialect,
    /// A modification that finds nothing adds a flow, in versions where that may be.
    pub adds: bool,
    pub messages: &'a [u8],
}

/// What stands at a place of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A record, and the rest.
    Record(Record<'a>, &'a [u8]),
    /// Nothing, or the start of a record: whoever wrote it was killed.
    End,
    /// Something that nobody has written.
    Damage,
}

impl<'a> Record<'a> {
    /// All that goes before the messages.
    pub(crate) fn emit_head(&self, out: &mut Vec<u8>) {
        let kind = self.kind_bytes();
        let length = KIND_LEN + self.messages.len();
        // As long as all messages of a bundle at most, which is below 4 GB (`MOST_MESSAGES`, 64 KB each) but for
        // one that nobody could hold in memory; the reader would see damage.
        out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(sum(&kind, self.messages).to_be_bytes());
        out.extend(kind);
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        self.emit_head(out);
        out.extend_from_slice(self.messages);
    }

    fn kind_bytes(&self) -> [u8; KIND_LEN] {
        let Dialect { version, flow_mod_table_id, nicira_flows } = self.dialect;
        let flag = |is_set: bool, bit| if is_set { bit } else { 0 };
        let flags = flag(flow_mod_table_id, TABLE_ID) | flag(nicira_flows, NICIRA) | flag(self.adds, ADDS);
        [self.kind as u8, version.wire(), flags, 0]
    }

    pub(crate) fn parse(bytes: &'a [u8]) -> Found<'a> {
        let Some((head, rest)) = bytes.split_at_checked(HEAD_LEN) else { return Found::End };
        let (length, expected) = (word(&head[..4]) as usize, word(&head[4..]));
        let Some((body, rest)) = rest.split_at_checked(length) else { return Found::End };
        let Some((kind, messages)) = body.split_at_checked(KIND_LEN) else { return Found::Damage };
        if sum(kind, messages) != expected {
            return Found::Damage;
        }
        Record::of(kind, messages).map_or(Found::Damage, |record| Found::Record(record, rest))
    }

    fn of(kind: &[u8], messages: &'a [u8]) -> Option<Record<'a>> {
        let [kind, version, flags, _] = *kind else { return None };
        let kind = match kind {
            1 => Kind::Each,
            2 => Kind::Bundle,
            _ => return None,
        };
        let has = |bit| flags & bit != 0;
        let dialect = Dialect {
            version: Version::from_wire(version)?,
            flow_mod_table_id: has(TABLE_ID),
            nicira_flows: has(NICIRA),
        };
        Some(Record { kind, dialect, adds: has(ADDS), messages })
    }
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// Tells damage, not malice: words are multiplied into one another (as FxHash does), which costs a tenth of a CRC.
fn sum(kind: &[u8], messages: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| (sum.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    let start = mix(messages.len() as u64, u64::from(word(kind)));
    let mut blocks = messages.chunks_exact(32);
    // Four sums at once, since each step waits for the one before.
    let mut sums = [start, 1, 2, 3];
    for block in blocks.by_ref() {
        for (sum, bytes) in sums.iter_mut().zip(block.chunks_exact(8)) {
            *sum = mix(*sum, bytes.try_into().map_or(0, u64::from_le_bytes));
        }
    }
    let whole = sums.into_iter().reduce(mix).unwrap_or_default();
    let all = blocks.remainder().iter().fold(whole, |sum, byte| mix(sum, u64::from(*byte)));
    (all >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(messages: &[u8]) -> Record<'_> {
        let dialect = Dialect { version: Version::V10, flow_mod_table_id: true, nicira_flows: false };
        Record { kind: Kind::Bundle, dialect, adds: true, messages }
    }

    #[test]
    fn a_record_comes_back_with_what_follows_it() {
        for length in 0..40 {
            let messages: Vec<u8> = (0..length).collect();
            let mut bytes = Vec::new();
            record(&messages).emit(&mut bytes);
            bytes.extend([7; 3]);
            assert_eq!(Record::parse(&bytes), Found::Record(record(&messages), &[7; 3]));
        }
    }

    #[test]
    fn one_that_is_cut_ends_the_journal_and_one_that_is_changed_is_damage() {
        let mut bytes = Vec::new();
        record(b"some messages that are longer than a block").emit(&mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(Record::parse(&bytes[..cut]), Found::End, "{cut}");
        }
        for at in 4..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(Record::parse(&changed), Found::Damage, "byte {at} bit {bit}");
            }
        }
    }
}
