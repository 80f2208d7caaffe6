//! What `ct_state` says of packets, protocol by protocol.

mod common;

use common::*;
use tulle_conntrack::{Masked, Request};

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";

#[test]
fn a_datagram_is_new_until_it_is_answered() {
    let mut tracker = tracker();
    let (there, back) = (udp(A, 1000, B, 53), udp(B, 53, A, 1000));
    assert_eq!(state_of(&mut tracker, &there, &looking(), 0), "new|trk");
    assert_eq!(tracker.len(), 0, "not committed, not kept");
    assert_eq!(state_of(&mut tracker, &there, &committing(), 0), "new|trk");
    assert_eq!(state_of(&mut tracker, &there, &looking(), 0), "new|trk");
    assert_eq!(state_of(&mut tracker, &back, &looking(), 0), "est|rpl|trk");
    assert_eq!(state_of(&mut tracker, &there, &looking(), 0), "est|trk");
    assert_eq!(tracker.len(), 1);
}

#[test]
fn an_answer_to_nothing_is_new() {
    let mut tracker = tracker();
    assert_eq!(state_of(&mut tracker, &udp(B, 53, A, 1000), &looking(), 0), "new|trk");
}

#[test]
fn an_echo_reply_belongs_to_its_request_and_opens_nothing() {
    for (a, b) in [(A, B), ("fd00::1", "fd00::2")] {
        let mut tracker = tracker();
        assert_eq!(state_of(&mut tracker, &echo(b, a, false, 7), &committing(), 0), "inv|trk");
        assert_eq!(state_of(&mut tracker, &echo(a, b, true, 7), &committing(), 0), "new|trk");
        assert_eq!(state_of(&mut tracker, &echo(b, a, false, 8), &looking(), 0), "inv|trk");
        assert_eq!(state_of(&mut tracker, &echo(b, a, true, 7), &looking(), 0), "new|trk", "its own request");
        assert_eq!(state_of(&mut tracker, &echo(b, a, false, 7), &looking(), 0), "est|rpl|trk");
    }
}

#[test]
fn a_connection_is_opened_used_and_closed() {
    let mut tracker = tracker();
    let (c, s) = (1000, 5000);
    let there = |flags, seq, ack| tcp(A, 4000, B, 80, flags, seq, ack);
    let back = |flags, seq, ack| tcp(B, 80, A, 4000, flags, seq, ack);
    let mut state = |frame: Frame, request: &Request| state_of(&mut tracker, &frame, request, 0);
    assert_eq!(state(there(SYN, c, 0), &committing()), "new|trk");
    assert_eq!(state(there(SYN, c, 0), &looking()), "new|trk", "sent again");
    assert_eq!(state(back(SYN | ACK, s, c + 1), &looking()), "est|rpl|trk");
    assert_eq!(state(there(ACK, c + 1, s + 1), &looking()), "est|trk");
    assert_eq!(state(there(ACK, c + 1, s + 1).with_payload(&[1; 100]), &looking()), "est|trk");
    assert_eq!(state(back(ACK, s + 1, c + 101), &looking()), "est|rpl|trk");
    assert_eq!(state(back(ACK, s + 1, c + 102), &looking()), "inv|trk", "never sent");
    assert_eq!(state(there(ACK, c + 5000, s + 1), &looking()), "inv|trk", "beyond the window");
    assert_eq!(state(there(FIN | ACK, c + 101, s + 1), &looking()), "est|trk");
    assert_eq!(state(back(FIN | ACK, s + 1, c + 102), &looking()), "est|rpl|trk");
    assert_eq!(state(there(ACK, c + 102, s + 2), &looking()), "est|trk");
    assert_eq!(state(there(SYN, c + 90_000, 0), &looking()), "new|trk", "the same ports again");
}

#[test]
fn zones_know_nothing_of_each_other() {
    let mut tracker = tracker();
    let zone = |zone| Request { zone, commit: true, ..Request::default() };
    state_of(&mut tracker, &udp(A, 1, B, 2), &zone(5), 0);
    assert_eq!(state_of(&mut tracker, &udp(B, 2, A, 1), &zone(6), 0), "new|trk");
    assert_eq!(state_of(&mut tracker, &udp(B, 2, A, 1), &zone(5), 0), "est|rpl|trk");
    assert_eq!(tracker.len(), 2);
}

#[test]
fn marks_and_labels_stay_with_the_connection() {
    let mut tracker = tracker();
    let marked = Request {
        commit: true,
        mark: Masked { value: 0xff, mask: 0x0f },
        label: Masked { value: 7 << 100, mask: u128::MAX },
        ..Request::default()
    };
    let (outcome, _) = send(&mut tracker, &udp(A, 1, B, 2), &marked, 0);
    assert_eq!(outcome.map(|o| (o.mark, o.label)), Ok((0x0f, 7 << 100)));
    let more = Request { mark: Masked { value: 0x50, mask: 0xf0 }, ..Request::default() };
    let (outcome, _) = send(&mut tracker, &udp(B, 2, A, 1), &more, 0);
    assert_eq!(outcome.map(|o| (o.mark, o.label)), Ok((0x5f, 7 << 100)));
}

#[test]
fn force_turns_a_connection_around() {
    let mut tracker = tracker();
    state_of(&mut tracker, &udp(A, 1, B, 2), &committing(), 0);
    let force = Request { force: true, ..committing() };
    assert_eq!(state_of(&mut tracker, &udp(B, 2, A, 1), &force, 0), "new|trk");
    assert_eq!(state_of(&mut tracker, &udp(A, 1, B, 2), &looking(), 0), "est|rpl|trk");
    assert_eq!(tracker.len(), 1);
}

#[test]
fn what_is_damaged_is_invalid() {
    let frames = [
        udp(A, 1, B, 2),
        tcp(A, 1, B, 2, SYN, 1, 0),
        echo(A, B, true, 1),
        udp("fd00::1", 1, "fd00::2", 2),
        tcp("fd00::1", 1, "fd00::2", 2, SYN, 1, 0),
        echo("fd00::1", "fd00::2", true, 1),
    ];
    for frame in frames {
        let mut bytes = frame.bytes();
        *bytes.last_mut().expect("bytes") ^= 1;
        let (outcome, _) = send_bytes(&mut tracker(), &bytes, &committing(), 0);
        assert_eq!(outcome.map(|o| words(o.state)), Ok("inv|trk".to_string()), "{frame:?}");
    }
    let mut bytes = udp(A, 1, B, 2).bytes();
    bytes[ETHERNET + 8] ^= 1;
    let (outcome, _) = send_bytes(&mut tracker(), &bytes, &committing(), 0);
    assert_eq!(outcome.map(|o| words(o.state)), Ok("inv|trk".to_string()), "IPv4 header checksum");
}

#[test]
fn a_silent_connection_is_forgotten() {
    let mut tracker = tracker();
    state_of(&mut tracker, &udp(A, 1, B, 2), &committing(), 0);
    assert_eq!(state_of(&mut tracker, &udp(B, 2, A, 1), &looking(), 29 * SECOND), "est|rpl|trk");
    assert_eq!(state_of(&mut tracker, &udp(B, 2, A, 1), &looking(), 148 * SECOND), "est|rpl|trk");
    assert_eq!(tracker.expire(267 * SECOND, usize::MAX), 0);
    assert_eq!(tracker.expire(270 * SECOND, usize::MAX), 1);
    assert_eq!(tracker.len(), 0);
}
