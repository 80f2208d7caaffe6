//! The classifier against an obvious list of entries, and the honesty of the bits that it says it looked at.

use std::cmp::Reverse;

use proptest::prelude::*;
use tulle_classifier::{Classifier, PackedMask};
use tulle_flow::{Field, KEY_WORDS, Key, Match};

/// Few fields, from every stage of a lookup, with few values, so that matches overlap all the time.
const FIELDS: [Field; 6] =
    [Field::InPort, Field::Metadata, Field::EthDst, Field::IpSrc, Field::TcpDst, Field::Ipv6Dst];

fn matching() -> impl Strategy<Value = Match> {
    let field = (0..FIELDS.len(), 0..4_u128, 0..4_u128);
    prop::collection::vec(field, 0..4).prop_map(|parts| {
        let mut matching = Match::ANY;
        for (field, value, mask) in parts {
            matching.require(FIELDS[field], value, mask);
        }
        matching
    })
}

fn packet() -> impl Strategy<Value = Key> {
    prop::collection::vec(0..4_u128, FIELDS.len()).prop_map(|values| {
        let mut key = Key::ZERO;
        for (field, value) in FIELDS.iter().zip(values) {
            key.set(*field, value);
        }
        key
    })
}

#[derive(Clone, Debug)]
enum Change {
    Insert(Box<Match>, u16),
    /// Removes one of the entries there are.
    Remove(prop::sample::Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        3 => (matching(), 0..4_u16).prop_map(|(matching, priority)| Change::Insert(Box::new(matching), priority)),
        1 => any::<prop::sample::Index>().prop_map(Change::Remove),
    ];
    prop::collection::vec(change, 0..40)
}

type Entries = Vec<(Match, u16, usize)>;

/// Makes the same changes to a classifier and to a list, and compares what each change gives.
fn build(changes: &[Change]) -> (Classifier<usize>, Entries) {
    let (mut classifier, mut entries) = (Classifier::new(7), Entries::new());
    for (value, change) in changes.iter().enumerate() {
        match change {
            Change::Insert(matching, priority) => {
                let old = entries.iter().position(|e| (e.0, e.1) == (**matching, *priority));
                let old = old.map(|i| entries.remove(i).2);
                assert_eq!(classifier.insert(matching, *priority, value), old);
                entries.push((**matching, *priority, value));
            }
            Change::Remove(index) if !entries.is_empty() => {
                let (matching, priority, value) = entries.remove(index.index(entries.len()));
                assert_eq!(classifier.remove(&matching, priority), Some(value));
                assert_eq!(classifier.remove(&matching, priority), None);
            }
            Change::Remove(_) => {}
        }
        assert_eq!(classifier.len(), entries.len());
    }
    (classifier, entries)
}

/// Highest priority; among equals the mask whose best priority is highest, then the lowest mask (by the words it
/// touches).
fn obvious_lookup(entries: &Entries, key: &Key) -> Option<usize> {
    let best_of = |mask: &Key| entries.iter().filter(|e| e.0.mask() == mask).map(|e| e.1).max();
    let rank = |entry: &&(Match, u16, usize)| {
        (Reverse(entry.1), Reverse(best_of(entry.0.mask())), PackedMask::new(entry.0.mask()))
    };
    entries.iter().filter(|entry| entry.0.covers(key)).min_by_key(rank).map(|entry| entry.2)
}

