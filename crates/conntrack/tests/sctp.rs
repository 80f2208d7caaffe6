//! Associations of SCTP: handshake, tags, the end, translation, and moves.

mod common;

use common::*;
use proptest::prelude::*;
use tulle_conntrack::{Conntrack, Nat, NatRange, Record, Request};
use tulle_wire::sctp::kind::*;

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const N: &str = "198.51.100.7";
/// What packets to A and to B carry.
const TO_A: u32 = 0xaaaa_aaaa;
const TO_B: u32 = 0xbbbb_bbbb;

fn chunk(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, flags];
    bytes.extend((value.len() as u16 + 4).to_be_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn offering(kind: u8, tag: u32) -> Vec<u8> {
    chunk(kind, 0, &[&tag.to_be_bytes()[..], &[0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1]].concat())
}

fn there(tag: u32, chunks: Vec<u8>) -> Frame {
    let body = Body::Sctp { ports: (4000, 5000), tag, chunks };
    Frame { source: ip(A), destination: ip(B), body }
}

fn back(tag: u32, chunks: Vec<u8>) -> Frame {
    let body = Body::Sctp { ports: (5000, 4000), tag, chunks };
    Frame { source: ip(B), destination: ip(A), body }
}

fn data() -> Vec<u8> {
    chunk(DATA, 3, b"0123456789ABChello")
}

fn handshake() -> [(Frame, &'static str); 4] {
    [
        (there(0, offering(INIT, TO_A)), "new|trk"),
        (back(TO_A, offering(INIT_ACK, TO_B)), "est|rpl|trk"),
        (there(TO_B, [chunk(COOKIE_ECHO, 0, b"cookie"), data()].concat()), "est|trk"),
        (back(TO_A, chunk(COOKIE_ACK, 0, b"")), "est|rpl|trk"),
    ]
}

fn opened() -> Conntrack {
    let mut tracker = tracker();
    for (frame, expected) in handshake() {
        assert_eq!(state_of(&mut tracker, &frame, &committing(), 0), expected);
    }
    tracker
}

fn timeout(tracker: &Conntrack) -> u64 {
    tracker.entries(0).next().map_or(0, |entry| entry.timeout_s)
}

#[test]
fn an_association_opens_lives_and_ends() {
    let mut tracker = tracker();
    let mut seen = Vec::new();
    let end = [
        (there(TO_B, chunk(SHUTDOWN, 0, &[0; 4])), "est|trk"),
        (back(TO_A, chunk(SHUTDOWN_ACK, 0, b"")), "est|rpl|trk"),
        (there(TO_B, chunk(SHUTDOWN_COMPLETE, 0, b"")), "est|trk"),
        (there(TO_B, data()), "est|trk"),
        (there(0, offering(INIT, 7)), "new|trk"),
    ];
    for (frame, expected) in handshake().into_iter().chain(end) {
        assert_eq!(state_of(&mut tracker, &frame, &committing(), 0), expected);
        seen.push(timeout(&tracker));
    }
    assert_eq!(seen, [10, 10, 210, 210, 3, 3, 10, 10, 10]);
    assert_eq!(tracker.len(), 1, "another association between the same ports");
    let line = tracker.entries(0).next().expect("one").to_string();
    assert!(line.starts_with("sctp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=4000,dport=5000)"), "{line}");
}

#[test]
fn without_the_tags_nobody_gets_in() {
    for (wrong, why) in [
        (back(TO_B, data()), "the other side's tag"),
        (back(1, data()), "no tag of it"),
        (back(1, chunk(ABORT, 0, b"")), "an end by one who guesses"),
        (back(1, chunk(ABORT, 1, b"")), "the same, as if reflected"),
        (back(TO_A, chunk(SHUTDOWN_COMPLETE, 1, b"")), "a reflected tag is the other's"),
        (back(1, offering(INIT_ACK, 9)), "an answer to nothing"),
        (back(TO_A, offering(INIT_ACK, 0)), "an offer of nothing"),
        (back(TO_A, [offering(INIT_ACK, 9), data()].concat()), "a handshake bundled with data"),
        (back(0, data()), "no tag at all"),
        (back(TO_A, offering(INIT, 9)), "an INIT with a tag"),
        (back(TO_A, Vec::new()), "no chunk"),
        (back(TO_A, vec![0, 3, 0, 99]), "a chunk that lies"),
    ] {
        let mut tracker = opened();
        assert_eq!(state_of(&mut tracker, &wrong, &looking(), 0), "inv|trk", "{why}");
        assert_eq!(timeout(&tracker), 210);
    }
    let mut tracker = opened();
    let damaged = |mut bytes: Vec<u8>| {
        *bytes.last_mut().expect("a byte") ^= 1;
        bytes
    };
    let bytes = damaged(there(TO_B, chunk(DATA, 3, &[1; 16])).bytes());
    assert_eq!(words(send_bytes(&mut tracker, &bytes, &looking(), 0).0.expect("passes").state), "inv|trk");
    let reflected = there(TO_A, chunk(ABORT, 1, b""));
    assert_eq!(state_of(&mut tracker, &reflected, &looking(), 0), "est|trk", "who has lost it says so");
}

#[test]
fn who_restarts_gets_new_tags_and_who_only_asks_changes_none() {
    let mut tracker = opened();
    assert_eq!(state_of(&mut tracker, &there(0, offering(INIT, 77)), &looking(), 0), "est|trk");
    for frame in [there(TO_B, data()), back(TO_A, data())] {
        assert!(state_of(&mut tracker, &frame, &looking(), 0).starts_with("est"), "the old ones hold");
    }
    assert_eq!(state_of(&mut tracker, &there(88, chunk(COOKIE_ECHO, 0, b"?")), &looking(), 0), "inv|trk");
    assert_eq!(state_of(&mut tracker, &back(77, offering(INIT_ACK, 88)), &looking(), 0), "est|rpl|trk");
    assert_eq!(state_of(&mut tracker, &there(88, chunk(COOKIE_ECHO, 0, b"!")), &looking(), 0), "est|trk");
    assert_eq!(state_of(&mut tracker, &back(77, data()), &looking(), 0), "est|rpl|trk");
    assert_eq!(state_of(&mut tracker, &back(TO_A, data()), &looking(), 0), "inv|trk");
}

#[test]
fn one_that_was_there_before_is_picked_up_and_an_answer_opens_nothing() {
    let mut tracker = tracker();
    for kind in [INIT_ACK, ABORT, COOKIE_ACK, SHUTDOWN_ACK, SHUTDOWN_COMPLETE] {
        let frame = there(TO_B, if kind == INIT_ACK { offering(kind, 1) } else { chunk(kind, 0, b"") });
        assert_eq!(state_of(&mut tracker, &frame, &committing(), 0), "inv|trk");
    }
    assert_eq!(state_of(&mut tracker, &there(TO_B, data()), &committing(), 0), "new|trk");
    assert_eq!(state_of(&mut tracker, &back(1, chunk(ABORT, 0, b"")), &looking(), 0), "inv|trk");
    assert_eq!(state_of(&mut tracker, &back(TO_A, data()), &looking(), 0), "est|rpl|trk");
    assert_eq!(state_of(&mut tracker, &back(1, data()), &looking(), 0), "inv|trk");
    assert_eq!(state_of(&mut tracker, &there(1, data()), &looking(), 0), "inv|trk");
}

#[test]
fn a_refusal_ends_what_was_asked_for() {
    let mut tracker = tracker();
    pass(&mut tracker, &there(0, offering(INIT, TO_A)), &committing(), 0);
    assert_eq!(state_of(&mut tracker, &back(1, chunk(ABORT, 0, b"")), &looking(), 0), "inv|trk");
    assert_eq!(state_of(&mut tracker, &back(TO_A, chunk(ABORT, 0, b"")), &looking(), 0), "est|rpl|trk");
    assert_eq!(timeout(&tracker), 10);
    assert_eq!(state_of(&mut tracker, &there(0, offering(INIT, 5)), &committing(), 0), "new|trk");
}

#[test]
fn addresses_and_ports_are_translated_both_ways_with_the_checksum() {
    let range = NatRange { ports: Some((9000, 9000)), ..NatRange::to(ip(N)) };
    let mut tracker = tracker();
    let nat = with_nat(Nat::Source(range));
    let existing = Request { nat: Nat::Existing, ..looking() };
    let (_, bytes) = pass(&mut tracker, &there(0, offering(INIT, TO_A)), &nat, 0);
    assert_eq!(ends(&bytes), format!("{N} 9000 > {B} 5000"));
    let answer = |tag, chunks| Frame {
        source: ip(B),
        destination: ip(N),
        body: Body::Sctp { ports: (5000, 9000), tag, chunks },
    };
    let (outcome, bytes) = pass(&mut tracker, &answer(TO_A, offering(INIT_ACK, TO_B)), &existing, 0);
    assert_eq!(
        (words(outcome.state), ends(&bytes)),
        ("est|rpl|trk|dnat".into(), format!("{B} 5000 > {A} 4000"))
    );
    // An error about the packet as it went out quotes it as it was.
    let sent = pass(&mut tracker, &there(TO_B, chunk(COOKIE_ECHO, 0, b"cookie")), &existing, 0).1;
    let (outcome, bytes) = pass(&mut tracker, &error("10.0.0.9", N, &sent, 28), &existing, 0);
    assert_eq!(words(outcome.state), "rel|rpl|trk|dnat");
    assert_eq!(ends_of(&bytes[ETHERNET + 28..]), format!("{A} 4000 > {B} 5000"));
}

#[test]
fn a_moved_association_keeps_its_tags() {
    let records = opened().export(0, &[], usize::MAX, 0);
    let line = records[0].to_string();
    let parsed: Record = line.parse().expect(&line);
    assert_eq!(parsed.to_string(), line);
    for wrong in [
        line.replace("sctp=aaaa", "sctp=gaaa"),
        line.replace("orig=132", "orig=17"),
        line.replace(",1", ",4"),
    ] {
        assert!(wrong == line || wrong.parse::<Record>().is_err(), "{wrong}");
    }
    let mut other = tracker();
    other.import(0, &[parsed], SECOND, 0);
    assert_eq!(state_of(&mut other, &back(1, data()), &looking(), 0), "inv|trk");
    assert_eq!(state_of(&mut other, &back(TO_A, data()), &looking(), 0), "est|rpl|trk");
    assert_eq!(timeout(&other), 210);
}

#[test]
fn a_second_move_brings_the_tags_of_the_association_that_lives() {
    let over = || {
        let mut tracker = opened();
        let _ = send(&mut tracker, &there(TO_B, chunk(ABORT, 0, b"")), &looking(), 0);
        tracker
    };
    let mut renewed = over();
    let steps = [
        there(0, offering(INIT, 7)),
        back(7, offering(INIT_ACK, 8)),
        there(8, chunk(COOKIE_ECHO, 0, b"cookie")),
    ];
    for frame in steps {
        let _ = send(&mut renewed, &frame, &committing(), 0);
    }
    assert_eq!(state_of(&mut renewed, &there(8, data()), &looking(), 0), "est|trk");
    let (old, new) = (over().export(0, &[], usize::MAX, 0), renewed.export(0, &[], usize::MAX, 0));
    for moves in [[&old, &new], [&new, &old]] {
        let mut other = tracker();
        for records in moves {
            other.import(0, records, SECOND, 0);
        }
        let said = [8, TO_B].map(|tag| state_of(&mut other, &there(tag, data()), &looking(), 0));
        assert_eq!(said, ["est|trk", "inv|trk"]);
    }
}

proptest! {
    #[test]
    fn whatever_comes_a_tag_that_was_never_offered_gets_nowhere(
        steps in prop::collection::vec((any::<bool>(), 0..16_u8, 0..3_usize, 0..3_usize, 0..2_u8), 0..30)
    ) {
        let tags = [TO_A, TO_B, 0];
        let mut tracker = opened();
        for (to_b, kind, tag, offered, flags) in steps {
            let kind = kind % 15;
            let chunks = match kind {
                INIT | INIT_ACK => offering(kind, [TO_A, TO_B, 5][offered]),
                _ => chunk(kind, flags, &[0; 12]),
            };
            let frame = if to_b { there(tags[tag], chunks) } else { back(tags[tag], chunks) };
            let _ = send(&mut tracker, &frame, &looking(), 0);
            // Where a new one has been asked for after the end of the old one, nothing is known.
            let said = state_of(&mut tracker, &there(0x1234, data()), &looking(), 0);
            prop_assert!(["inv|trk", "new|trk"].contains(&said.as_str()), "{said}");
        }
    }
}
