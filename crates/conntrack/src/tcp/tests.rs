//! Segment by segment: what fits a connection and what does not.

use proptest::prelude::*;

use super::*;
use Direction::{Original, Reply};

const PSH: u8 = 0x08;
/// First numbers near the end of the space, so that everything here wraps.
const C: u32 = 0xffff_fff0;
const S: u32 = 0x7fff_fff8;

fn segment(flags: u8, sequence: u32, acknowledgment: u32, payload_len: u32) -> Segment {
    Segment { sequence, acknowledgment, window: 1000, flags, payload_len, scale: None }
}

/// Numbers count from each side's SYN.
fn there(flags: u8, sequence: u32, acknowledgment: u32, len: u32) -> Segment {
    segment(flags, C.wrapping_add(sequence), S.wrapping_add(acknowledgment), len)
}

fn back(flags: u8, sequence: u32, acknowledgment: u32, len: u32) -> Segment {
    segment(flags, S.wrapping_add(sequence), C.wrapping_add(acknowledgment), len)
}

fn opened() -> Tcp {
    let mut tcp = Tcp::open(&there(SYN, 0, 0, 0));
    assert_eq!(tcp.timeout(), Timeout::TcpSynSent);
    assert_eq!(tcp.update(Reply, &back(SYN | ACK, 0, 1, 0)), Fit::Valid);
    assert_eq!(tcp.timeout(), Timeout::TcpSynReceived);
    assert_eq!(tcp.update(Original, &there(ACK, 1, 1, 0)), Fit::Valid);
    assert_eq!((tcp.timeout(), tcp.is_open()), (Timeout::TcpEstablished, true));
    tcp
}

#[test]
fn both_sides_close_in_either_order() {
    let mut tcp = opened();
    assert_eq!(tcp.update(Reply, &back(FIN | ACK, 1, 1, 0)), Fit::Valid);
    assert_eq!(tcp.timeout(), Timeout::TcpFinWait);
    assert_eq!(tcp.update(Original, &there(ACK, 1, 2, 500)), Fit::Valid, "half closed, data flows on");
    assert_eq!((tcp.timeout(), tcp.is_open()), (Timeout::TcpFinWait, true));
    assert_eq!(tcp.update(Original, &there(FIN | ACK, 501, 2, 0)), Fit::Valid);
    assert_eq!(tcp.timeout(), Timeout::TcpLastAck);
    assert_eq!(tcp.update(Reply, &back(ACK, 2, 502, 0)), Fit::Valid);
    assert_eq!((tcp.timeout(), tcp.is_open()), (Timeout::TcpTimeWait, false));
    assert_eq!(tcp.update(Original, &there(SYN, 99_999, 0, 0)), Fit::Reopens);
}

#[test]
fn a_fin_is_over_only_when_it_is_acknowledged() {
    let mut tcp = opened();
    tcp.update(Original, &there(FIN | ACK, 1, 1, 100));
    tcp.update(Reply, &back(FIN | ACK, 1, 50, 0));
    tcp.update(Original, &there(ACK, 102, 2, 0));
    assert_eq!(tcp.both(), [State::Closing, State::Closed]);
    tcp.update(Reply, &back(ACK, 2, 102, 0));
    assert_eq!(tcp.both(), [State::Closed, State::Closed]);
}

#[test]
fn what_the_other_side_has_not_allowed_or_not_sent_does_not_fit() {
    for (direction, wrong, why) in [
        (Original, there(ACK, 1002, 1, 0), "begins beyond the window"),
        (Original, there(ACK, 500, 1, 600), "ends beyond the window"),
        (Original, there(ACK, 1, 2, 0), "acknowledges what was not sent"),
        (Reply, back(ACK, 1, 2, 0), "the same the other way"),
        (Original, there(ACK, 0u32.wrapping_sub(1001), 1, 0), "more than a window old"),
        (Original, there(0, 1, 1, 0), "no flags"),
        (Original, there(SYN | FIN, 1, 1, 0), "SYN and FIN"),
        (Original, there(FIN, 1, 1, 0), "FIN without ACK"),
        (Original, there(PSH | RST, 1, 1, 0), "PSH without ACK"),
    ] {
        assert_eq!(opened().update(direction, &wrong), Fit::Invalid, "{why}");
    }
    for (right, why) in [
        (there(ACK, 1, 1, 1000), "fills the window"),
        (there(ACK, 1001, 1, 1), "probes a closed window"),
        (there(ACK, 0, 1, 0), "keeps alive"),
    ] {
        assert_eq!(opened().update(Original, &right), Fit::Valid, "{why}");
    }
}

