//! The classifier against an obvious list of entries, and the honesty of the bits that it says it looked at.

use std::cmp::Reverse;

use proptest::prelude::*;
use tulle_classifier::{Classifier, Clause, PackedMask};
use tulle_flow::{Field, KEY_WORDS, Key, Match};

/// Few fields, from every stage of a lookup, with few values, so that matches overlap all the time.
const FIELDS: [Field; 9] = [
    Field::InPort,
    Field::Metadata,
    Field::EthDst,
    Field::IpSrc,
    Field::TcpSrc,
    Field::TcpDst,
    Field::Ipv6Dst,
    Field::PbbIsid,
    Field::Ipv6Exthdr,
];

/// Some of the lowest and highest two bits.
fn bits(field: Field) -> impl Strategy<Value = u128> {
    (0..4_u128, 0..4_u128).prop_map(move |(low, high)| low | high << (field.bits() - 2))
}

/// Any of these bits, or a prefix.
fn mask(field: Field) -> impl Strategy<Value = u128> {
    let prefix = (0..4_u32).prop_map(move |length| field.ones() & !(field.ones() >> length));
    prop_oneof![bits(field), prefix, Just(field.ones())]
}

fn matching() -> impl Strategy<Value = Match> {
    let part =
        prop::sample::select(&FIELDS[..]).prop_flat_map(|field| (Just(field), bits(field), mask(field)));
    prop::collection::vec(part, 0..4).prop_map(|parts| {
        let mut matching = Match::ANY;
        for (field, value, mask) in parts {
            matching.require(field, value, mask);
        }
        matching
    })
}

fn packet() -> impl Strategy<Value = Key> {
    FIELDS.map(bits).prop_map(|values| {
        let mut key = Key::ZERO;
        for (field, value) in FIELDS.iter().zip(values) {
            key.set(*field, value);
        }
        key
    })
}

#[derive(Clone, Debug)]
enum Change {
    Insert(Box<Match>, u16, Vec<Clause>),
    /// Removes one of the entries there are.
    Remove(prop::sample::Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        3 => (matching(), 0..4_u16)
            .prop_map(|(matching, priority)| Change::Insert(Box::new(matching), priority, Vec::new())),
        1 => any::<prop::sample::Index>().prop_map(Change::Remove),
    ];
    prop::collection::vec(change, 0..40)
}

fn clause() -> impl Strategy<Value = Clause> {
    (1..4_u32, 0..2_u8).prop_map(|(id, clause)| Clause { id, clause, clauses: 2 + (id == 3) as u8 })
}

/// As [`changes`], with clauses of conjunctive matches, and matches on `conj_id`.
fn conjunctive_changes() -> impl Strategy<Value = Vec<Change>> {
    let clauses = prop::collection::vec(clause(), 1..4);
    let change = prop_oneof![
        2 => changes().prop_map(|changes| changes.into_iter().take(2).collect::<Vec<_>>()),
        4 => (matching(), 1..4_u16, clauses)
            .prop_map(|(matching, priority, clauses)| vec![Change::Insert(Box::new(matching), priority, clauses)]),
        2 => (matching(), 0..4_u16, 1..4_u128).prop_map(|(mut matching, priority, id)| {
            matching.require(Field::ConjId, id, u128::MAX);
            vec![Change::Insert(Box::new(matching), priority, Vec::new())]
        }),
    ];
    prop::collection::vec(change, 0..30).prop_map(|changes| changes.concat())
}

#[derive(Clone, Debug)]
struct Entry {
    matching: Match,
    priority: u16,
    clauses: Vec<Clause>,
    value: usize,
}

