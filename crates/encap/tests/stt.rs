//! STT: what goes in comes out, and what is wrong has a reason.

mod common;

use common::{ENDS, ENDS_V6, Inner, MTU, cut, pop, push, push_over, wire};
use proptest::prelude::*;
use tulle_encap::stt::{Limits, MOST_INNER, PORT};
use tulle_encap::{DropReason, Encap, Endpoints, Popped, Stt, TunnelOptions};
use tulle_wire::vnet::{GsoKind, Offload};

const NONE: Offload = Offload {
    needs_csum: false,
    data_valid: false,
    csum_start: 0,
    csum_offset: 0,
    gso: GsoKind::None,
    gso_size: 0,
    ecn: false,
    hdr_len: 0,
};
const CE: u8 = 3;

fn send(context: u64, frame: &[u8], offload: &Offload) -> (Vec<u8>, Offload) {
    let mut outers = push(&Stt::default(), PORT, context, frame, offload).expect("pushed");
    assert_eq!(outers.len(), 1, "it travels whole");
    outers.remove(0)
}

fn single(results: Vec<Result<(Popped, Vec<u8>), DropReason>>) -> (Popped, Vec<u8>) {
    let [result] = results.try_into().expect("one result");
    result.expect("no drop")
}

fn reason(results: &[Result<(Popped, Vec<u8>), DropReason>]) -> DropReason {
    let [Err(reason)] = results else { panic!("not one drop: {results:?}") };
    *reason
}

/// Changes an outer frame and makes its TCP checksum right again.
fn tampered(outer: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut frame = outer.to_vec();
    change(&mut frame);
    tulle_wire::checksum::finish_checksum(&mut frame, 34, 16).expect("room");
    frame
}

fn inner() -> impl Strategy<Value = Inner> {
    (any::<bool>(), prop::option::of(0_u16..0xfff), 0_u8..3, 0_usize..9000)
        .prop_map(|(v6, vlan, ecn, payload_len)| Inner { v6, vlan, ecn, payload_len })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_pushed_whole_is_popped_the_same(inner in inner(), context: u64, gso in prop::bool::ANY, mss in 1_u16..3000) {
        let mss = if gso && inner.payload_len > usize::from(mss) { mss } else { 0 };
        let (frame, offload) = inner.undone(mss);
        let (outer, outer_offload) = send(context, &frame, &offload);
        let (popped, got) = single(pop(&mut Stt::default(), &outer, &outer_offload));
        prop_assert_eq!(got, frame);
        prop_assert_eq!(popped.offload, offload);
        prop_assert_eq!(popped.context, context);
    }

    #[test]
    fn segments_in_any_order_make_the_frame(inner in inner(), order in any::<u64>(), size in 100_u16..2000) {
        let frame = inner.frame();
        let (outer, _) = send(1, &frame, &NONE);
        let mut segments = cut(&outer, size);
        shuffle(&mut segments, order);
        let mut encap = Stt::default();
        let results: Vec<_> = segments.iter().flat_map(|segment| pop(&mut encap, segment, &NONE)).collect();
        let (popped, got) = single(results);
        prop_assert_eq!(got, frame);
        prop_assert_eq!(popped.offload, NONE);
    }

    #[test]
    fn a_subset_with_duplicates_of_two_frames_gives_only_what_was_sent(
        lens in (0_usize..5000, 0_usize..5000), picks in prop::collection::vec(any::<prop::sample::Index>(), 0..24)
    ) {
        let frames = [lens.0, lens.1].map(|payload_len| Inner { payload_len, ..Inner::PLAIN }.frame());
        let mut encap = Stt::default();
        let mut segments = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            let (outer, _) = send(1, frame, &NONE);
            let id = [index as u8; 4];
            segments.extend(cut(&tampered(&outer, |outer| outer[42..46].copy_from_slice(&id)), MTU - 40));
        }
        for pick in picks {
            for result in pop(&mut encap, &segments[pick.index(segments.len())], &NONE) {
                match result {
                    Ok((_, got)) => prop_assert!(frames.contains(&got)),
                    Err(reason) => prop_assert_eq!(reason, DropReason::SttOverlap),
                }
            }
        }
    }

    #[test]
    fn arbitrary_bytes_behind_a_good_outer_header_are_never_a_crash(
        bytes in prop::collection::vec(any::<u8>(), 0..200), flags in 0_u8..16, l4: u8, sequence: Option<u32>
    ) {
        let (mut outer, _) = send(1, &Inner::PLAIN.frame(), &NONE);
        outer.truncate(54);
        outer.extend([0, flags, l4]);
        outer.extend(&bytes);
        let total_len = (outer.len() - 14) as u16;
        outer[16..18].copy_from_slice(&total_len.to_be_bytes());
        outer[24..26].fill(0);
        let sum = !tulle_wire::checksum::sum(&outer[14..34]);
        outer[24..26].copy_from_slice(&sum.to_be_bytes());
        let sequence = sequence.unwrap_or(u32::from(total_len - 40) << 16);
        outer[38..42].copy_from_slice(&sequence.to_be_bytes());
        let offload = Offload { data_valid: true, ..NONE };
        prop_assert!(pop(&mut Stt::default(), &outer, &offload).len() <= 1);
    }

    #[test]
    fn arbitrary_frames_and_offloads_are_never_a_crash(
        bytes in prop::collection::vec(any::<u8>(), 0..300), start: u16, offset: u16, size: u16, kind in 0_usize..4
    ) {
        let gso = [GsoKind::None, GsoKind::TcpV4, GsoKind::TcpV6, GsoKind::UdpL4][kind];
        let offload = Offload { needs_csum: true, csum_start: start % 400, csum_offset: offset % 40, gso, gso_size: size, ..NONE };
        let _ = push(&Stt::default(), PORT, 1, &bytes, &offload);
        pop(&mut Stt::default(), &bytes, &offload);
    }
}

fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for i in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(i, (seed >> 33) as usize % (i + 1));
    }
}

#[test]
fn the_longest_inner_frame_passes_and_one_byte_more_does_not() {
    let longest = Inner { payload_len: MOST_INNER - 54, ..Inner::PLAIN }.frame();
    assert_eq!(longest.len(), MOST_INNER);
    let (outer, offload) = send(1, &longest, &NONE);
    assert_eq!(outer.len(), 65535 + 14);
    assert_eq!(single(pop(&mut Stt::default(), &outer, &offload)).1, longest);
    let longer = Inner { payload_len: MOST_INNER - 53, ..Inner::PLAIN }.frame();
    assert_eq!(push(&Stt::default(), PORT, 1, &longer, &NONE), Err(DropReason::SttTooLong));
}

#[test]
fn the_longest_inner_frame_passes_over_ipv6_too_whole_and_in_segments() {
    let longest = Inner { payload_len: MOST_INNER - 54, ..Inner::PLAIN }.frame();
    let options = TunnelOptions::new(MTU, PORT);
    let outers = push_over(&Stt::default(), &ENDS_V6, &options, 1, &longest, &NONE).expect("pushed");
    let [(outer, undone)] = outers.as_slice() else { panic!("{} frames", outers.len()) };
    assert_eq!(outer.len(), 14 + 40 + 20 + 18 + MOST_INNER);
    assert_eq!((undone.gso, undone.gso_size), (GsoKind::TcpV6, MTU - 60));
    assert_eq!(single(pop(&mut Stt::default(), outer, undone)).1, longest);
    let mut encap = Stt::default();
    let segments = wire(outer, undone);
    assert!(segments.iter().all(|segment| segment.len() <= 14 + usize::from(MTU)));
    let results = segments.iter().rev().flat_map(|segment| pop(&mut encap, segment, &NONE)).collect();
    let (popped, got) = single(results);
    assert!(got == longest);
    assert_eq!((popped.source, popped.destination), (ENDS_V6.local, ENDS_V6.remote));
}

#[test]
fn a_tag_with_the_drop_eligible_bit_stays_in_the_frame() {
    for tag in [0x1000, 0x1064, 0xf064, 0xffff] {
        let inner = Inner { vlan: Some(tag), payload_len: 3000, ..Inner::PLAIN };
        for (frame, offload) in [(inner.frame(), NONE), inner.undone(0)] {
            let (outer, undone) = send(1, &frame, &offload);
            assert_eq!(outer[54 + 6..54 + 8], [0, 0], "{tag:#x}");
            let (popped, got) = single(pop(&mut Stt::default(), &outer, &undone));
            assert!(got == inner.frame(), "{tag:#x}");
            assert_eq!(popped.offload, NONE);
        }
        let (frame, offload) = inner.undone(1400);
        let outers = push(&Stt::default(), PORT, 1, &frame, &offload).expect("cut");
        let mut encap = Stt::default();
        let got: Vec<_> =
            outers.iter().map(|(outer, undone)| single(pop(&mut encap, outer, undone)).1).collect();
        assert!(got == cut(&frame, 1400), "{tag:#x}");
    }
}

