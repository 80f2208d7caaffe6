//! Connections that go on at another tracker: nothing of what is said of their packets changes.

mod common;

use common::*;
use proptest::prelude::*;
use tulle_conntrack::{Alg, Conntrack, Imported, LONGEST_RECORD, Masked, Nat, NatRange, Record, Request};
use tulle_wire::FrameBuf;

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const EVERYTHING: usize = usize::MAX;

/// Another tracker with what a zone of this one has, which has been text in between.
fn moved(tracker: &Conntrack, zones: std::ops::Range<u16>, now_ns: u64) -> Conntrack {
    let mut other = self::tracker();
    for zone in zones {
        let lines: Vec<String> =
            tracker.export(zone, &[], EVERYTHING, now_ns).iter().map(Record::to_string).collect();
        let records: Vec<Record> = lines.iter().map(|line| line.parse().expect(line)).collect();
        let again: Vec<String> = records.iter().map(Record::to_string).collect();
        assert_eq!(lines, again);
        let done = other.import(zone, &records, 0, now_ns);
        assert_eq!(done, Imported { added: records.len(), ..Imported::default() });
    }
    other
}

fn established() -> Conntrack {
    let mut tracker = tracker();
    let hello = tcp(A, 4000, B, 80, SYN, 1000, 0).with_scale(7);
    let welcome = tcp(B, 80, A, 4000, SYN | ACK, 5000, 1001).with_scale(7);
    assert_eq!(state_of(&mut tracker, &hello, &committing(), 0), "new|trk");
    assert_eq!(state_of(&mut tracker, &welcome, &looking(), 0), "est|rpl|trk");
    assert_eq!(state_of(&mut tracker, &tcp(A, 4000, B, 80, ACK, 1001, 5001), &looking(), 0), "est|trk");
    tracker
}

#[test]
fn a_moved_connection_keeps_windows_and_timeouts_to_the_bit() {
    let tracker = established();
    let mut other = moved(&tracker, 0..1, 7 * SECOND);
    let entries = |tracker: &Conntrack| tracker.entries(7 * SECOND).collect::<Vec<_>>();
    assert_eq!(entries(&tracker), entries(&other));
    let within = tcp(B, 80, A, 4000, ACK, 5001, 1001).with_payload(&[1; 1000]);
    assert_eq!(state_of(&mut other, &within, &looking(), 8 * SECOND), "est|rpl|trk");
    let beyond = tcp(B, 80, A, 4000, ACK, 5001 + 200_000, 1001);
    assert_eq!(state_of(&mut other, &beyond, &looking(), 8 * SECOND), "inv|trk");
}

#[test]
fn a_lenient_tracker_follows_what_another_has_seen_for_a_time_only() {
    let records = established().export(0, &[], EVERYTHING, 0);
    let mut other = tracker();
    other.import(0, &records, SECOND, 0);
    let ahead = |by: u32| tcp(B, 80, A, 4000, ACK, 5001 + by, 1001).with_payload(&[1; 1000]);
    assert_eq!(state_of(&mut other, &ahead(9_000_000), &looking(), SECOND / 2), "est|rpl|trk");
    let acked = tcp(A, 4000, B, 80, ACK, 1001, 5001 + 9_001_000);
    assert_eq!(state_of(&mut other, &acked, &looking(), SECOND / 2), "est|trk");
    let reset = tcp(B, 80, A, 4000, RST, 77, 0);
    assert_eq!(state_of(&mut other, &reset, &looking(), SECOND / 2), "inv|trk", "a reset must be exact");
    assert_eq!(state_of(&mut other, &ahead(99_000_000), &looking(), 2 * SECOND), "inv|trk");
    assert_eq!(state_of(&mut other, &ahead(9_001_000), &looking(), 2 * SECOND), "est|rpl|trk");
}