proptest! {
    #[test]
    fn finds_what_a_list_finds(changes in changes(), packets in prop::collection::vec(packet(), 1..20)) {
        let (classifier, entries) = build(&changes);
        for packet in &packets {
            let found = classifier.lookup(packet, &mut Key::ZERO.clone());
            prop_assert_eq!(found, obvious_lookup(&entries, packet), "packet {:?}\nentries {:?}", packet, entries);
        }
        for (matching, priority, value) in &entries {
            prop_assert_eq!(classifier.find_exact(matching, *priority), Some(*value));
        }
        let mut listed: Vec<_> = classifier.iter().map(|(_, _, value)| value).collect();
        let mut expected: Vec<_> = entries.iter().map(|entry| entry.2).collect();
        listed.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(listed, expected);
    }

    #[test]
    fn bits_not_looked_at_do_not_matter(changes in changes(), packet in packet(), noise in any::<[u64; KEY_WORDS]>()) {
        let (classifier, _) = build(&changes);
        let mut looked_at = Key::ZERO;
        let found = classifier.lookup(&packet, &mut looked_at);
        let mut other = packet;
        for (i, word) in other.words.iter_mut().enumerate() {
            *word ^= noise[i] & !looked_at.words[i];
        }
        prop_assert_eq!(classifier.lookup(&other, &mut Key::ZERO.clone()), found, "looked at {:?}", looked_at);
        for bit in 0..KEY_WORDS * 64 {
            let (word, flag) = (bit / 64, 1 << (bit % 64));
            let mut other = packet;
            other.words[word] ^= flag;
            let differs = classifier.lookup(&other, &mut Key::ZERO.clone()) != found;
            prop_assert!(!differs || looked_at.words[word] & flag != 0, "word {word} flag {flag:#x}");
        }
    }

    #[test]
    fn the_order_of_insertion_does_not_matter(
        entries in prop::collection::hash_map((matching(), 0..4_u16), 0..9_usize, 0..30),
        packet in packet(),
    ) {
        let entries: Vec<_> = entries.into_iter().collect();
        let (mut one, mut two) = (Classifier::new(1), Classifier::new(2));
        for ((matching, priority), value) in &entries {
            one.insert(matching, *priority, *value);
        }
        for ((matching, priority), value) in entries.iter().rev() {
            two.insert(matching, *priority, *value);
        }
        let mut bits = [Key::ZERO; 2];
        prop_assert_eq!(one.lookup(&packet, &mut bits[0]), two.lookup(&packet, &mut bits[1]));
        prop_assert_eq!(bits[0], bits[1]);
    }
}

fn match_of(parts: &[(Field, u128)]) -> Match {
    let mut matching = Match::ANY;
    for (field, value) in parts {
        matching.require(*field, *value, field.ones());
    }
    matching
}

#[test]
fn a_packet_of_another_network_is_told_apart_without_its_ports() {
    let mut classifier = Classifier::new(3);
    classifier.insert(&match_of(&[(Field::Metadata, 5), (Field::TcpDst, 22)]), 10, "ssh");
    let mut packet = Key::ZERO;
    packet.set(Field::Metadata, 6);
    packet.set(Field::TcpDst, 22);
    let mut looked_at = Key::ZERO;
    assert_eq!(classifier.lookup(&packet, &mut looked_at), None);
    assert_eq!(looked_at.field(Field::TcpDst), 0, "{looked_at:?}");
    assert_eq!(looked_at.field(Field::Metadata), Field::Metadata.ones());
}

#[test]
fn masks_that_cannot_win_are_not_looked_at() {
    let mut classifier = Classifier::new(3);
    classifier.insert(&match_of(&[(Field::Metadata, 5)]), 20, "high");
    classifier.insert(&match_of(&[(Field::TcpDst, 22)]), 10, "low");
    let mut packet = Key::ZERO;
    packet.set(Field::Metadata, 5);
    packet.set(Field::TcpDst, 22);
    let mut looked_at = Key::ZERO;
    assert_eq!(classifier.lookup(&packet, &mut looked_at), Some("high"));
    assert_eq!(looked_at.field(Field::TcpDst), 0, "{looked_at:?}");
}

#[test]
fn a_removed_entry_leaves_nothing_to_look_at() {
    let mut classifier = Classifier::new(3);
    let ssh = |network| match_of(&[(Field::Metadata, network), (Field::TcpDst, 22)]);
    classifier.insert(&ssh(5), 10, "five");
    classifier.insert(&ssh(6), 10, "six");
    classifier.remove(&ssh(6), 10);
    let mut packet = Key::ZERO;
    packet.set(Field::Metadata, 6);
    let mut looked_at = Key::ZERO;
    assert_eq!(classifier.lookup(&packet, &mut looked_at), None);
    assert_eq!(looked_at.field(Field::TcpDst), 0, "{looked_at:?}");
    classifier.remove(&ssh(5), 10);
    assert_eq!((classifier.mask_count(), classifier.is_empty()), (0, true));
}