#[test]
fn every_other_tag_travels_in_the_header() {
    for tag in [0x0000, 0x0001, 0x0fff, 0x6064, 0xe000, 0xefff] {
        let inner = Inner { vlan: Some(tag), payload_len: 3000, ..Inner::PLAIN };
        let (frame, offload) = inner.undone(1400);
        let (outer, undone) = send(1, &frame, &offload);
        assert_eq!(outer[54 + 6..54 + 8], (tag | 0x1000).to_be_bytes(), "{tag:#x}");
        let (popped, got) = single(pop(&mut Stt::default(), &outer, &undone));
        assert!(got == frame, "{tag:#x}");
        assert_eq!(popped.offload, offload);
    }
}

#[test]
fn a_vlan_field_without_its_bit_is_no_tag() {
    let frame = Inner::PLAIN.frame();
    let outer = tampered(&send(1, &frame, &NONE).0, |outer| outer[60..62].copy_from_slice(&[0xe0, 0x64]));
    assert_eq!(single(pop(&mut Stt::default(), &outer, &NONE)).1, frame);
}

#[test]
fn what_a_header_without_a_partial_checksum_says_of_offloads_is_ignored() {
    let frame = Inner::PLAIN.frame();
    for flags in [0x00, 0x0c, 0xf0, 0x01, 0xfd] {
        let outer = tampered(&send(1, &frame, &NONE).0, |outer| {
            outer[55..60].copy_from_slice(&[flags, 99, 0xff, 5, 0xdc]);
        });
        let (popped, got) = single(pop(&mut Stt::default(), &outer, &NONE));
        assert_eq!(got, frame);
        assert_eq!(popped.offload, Offload { data_valid: flags & 1 != 0, ..NONE }, "{flags:#x}");
    }
}

#[test]
fn segments_of_frames_with_one_id_from_two_ends_are_kept_apart() {
    let frames = [1, 2].map(|n| Inner { payload_len: 2000 + n, ..Inner::PLAIN }.frame());
    let options = TunnelOptions::new(MTU, PORT);
    let others = Endpoints { local: [10, 0, 0, 3].into(), ..ENDS };
    let segments = |ends: &Endpoints, frame: &[u8]| {
        let outers = push_over(&Stt::default(), ends, &options, 1, frame, &NONE).expect("pushed");
        wire(&outers[0].0, &outers[0].1)
    };
    let (near, other) = (segments(&ENDS, &frames[0]), segments(&others, &frames[1]));
    let mut encap = Stt::default();
    assert!(pop(&mut encap, &near[0], &NONE).is_empty());
    assert!(pop(&mut encap, &other[0], &NONE).is_empty());
    assert!(single(pop(&mut encap, &near[1], &NONE)).1 == frames[0]);
    let (popped, got) = single(pop(&mut encap, &other[1], &NONE));
    assert!(got == frames[1]);
    assert_eq!(popped.source, others.local);
}

#[test]
fn a_frame_too_long_for_stt_is_cut_if_it_may_be() {
    let (frame, offload) = Inner { payload_len: MOST_INNER - 53, ..Inner::PLAIN }.undone(1400);
    let outers = push(&Stt::default(), PORT, 1, &frame, &offload).expect("cut");
    let expected = cut(&frame, 1400);
    let mut encap = Stt::default();
    let got: Vec<_> =
        outers.iter().map(|(outer, offload)| single(pop(&mut encap, outer, offload)).1).collect();
    assert!(got == expected, "{} frames, expected {}", got.len(), expected.len());
}

#[test]
fn a_last_segment_of_one_byte_completes_its_frame() {
    let frame = Inner { payload_len: 1460 + 1 - 18 - 54, ..Inner::PLAIN }.frame();
    let segments = cut(&send(1, &frame, &NONE).0, 1460);
    assert_eq!(segments.iter().map(Vec::len).collect::<Vec<_>>(), [1514, 55]);
    let mut encap = Stt::default();
    assert!(pop(&mut encap, &segments[1], &NONE).is_empty());
    assert_eq!(single(pop(&mut encap, &segments[0], &NONE)).1, frame);
}

#[test]
fn a_partial_checksum_with_mss_0_is_not_to_be_cut() {
    let (frame, offload) = Inner { payload_len: 4000, ..Inner::PLAIN }.undone(0);
    let (outer, outer_offload) = send(1, &frame, &offload);
    assert_eq!(outer[54 + 4..54 + 6], [0, 0]);
    assert_eq!(single(pop(&mut Stt::default(), &outer, &outer_offload)).0.offload, offload);
}

#[test]
fn a_verified_checksum_stays_verified() {
    let verified = Offload { data_valid: true, ..NONE };
    let (outer, offload) = send(1, &Inner::PLAIN.frame(), &verified);
    assert_eq!(outer[55], 1);
    assert_eq!(single(pop(&mut Stt::default(), &outer, &offload)).0.offload, verified);
}