/// What a peer's stack answers to a segment that it cannot use (RFC 9293 section 3.10.7.4): what it has sent and
/// what it expects.
fn challenge(sent: u32, expected: u32) -> Frame {
    tcp(A, 4000, B, 80, ACK, sent, expected)
}

#[test]
fn spoofed_segments_move_no_window_while_a_tracker_is_lenient() {
    let records = established().export(0, &[], EVERYTHING, 0);
    let mut other = tracker();
    other.import(0, &records, 5 * SECOND, 0);
    // He knows addresses and ports, and tries every number, in the name of the server.
    for guess in 0..64_u32 {
        for acknowledged in 0..64_u32 {
            let (seq, ack) = (guess << 26 | 0x0155_5555, acknowledged << 26 | 0x0155_5555);
            let spoofed = tcp(B, 80, A, 4000, ACK, seq, ack).with_payload(b"x");
            state_of(&mut other, &spoofed, &looking(), SECOND);
            if acknowledged % 16 == 0 {
                assert_eq!(state_of(&mut other, &challenge(1001, 5001), &looking(), SECOND), "est|trk");
            }
        }
    }
    let data = tcp(B, 80, A, 4000, ACK, 5001, 1001).with_payload(&[1; 1000]);
    assert_eq!(state_of(&mut other, &data, &looking(), SECOND), "est|rpl|trk");
    let beyond = tcp(B, 80, A, 4000, ACK, 5001 + 9_000_000, 1001);
    assert_eq!(state_of(&mut other, &beyond, &looking(), 6 * SECOND), "inv|trk");
    assert_eq!(state_of(&mut other, &challenge(1001, 6001), &looking(), 6 * SECOND), "est|trk");
}

#[test]
fn spoofed_segments_keep_no_true_one_from_catching_up() {
    let records = established().export(0, &[], EVERYTHING, 0);
    let mut other = tracker();
    other.import(0, &records, 5 * SECOND, 0);
    let spoofed = tcp(B, 80, A, 4000, ACK, 5001 + 50_000_000, 1001 + 70_000_000);
    let sent = tcp(A, 4000, B, 80, ACK, 1001 + 9_000_000, 5001).with_payload(&[1; 1000]);
    let acked = tcp(B, 80, A, 4000, ACK, 5001, 1001 + 9_001_000);
    for frame in [&spoofed, &sent, &spoofed, &acked] {
        assert!(state_of(&mut other, frame, &looking(), SECOND).contains("est"));
    }
    for (frame, expected) in [(&sent, "est|trk"), (&acked, "est|rpl|trk"), (&spoofed, "inv|trk")] {
        assert_eq!(state_of(&mut other, frame, &looking(), 6 * SECOND), expected);
    }
}

#[test]
fn a_claim_of_one_direction_is_borne_out_by_the_other_alone() {
    let records = established().export(0, &[], EVERYTHING, 0);
    let mut other = tracker();
    other.import(0, &records, SECOND, 0);
    let ahead = |by: u32| tcp(B, 80, A, 4000, ACK, 5001 + by, 1001).with_payload(&[1; 1000]);
    for by in [9_000_000, 9_001_000, 9_002_000] {
        assert_eq!(state_of(&mut other, &ahead(by), &looking(), 0), "est|rpl|trk", "it passes");
    }
    assert_eq!(state_of(&mut other, &ahead(300_000_000), &looking(), 0), "inv|trk", "too far");
    assert_eq!(
        state_of(&mut other, &ahead(9_003_000), &looking(), 2 * SECOND),
        "inv|trk",
        "nothing has moved"
    );
}