/// Makes the same changes to a classifier and to a list, and compares what each change gives.
fn build(changes: &[Change]) -> (Classifier<usize>, Vec<Entry>) {
    let (mut classifier, mut entries) = (Classifier::new(7), Vec::<Entry>::new());
    for (value, change) in changes.iter().enumerate() {
        match change {
            Change::Insert(matching, priority, clauses) => {
                let old = entries.iter().position(|e| (e.matching, e.priority) == (**matching, *priority));
                let old = old.map(|i| entries.remove(i).value);
                let packed = classifier.pack(matching);
                assert_eq!(classifier.insert_packed(&packed, *priority, clauses, value), old);
                let (matching, clauses) = (**matching, clauses.clone());
                entries.push(Entry { matching, priority: *priority, clauses, value });
            }
            Change::Remove(index) if !entries.is_empty() => {
                let Entry { matching, priority, value, .. } = entries.remove(index.index(entries.len()));
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
/// touches).  Clauses do not count.
fn obvious_search<'a>(entries: &'a [Entry], key: &Key) -> Option<&'a Entry> {
    let best_of = |mask: &Key| entries.iter().filter(|e| e.matching.mask() == mask).map(|e| e.priority).max();
    let rank = |entry: &&Entry| {
        let mask = entry.matching.mask();
        (Reverse(entry.priority), Reverse(best_of(mask)), PackedMask::new(mask))
    };
    let covers = |entry: &&Entry| entry.clauses.is_empty() && entry.matching.covers(key);
    entries.iter().filter(covers).min_by_key(rank)
}

/// As [`obvious_search`], but above what that finds: the first complete conjunctive match whose id finds something.
fn obvious_lookup(entries: &[Entry], key: &Key) -> Option<usize> {
    let found = obvious_search(entries, key);
    let lowest = found.map_or(0, |entry| entry.priority + 1);
    for priority in (lowest..10).rev() {
        for id in 1..4_u32 {
            let covers = |entry: &&Entry| entry.priority == priority && entry.matching.covers(key);
            let matched: Vec<_> = entries.iter().filter(covers).flat_map(|entry| &entry.clauses).collect();
            let has = |clause: u8| matched.iter().any(|is| is.id == id && is.clause == clause);
            if (0..2 + (id == 3) as u8).all(has) {
                let mut with_id = *key;
                with_id.set(Field::ConjId, u128::from(id));
                if let Some(entry) = obvious_search(entries, &with_id) {
                    return Some(entry.value);
                }
            }
        }
    }
    found.map(|entry| entry.value)
}

/// Compares lookups with the list's, and changes bits that were not looked at.
fn check(classifier: &Classifier<usize>, entries: &[Entry], packet: &Key, noise: &[u64; KEY_WORDS]) {
    let mut looked_at = Key::ZERO;
    let found = classifier.lookup(packet, &mut looked_at);
    assert_eq!(found, obvious_lookup(entries, packet), "packet {packet:?}\nentries {entries:#?}");
    let mut other = *packet;
    for (i, word) in other.words.iter_mut().enumerate() {
        *word ^= noise[i] & !looked_at.words[i];
    }
    assert_eq!(classifier.lookup(&other, &mut Key::ZERO.clone()), found, "looked at {looked_at:?}");
    for bit in 0..KEY_WORDS * 64 {
        let (word, flag) = (bit / 64, 1 << (bit % 64));
        let mut other = *packet;
        other.words[word] ^= flag;
        let differs = classifier.lookup(&other, &mut Key::ZERO.clone()) != found;
        assert!(!differs || looked_at.words[word] & flag != 0, "word {word} flag {flag:#x}\n{entries:#?}");
    }
}

proptest! {
    #[test]
    fn finds_what_a_list_finds_and_depends_on_what_it_says(
        changes in changes(),
        packets in prop::collection::vec(packet(), 1..8),
        noise in any::<[u64; KEY_WORDS]>(),
    ) {
        let (classifier, entries) = build(&changes);
        packets.iter().for_each(|packet| check(&classifier, &entries, packet, &noise));
        for entry in &entries {
            prop_assert_eq!(classifier.find_exact(&entry.matching, entry.priority), Some(entry.value));
        }
        let mut listed: Vec<_> = classifier.iter().map(|(_, _, value)| value).collect();
        let mut expected: Vec<_> = entries.iter().map(|entry| entry.value).collect();
        listed.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(listed, expected);
    }

    #[test]
    fn conjunctive_matches_are_found_as_in_a_list(
        changes in conjunctive_changes(),
        packets in prop::collection::vec(packet(), 1..8),
        noise in any::<[u64; KEY_WORDS]>(),
    ) {
        let (classifier, entries) = build(&changes);
        packets.iter().for_each(|packet| check(&classifier, &entries, packet, &noise));
    }

    #[test]
    fn selects_what_a_list_selects(changes in changes(), wide in matching()) {
        let (classifier, entries) = build(&changes);
        let packed = classifier.pack(&wide);
        let mut contained: Vec<_> = classifier.contained_in(&packed).collect();
        let mut overlapping: Vec<_> = classifier.overlapping(&packed).collect();
        contained.sort_unstable();
        overlapping.sort_unstable();
        let select = |is_such: &dyn Fn(&Match) -> bool| {
            let such = entries.iter().filter(|entry| is_such(&entry.matching));
            let mut such: Vec<_> = such.map(|entry| (entry.priority, entry.value)).collect();
            such.sort_unstable();
            such
        };
        prop_assert_eq!(contained, select(&|matching| wide.contains(matching)));
        let both = |i: usize, other: &Match| wide.mask().words[i] & other.mask().words[i];
        let agrees = |i: usize, other: &Match| (wide.key().words[i] ^ other.key().words[i]) & both(i, other) == 0;
        prop_assert_eq!(overlapping, select(&|matching| (0..KEY_WORDS).all(|i| agrees(i, matching))));
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

#[test]
fn a_packet_far_from_all_prefixes_is_told_apart_by_few_bits() {
    let mut classifier = Classifier::new(3);
    for (network, length) in [(0x0a01_0200_u128, 24), (0x0a01_0300, 24), (0x0a80_0000, 9)] {
        let mut matching = Match::ANY;
        matching.require(Field::IpDst, network, u128::from(u32::MAX << (32 - length)));
        classifier.insert(&matching, 10, network);
    }
    let bits = |address: u128| {
        let (mut packet, mut looked_at) = (Key::ZERO, Key::ZERO);
        packet.set(Field::IpDst, address);
        let found = classifier.lookup(&packet, &mut looked_at);
        (found, looked_at.field(Field::IpDst).count_ones())
    };
    assert_eq!(bits(0xc0a8_0001), (None, 1));
    assert_eq!(bits(0x0b00_0001), (None, 8));
    assert_eq!(bits(0x0a01_0401), (None, 22));
    assert_eq!(bits(0x0a80_0001).0, Some(0x0a80_0000));
    assert_eq!(bits(0x0a01_0305), (Some(0x0a01_0300), 24));
}

#[test]
fn the_example_of_the_manual() {
    let mut classifier = Classifier::new(3);
    let clause = |clause| [Clause { id: 1234, clause, clauses: 2 }];
    for host in [1, 4, 6, 7] {
        let source = classifier.pack(&match_of(&[(Field::IpSrc, 0x0a00_0000 + host)]));
        classifier.insert_packed(&source, 7, &clause(0), "source");
    }
    for host in [2, 5, 7, 8] {
        let target = classifier.pack(&match_of(&[(Field::IpDst, 0x0a00_0000 + host)]));
        classifier.insert_packed(&target, 7, &clause(1), "target");
    }
    classifier.insert(&match_of(&[(Field::ConjId, 1234)]), 7, "both");
    let lookup = |classifier: &Classifier<&'static str>, source: u128, target: u128| {
        let mut packet = Key::ZERO;
        packet.set(Field::IpSrc, 0x0a00_0000 + source);
        packet.set(Field::IpDst, 0x0a00_0000 + target);
        classifier.lookup(&packet, &mut Key::ZERO.clone())
    };
    assert_eq!(lookup(&classifier, 4, 5), Some("both"));
    assert_eq!(lookup(&classifier, 4, 6), None);
    assert_eq!(lookup(&classifier, 2, 5), None);
    classifier.insert(&Match::ANY, 6, "lower");
    assert_eq!((lookup(&classifier, 7, 7), lookup(&classifier, 7, 9)), (Some("both"), Some("lower")));
    classifier.insert(&match_of(&[(Field::IpSrc, 0x0a00_0004)]), 8, "higher");
    assert_eq!(lookup(&classifier, 4, 5), Some("higher"));
}