#[test]
fn a_checksum_that_stt_cannot_describe_is_completed_first() {
    let mut frame = Inner { payload_len: 20, ..Inner::PLAIN }.frame();
    frame[23] = 1; // ICMP; the IPv4 checksum is not looked at
    frame[36..38].fill(0);
    let offload = Offload { needs_csum: true, csum_start: 34, csum_offset: 2, ..NONE };
    let (outer, outer_offload) = send(1, &frame, &offload);
    let (popped, got) = single(pop(&mut Stt::default(), &outer, &outer_offload));
    assert_eq!(popped.offload, NONE);
    assert!(tulle_wire::checksum::verify(0, &got[34..]), "{got:02x?}");
}

#[test]
fn congestion_met_by_any_segment_reaches_the_inner_header() {
    for v6 in [false, true] {
        let frame = Inner { v6, ecn: 2, payload_len: 4000, ..Inner::PLAIN }.frame();
        let mut segments = cut(&send(1, &frame, &NONE).0, 1460);
        mark(&mut segments[1], CE);
        let mut encap = Stt::default();
        let results: Vec<_> = segments.iter().flat_map(|segment| pop(&mut encap, segment, &NONE)).collect();
        let expected = Inner { v6, ecn: CE, payload_len: 4000, ..Inner::PLAIN }.frame();
        assert!(single(results).1 == expected, "v6 {v6}");
    }
}

#[test]
fn congestion_on_a_frame_that_cannot_carry_it_loses_the_frame() {
    let (mut outer, offload) = send(1, &Inner::PLAIN.frame(), &NONE);
    mark(&mut outer, CE);
    assert_eq!(reason(&pop(&mut Stt::default(), &outer, &offload)), DropReason::CongestionLost);
}

fn mark(outer: &mut [u8], ecn: u8) {
    let word = u16::from_be_bytes([0x45, outer[15] & !3 | ecn]);
    tulle_wire::checksum::rewrite_word(&mut outer[14..34], 10, 0, word);
}

#[test]
fn each_fault_of_a_segment_has_its_reason() {
    type Change = fn(&mut [u8]);
    let faults: [(Change, DropReason); 7] = [
        (|outer| outer[54] = 1, DropReason::SttBadVersion),
        (|outer| outer[55] = 3, DropReason::SttBadFlags),
        (|outer| outer[55..57].copy_from_slice(&[0x0e, 33]), DropReason::SttBadOffload),
        (|outer| outer[55..57].copy_from_slice(&[0x0a, 34]), DropReason::SttBadOffload),
        (|outer| outer[40] = 0x40, DropReason::SttBadOffset),
        (|outer| outer[36..38].fill(9), DropReason::OuterForeign),
        (|outer| outer[24] ^= 1, DropReason::OuterChecksum),
    ];
    let (outer, _) = send(1, &Inner::PLAIN.frame(), &NONE);
    for (change, expected) in faults {
        let results = pop(&mut Stt::default(), &tampered(&outer, change), &NONE);
        assert_eq!(reason(&results), expected);
    }
    let mut corrupt = tampered(&outer, |_| {});
    corrupt[60] ^= 1;
    assert_eq!(reason(&pop(&mut Stt::default(), &corrupt, &NONE)), DropReason::OuterChecksum);
    assert_eq!(reason(&pop(&mut Stt::default(), &outer[..20], &NONE)), DropReason::OuterMalformed);
}

#[test]
fn udp_to_be_cut_is_refused() {
    let offload = Offload { gso: GsoKind::UdpL4, gso_size: 500, ..NONE };
    let result = push(&Stt::default(), PORT, 1, &Inner::PLAIN.frame(), &offload);
    assert_eq!(result, Err(DropReason::UdpSegmentation));
}

#[test]
fn incomplete_frames_are_forgotten_when_their_time_is_up() {
    let mut encap = Stt::default();
    let segments = cut(&send(1, &Inner { payload_len: 4000, ..Inner::PLAIN }.frame(), &NONE).0, 1460);
    assert!(pop(&mut encap, &segments[0], &NONE).is_empty());
    let mut lost = Vec::new();
    let timeout_ns = Limits::default().timeout_ns;
    encap.expire(timeout_ns - 1, &mut |reason| lost.push(reason));
    assert_eq!(lost, []);
    encap.expire(timeout_ns, &mut |reason| lost.push(reason));
    assert_eq!(lost, [DropReason::SttTimeout]);
    assert!(pop(&mut encap, &segments[1], &NONE).is_empty());
    assert!(pop(&mut encap, &segments[2], &NONE).is_empty(), "the first segment is gone");
}