#[test]
fn what_is_exported_again_is_put_together_with_what_is_there() {
    let mut old = established();
    let mut new = tracker();
    new.import(0, &old.export(0, &[], EVERYTHING, 0), 0, 0);
    let data = tcp(A, 4000, B, 80, ACK, 1001, 5001).with_payload(&[1; 500]);
    assert_eq!(state_of(&mut old, &data, &looking(), 0), "est|trk");
    let acked = tcp(B, 80, A, 4000, ACK, 5001, 1501);
    assert_eq!(state_of(&mut new, &acked, &looking(), 0), "inv|trk", "acknowledges what was not seen");
    let done = new.import(0, &old.export(0, &[], EVERYTHING, 0), 0, 0);
    assert_eq!(done, Imported { updated: 1, ..Imported::default() });
    assert_eq!(state_of(&mut new, &acked, &looking(), 0), "est|rpl|trk");
    assert_eq!(new.len(), 1);
}

#[test]
fn a_connection_whose_tuple_another_one_has_is_refused_and_so_is_one_without_room() {
    let records = established().export(0, &[], EVERYTHING, 0);
    let mut other = tracker();
    let nat = with_nat(Nat::Source(NatRange::to(ip(A))));
    pass(&mut other, &tcp("10.0.0.9", 4000, B, 80, SYN, 1, 0), &nat, 0);
    let refused = Imported { refused: 1, ..Imported::default() };
    assert_eq!(other.import(0, &records, 0, 0), refused);
    other.set_zone_limit(3, Some(0));
    assert_eq!(other.import(3, &records, 0, 0), refused);
    assert_eq!(other.len(), 1);
}

#[test]
fn a_port_s_connections_are_those_with_its_address() {
    let mut tracker = established();
    pass(&mut tracker, &udp("10.0.0.7", 1, "10.0.0.8", 2), &committing(), 0);
    assert_eq!(tracker.export(0, &[ip("10.0.0.8")], EVERYTHING, 0).len(), 1);
    assert_eq!(tracker.export(0, &[ip("10.0.0.9")], EVERYTHING, 0).len(), 0);
    assert_eq!(tracker.export(0, &[ip(A), ip("10.0.0.7")], EVERYTHING, 0).len(), 2);
    let most = tracker.export(0, &[], 1, 0);
    assert!(most[0].to_string().starts_with("orig=6/"), "those in use first: {}", most[0]);
    assert!(tracker.export(0, &[], EVERYTHING, 1_000_000 * SECOND).is_empty(), "none that has expired");
}

#[test]
fn lines_that_no_tracker_writes_are_refused() {
    let good = established().export(0, &[], 1, 0)[0].to_string();
    assert!(good.parse::<Record>().is_ok());
    let bad = [
        String::new(),
        good.replace("orig=6", "orig=17"),
        good.replace(A, "10.0.0.256"),
        good.replacen(A, "fd00::1", 1),
        good.replace("tcp=", "tcq="),
        format!("{good} ns=5"),
        format!("{good} alg=sip"),
        format!("{good} "),
        good.replace("flags=1", "flags=4"),
        good.replace("flags=1", "flags=+1"),
        good.replace(",7,1,", ",15,1,"),
        good.replace(",7,1,2", ",7,1,6"),
        good.replace(" tcp=", " mark=123456789 tcp="),
        good.split(" tcp=").next().expect("a part").to_string(),
        format!("{good} label={}", "0".repeat(LONGEST_RECORD)),
    ];
    for line in bad {
        assert!(line != good && line.parse::<Record>().is_err(), "{line}");
    }
}