#[test]
fn a_reset_must_hit_the_exact_number() {
    for sequence in [500, 900, 2, 0x8000_0000] {
        assert_eq!(opened().update(Original, &there(RST, sequence + 2, 0, 0)), Fit::Invalid);
    }
    let mut tcp = opened();
    tcp.update(Original, &there(ACK, 1, 1, 500));
    let mut other = tcp;
    assert_eq!(tcp.update(Original, &there(RST, 501, 0, 0)), Fit::Valid, "the next number");
    assert_eq!(other.update(Original, &there(RST, 1, 0, 0)), Fit::Valid, "what is acknowledged");
    assert_eq!((tcp.timeout(), tcp.is_open()), (Timeout::TcpClose, false));
    assert_eq!(tcp.update(Reply, &back(SYN, 7, 0, 0)), Fit::Reopens, "from either side");
}

#[test]
fn a_refused_connection_is_over_and_a_forged_refusal_is_not() {
    let mut tcp = Tcp::open(&there(SYN, 0, 0, 0));
    assert_eq!(tcp.update(Reply, &back(RST | ACK, 0, 5, 0)), Fit::Invalid);
    assert_eq!(tcp.update(Reply, &back(SYN | ACK, 0, 2, 0)), Fit::Invalid, "a forged answer");
    assert_eq!(tcp.update(Reply, &back(RST | ACK, 0, 1, 0)), Fit::Valid);
    assert_eq!(tcp.update(Reply, &back(RST | ACK, 0, 1, 0)), Fit::Valid, "a second action");
    assert_eq!(tcp.timeout(), Timeout::TcpClose);
}

#[test]
fn windows_are_scaled_only_if_both_sides_offer_it() {
    for (server, expected) in [(Some(7), Fit::Valid), (None, Fit::Invalid)] {
        let mut tcp = Tcp::open(&Segment { scale: Some(2), ..there(SYN, 0, 0, 0) });
        tcp.update(Reply, &Segment { scale: server, ..back(SYN | ACK, 0, 1, 0) });
        tcp.update(Original, &there(ACK, 1, 1, 0));
        assert_eq!(
            tcp.update(Original, &there(ACK, 900, 1, 1000)),
            Fit::Invalid,
            "a SYN's window is not scaled"
        );
        assert_eq!(tcp.update(Reply, &back(ACK, 1, 1, 0)), Fit::Valid);
        assert_eq!(tcp.update(Original, &there(ACK, 1, 1, 128_000)), expected);
        assert_eq!(tcp.update(Original, &there(ACK, 1, 1, 128_001)), Fit::Invalid);
    }
}

#[test]
fn a_connection_is_picked_up_in_the_middle() {
    let mut tcp = Tcp::open(&there(ACK, 5000, 9000, 100));
    assert_eq!(tcp.timeout(), Timeout::TcpSynSent);
    assert_eq!(tcp.update(Original, &there(ACK, 5100, 9000, 100)), Fit::Valid);
    assert_eq!(tcp.update(Reply, &back(ACK, 9000, 5100, 50_000)), Fit::Valid);
    assert_eq!(tcp.update(Original, &there(ACK, 5200, 59_000, 0)), Fit::Valid);
    assert_eq!(tcp.timeout(), Timeout::TcpEstablished);
    assert_eq!(tcp.update(Reply, &back(ACK, 59_000, 5201, 0)), Fit::Invalid, "never sent");
    assert_eq!(tcp.update(Reply, &back(RST, 60_000, 0, 0)), Fit::Invalid);
    assert_eq!(tcp.update(Reply, &back(RST, 59_000, 0, 0)), Fit::Valid);
}

#[test]
fn a_client_that_restarted_gets_through_the_challenge() {
    let mut tcp = opened();
    let syn = there(SYN, 0x4000_0000, 0, 0);
    assert_eq!(tcp.update(Original, &syn), Fit::Valid, "the server is to challenge it");
    assert_eq!(tcp.update(Reply, &back(ACK, 1, 1, 0)), Fit::Valid);
    assert_eq!(tcp.update(Original, &there(RST, 1, 0, 0)), Fit::Valid);
    assert_eq!(tcp.update(Original, &syn), Fit::Reopens);
    // The tracker had forgotten, the server has not.
    let mut tcp = Tcp::open(&there(SYN, 0, 0, 0));
    assert_eq!(tcp.update(Reply, &back(ACK, 77, 0x2000_0000, 0)), Fit::Valid);
    assert_eq!(tcp.update(Original, &there(RST, 0x2000_0000, 0, 0)), Fit::Valid);
    assert_eq!(tcp.update(Original, &there(SYN, 0, 0, 0)), Fit::Reopens);
}

