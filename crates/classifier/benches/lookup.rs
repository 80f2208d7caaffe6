//! One lookup among 100,000 flows over 50 masks: packets that a flow covers, and packets that none covers.
//!
//! Priorities are spread evenly over all masks, so that a lookup can seldom stop early.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tulle_classifier::Classifier;
use tulle_flow::{Field, Key, Match};

const FLOWS: u32 = 100_000;
const MASKS: u32 = 50;
const PACKETS: usize = 4096;
const PREFIXES: [u32; 5] = [12, 16, 20, 24, 32];
const TCP: u128 = 6;
const IPV4: u128 = 0x0800;

/// Scatters a number over 32 bits, the same way in each run.
fn scattered(number: u32) -> u32 {
    let mixed = (number ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b1);
    (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca77) ^ (mixed >> 13)
}

/// An access list's line: two prefixes, with or without a port.
fn matching(number: u32) -> Match {
    let mask = number % MASKS;
    let mut matching = Match::ANY;
    matching.require(Field::EthType, IPV4, u128::MAX);
    matching.require(Field::IpProto, TCP, u128::MAX);
    let prefix = |index: u32| u128::from(u32::MAX << (32 - PREFIXES[index as usize]));
    matching.require(Field::IpSrc, u128::from(scattered(number)), prefix(mask % 5));
    matching.require(Field::IpDst, u128::from(scattered(!number)), prefix(mask / 5 % 5));
    if mask / 25 == 1 {
        matching.require(Field::TcpDst, u128::from(number % 1000), u128::MAX);
    }
    matching
}

/// A packet that the flow of this number covers, or, from addresses that no flow names, one that none does.
fn packet(number: u32) -> Key {
    let mut key = Key::ZERO;
    key.set(Field::EthType, IPV4);
    key.set(Field::IpProto, TCP);
    key.set(Field::IpSrc, u128::from(scattered(number)));
    key.set(Field::IpDst, u128::from(scattered(!number)));
    key.set(Field::TcpSrc, u128::from(number >> 3));
    key.set(Field::TcpDst, u128::from(number % 1000));
    key
}

fn classifier() -> Classifier<u32> {
    let mut classifier = Classifier::new(7);
    for number in 0..FLOWS {
        classifier.insert(&matching(number), (scattered(number ^ 0xffff) % 1000) as u16, number);
    }
    assert_eq!(classifier.mask_count(), MASKS as usize);
    classifier
}

fn lookups(criterion: &mut Criterion) {
    let classifier = classifier();
    let covered: Vec<Key> = (0..PACKETS as u32).map(|i| packet(scattered(i) % FLOWS)).collect();
    let foreign: Vec<Key> = (0..PACKETS as u32).map(|i| packet(FLOWS * 10 + i)).collect();
    let finds =
        |keys: &[Key]| keys.iter().filter(|key| classifier.lookup(key, &mut { Key::ZERO }).is_some()).count();
    assert_eq!(finds(&covered), PACKETS);
    assert!(finds(&foreign) < PACKETS / 10);
    let mut group = criterion.benchmark_group("classifier");
    for (name, keys) in [("lookup", &covered), ("lookup_without_match", &foreign)] {
        let mut next = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                next = (next + 1) % PACKETS;
                let mut looked_at = Key::ZERO;
                black_box(classifier.lookup(black_box(&keys[next]), &mut looked_at));
                looked_at
            });
        });
    }
    group.finish();
}

fn changes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("classifier");
    group.sample_size(10);
    group.bench_function("fill", |bencher| {
        bencher.iter_batched(|| (), |()| classifier(), BatchSize::PerIteration)
    });
    group.finish();
}

criterion_group!(benches, lookups, changes);
criterion_main!(benches);