fn frame() -> impl Strategy<Value = Frame> {
    let flags = prop_oneof![2 => Just(SYN), 2 => Just(SYN | ACK), 4 => Just(ACK), 1 => Just(FIN | ACK), 1 => Just(RST)];
    let number = || prop_oneof![Just(1000_u32), 1000..3000_u32, Just(u32::MAX)];
    let scale = prop_oneof![Just(None), Just(Some(3_u8))];
    let segment = (flags, number(), number(), scale, 0..900_usize, 4000..4002_u16).prop_map(
        |(flags, seq, ack, scale, len, port)| {
            let scale = scale.filter(|_| flags & SYN != 0);
            let payload = vec![1; if flags == ACK { len } else { 0 }];
            Body::Tcp { ports: (port, 80), seq, ack, flags, window: 1000, scale, payload }
        },
    );
    let body = prop_oneof![
        6 => segment,
        2 => (1000..1003_u16).prop_map(|port| Body::Udp { ports: (port, 53), payload: vec![2] }),
        1 => (any::<bool>(), 1..3_u16).prop_map(|(request, id)| Body::Echo { request, id }),
        4 => (0..15_u8, 0..3_u32, 1..3_u32).prop_map(|(kind, tag, offered)| {
            let chunks = [&[kind, 0, 0, 8][..], &offered.to_be_bytes()].concat();
            Body::Sctp { ports: (4000, 80), tag, chunks }
        }),
    ];
    (body, any::<bool>(), any::<bool>()).prop_map(|(body, v6, back)| {
        let (a, b) = if v6 { ("fd00::1", "fd00::2") } else { (A, B) };
        if back { answering(a, b, body) } else { Frame { source: ip(a), destination: ip(b), body } }
    })
}

fn answering(a: &str, b: &str, mut body: Body) -> Frame {
    if let Body::Tcp { ports, .. } | Body::Udp { ports, .. } | Body::Sctp { ports, .. } = &mut body {
        *ports = (ports.1, ports.0);
    }
    Frame { source: ip(b), destination: ip(a), body }
}

fn request() -> impl Strategy<Value = Request> {
    let nat = prop_oneof![
        3 => Just(Nat::None),
        2 => Just(Nat::Existing),
        1 => Just(Nat::Source(NatRange::to(ip("198.51.100.1")))),
        1 => Just(Nat::Destination(NatRange::to(ip("198.51.100.2")))),
    ];
    let alg = prop_oneof![4 => Just(None), 1 => Just(Some(Alg::Ftp))];
    (0..2_u16, prop::bool::weighted(0.7), nat, alg, any::<u32>()).prop_map(
        |(zone, commit, nat, alg, value)| {
            let label = Masked { value: u128::from(value) << 80, mask: u128::MAX << 64 };
            Request {
                zone,
                commit,
                nat,
                alg,
                mark: Masked { value, mask: 0xff },
                label,
                ..Request::default()
            }
        },
    )
}

fn verdict(tracker: &mut Conntrack, frame: &Frame, request: &Request, now_ns: u64) -> String {
    let bytes = frame.bytes();
    let mut buffer = FrameBuf::copied(&bytes);
    let outcome = tracker.track(&mut buffer, &untracked(&bytes), request, now_ns);
    format!("{outcome:?} {:?}", buffer.bytes())
}

proptest! {
    #[test]
    fn export_and_import_change_no_verdict(
        before in prop::collection::vec((frame(), request(), 0..40_u64), 0..40),
        after in prop::collection::vec((frame(), request(), 0..40_u64), 1..40),
    ) {
        let (mut now, mut tracker) = (0, self::tracker());
        for (frame, request, wait) in &before {
            now += wait * SECOND;
            verdict(&mut tracker, frame, request, now);
        }
        let mut other = moved(&tracker, 0..2, now);
        for (frame, request, wait) in &after {
            now += wait * SECOND;
            let (mine, theirs) =
                (verdict(&mut tracker, frame, request, now), verdict(&mut other, frame, request, now));
            prop_assert_eq!(mine, theirs);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}", at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let _ = text.parse::<Record>();
        let mut line = established().export(0, &[], 1, 0)[0].to_string().into_bytes();
        let at = at.index(line.len());
        line[at] = byte;
        let Ok(text) = String::from_utf8(line) else { return Ok(()) };
        if let Ok(record) = text.parse::<Record>() {
            let mut other = tracker();
            other.import(0, &[record], SECOND, 0);
            for frame in [tcp(A, 4000, B, 80, ACK, 1001, 5001), tcp(B, 80, A, 4000, ACK, 5001, 1001)] {
                let _ = send(&mut other, &frame, &committing(), 0);
            }
        }
    }
}