#[test]
fn both_sides_may_call_at_once() {
    let mut tcp = Tcp::open(&there(SYN, 0, 0, 0));
    assert_eq!(tcp.update(Reply, &back(SYN, 0, 0, 0)), Fit::Valid);
    assert_eq!(tcp.update(Original, &there(SYN | ACK, 0, 1, 0)), Fit::Valid);
    assert_eq!(tcp.update(Reply, &back(SYN | ACK, 0, 1, 0)), Fit::Valid);
    assert!(tcp.is_open());
}

#[test]
fn the_first_segment_is_a_syn_or_from_the_middle() {
    let may = |flags| segment(flags, 1, 1, 0).may_open();
    assert_eq!([SYN, ACK, ACK | FIN].map(may), [true; 3]);
    assert_eq!([SYN | ACK, RST, RST | ACK, 0, FIN, SYN | FIN].map(may), [false; 6]);
}

#[test]
fn options_are_read_whatever_they_are() {
    let mut bytes = vec![0; 40];
    (bytes[12], bytes[13]) = (10 << 4, SYN);
    for (options, expected) in [
        (&[3, 3, 7][..], Some(7)),
        (&[1, 1, 2, 4, 5, 6, 3, 3, 9], Some(9)),
        (&[0, 3, 3, 7], None),
        (&[2, 0, 3, 3, 7], Some(7)),
        (&[8, 200, 3, 3, 7], None),
    ] {
        bytes[20..].fill(0);
        bytes[20..20 + options.len()].copy_from_slice(options);
        assert_eq!(Segment::parse(&bytes).and_then(|it| it.scale), expected, "{options:?}");
    }
}

/// An honest sender: what it has sent, and what it may send.
#[derive(Clone, Copy)]
struct Honest {
    sent: u32,
    received: u32,
    allowed: u32,
}

proptest! {
    /// Two honest ends whose segments are lost on the far side, sent again and come late never see one
    /// of them refused.
    #[test]
    fn honest_ends_are_never_refused(
        steps in prop::collection::vec((any::<bool>(), 0..1500_u32, 0..4_u8, 1..1000_u16), 1..200),
        scale in 0..8_u8,
    ) {
        let syn = Segment { scale: Some(scale), ..there(SYN, 0, 0, 0) };
        let mut tcp = Tcp::open(&syn);
        let answer = Segment { scale: Some(scale), ..back(SYN | ACK, 0, 1, 0) };
        prop_assert_eq!(tcp.update(Reply, &answer), Fit::Valid);
        prop_assert_eq!(tcp.update(Original, &there(ACK, 1, 1, 0)), Fit::Valid);
        let mut ends = [Honest { sent: 1, received: 1, allowed: 1001 }; 2];
        for (from_client, len, what, window) in steps {
            let (from, to) = if from_client { (0, 1) } else { (1, 0) };
            let make = if from_client { there } else { back };
            let direction = if from_client { Original } else { Reply };
            let room = ends[from].allowed.saturating_sub(ends[from].sent);
            let (sequence, len) = match what {
                // New data; an acknowledgment alone; some of the last data once more.
                0 | 1 => (ends[from].sent, len.min(room)),
                2 => (ends[from].sent, 0),
                _ => {
                    let start = ends[from].sent.saturating_sub(len.min(900)).max(ends[to].received);
                    (start, ends[from].sent.saturating_sub(start))
                }
            };
            let got = Segment { window, ..make(ACK, sequence, ends[from].received, len) };
            prop_assert_eq!(tcp.update(direction, &got), Fit::Valid, "{:?}", got);
            ends[from].sent = ends[from].sent.max(sequence + len);
            // A receiver never takes back what it has allowed (RFC 9293 section 3.8.6.2.2).
            ends[to].allowed = ends[to].allowed.max(ends[from].received + (u32::from(window) << scale));
            if what != 1 {
                ends[to].received = ends[to].received.max(ends[from].sent);
            }
        }
    }

    #[test]
    fn arbitrary_segments_never_panic(
        segments in prop::collection::vec((any::<bool>(), any::<[u8; 24]>()), 1..50),
    ) {
        let mut tcp = Tcp::NONE;
        for (original, mut bytes) in segments {
            bytes[12] = bytes[12] & 0x6f | 0x50;
            let Some(segment) = Segment::parse(&bytes) else { continue };
            let direction = if original { Original } else { Reply };
            if tcp.update(direction, &segment) == Fit::Reopens {
                tcp = Tcp::open(&segment);
            }
        }
    }
}
