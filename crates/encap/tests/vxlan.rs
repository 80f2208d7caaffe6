//! VXLAN: what goes in comes out, long TCP frames as segments, and what is wrong has a reason.

mod common;

use common::{Inner, MTU, cut, pop, push};
use proptest::prelude::*;
use tulle_encap::vxlan::PORT;
use tulle_encap::{DropReason, Vxlan};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::{GsoKind, Offload};

fn inner_frames(outers: &[(Vec<u8>, Offload)]) -> Vec<Vec<u8>> {
    let results = outers.iter().flat_map(|(outer, offload)| pop(&mut Vxlan::default(), outer, offload));
    results.map(|result| result.expect("no drop").1).collect()
}

fn inner(payload: std::ops::Range<usize>) -> impl Strategy<Value = Inner> {
    (any::<bool>(), prop::option::of(any::<u16>()), 0_u8..3, payload)
        .prop_map(|(v6, vlan, ecn, payload_len)| Inner { v6, vlan, ecn, payload_len })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_pushed_is_popped_with_its_checksum_completed(inner in inner(0..1300), vni in 0_u64..1 << 24, undone: bool) {
        let (frame, offload) = if undone { inner.undone(0) } else { (inner.frame(), Offload::default()) };
        let outers = push(&Vxlan::default(), PORT, vni, &frame, &offload).expect("pushed");
        let results = pop(&mut Vxlan::default(), &outers[0].0, &outers[0].1);
        let (popped, got) = results[0].as_ref().expect("no drop");
        prop_assert_eq!(got, &inner.frame());
        prop_assert_eq!((popped.context, popped.offload), (vni, Offload::default()));
    }

    #[test]
    fn a_frame_to_be_cut_arrives_as_its_segments(inner in inner(0..60_000), mss in 200_u16..1300, trains: bool) {
        let (frame, offload) = inner.undone(mss);
        let outers = push(&Vxlan::new(PORT, trains), PORT, 5, &frame, &offload).expect("pushed");
        let expected = cut(&frame, mss);
        prop_assert!(trains || outers.len() == expected.len());
        prop_assert!(!trains || outers.len() <= expected.len() / 32 + 1);
        prop_assert!(outers.iter().all(|(outer, _)| outer.len() <= 65535 + 14));
        prop_assert!(inner_frames(&outers) == expected);
    }

    #[test]
    fn arbitrary_bytes_are_never_a_crash(
        bytes in prop::collection::vec(any::<u8>(), 0..200), start: u16, size: u16, kind in 0_usize..4, needs_csum: bool
    ) {
        let gso = [GsoKind::None, GsoKind::TcpV4, GsoKind::TcpV6, GsoKind::UdpL4][kind];
        let offload = Offload { needs_csum, csum_start: start % 300, gso, gso_size: size, ..Offload::default() };
        let _ = push(&Vxlan::default(), PORT, 1, &bytes, &offload);
        pop(&mut Vxlan::default(), &bytes, &offload);
        let mut outer = push(&Vxlan::default(), PORT, 1, &Inner::PLAIN.frame(), &Offload::default()).expect("pushed").remove(0).0;
        let len = bytes.len().min(outer.len() - 42);
        outer[42..42 + len].copy_from_slice(&bytes[..len]);
        pop(&mut Vxlan::default(), &outer, &offload);
    }
}

#[test]
fn a_frame_that_exceeds_the_path_mtu_is_too_big() {
    let longest = usize::from(MTU) - 36 - 54;
    for (payload_len, expected) in [(longest, None), (longest + 1, Some(DropReason::TooBig))] {
        let frame = Inner { payload_len, ..Inner::PLAIN }.frame();
        assert_eq!(push(&Vxlan::default(), PORT, 1, &frame, &Offload::default()).err(), expected);
        let (frame, offload) = Inner { payload_len: 9000, ..Inner::PLAIN }.undone(payload_len as u16);
        assert_eq!(push(&Vxlan::default(), PORT, 1, &frame, &offload).err(), expected);
    }
}

#[test]
fn a_context_of_more_than_24_bits_is_refused() {
    let frame = Inner::PLAIN.frame();
    let result = push(&Vxlan::default(), PORT, 1 << 24, &frame, &Offload::default());
    assert_eq!(result, Err(DropReason::BadContext));
}

#[test]
fn flags_and_reserved_bits_that_no_extension_explains_are_dropped() {
    let (outer, offload) = push(&Vxlan::default(), PORT, 1, &Inner::PLAIN.frame(), &Offload::default())
        .expect("pushed")
        .remove(0);
    let faults = [
        (42, 0x00, DropReason::VxlanBadFlags),
        (42, 0x0c, DropReason::VxlanBadFlags),
        (43, 1, DropReason::VxlanReservedBits),
        (49, 1, DropReason::VxlanReservedBits),
    ];
    for (at, value, expected) in faults {
        let mut frame = outer.clone();
        frame[at] = value;
        assert_eq!(pop(&mut Vxlan::default(), &frame, &offload), [Err(expected)], "byte {at} = {value}");
    }
}

#[test]
fn a_udp_checksum_that_is_there_must_be_right() {
    let (mut outer, offload) = push(&Vxlan::default(), PORT, 1, &Inner::PLAIN.frame(), &Offload::default())
        .expect("pushed")
        .remove(0);
    let len = outer.len() - 34;
    let pseudo = tulle_wire::checksum::pseudo_v4([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 17, len);
    outer[40..42].copy_from_slice(&pseudo.to_be_bytes());
    tulle_wire::finish_checksum(&mut outer, 34, 6).expect("room");
    assert!(pop(&mut Vxlan::default(), &outer, &offload)[0].is_ok());
    outer[60] ^= 1;
    assert_eq!(pop(&mut Vxlan::default(), &outer, &offload), [Err(DropReason::OuterChecksum)]);
}

#[test]
fn work_that_a_kernel_tunnel_left_undone_on_the_inner_frame_is_kept() {
    let (frame, offload) = Inner { payload_len: 9000, ..Inner::PLAIN }.undone(1300);
    let small = Inner { payload_len: 100, ..Inner::PLAIN };
    let (mut outer, _) =
        push(&Vxlan::default(), PORT, 1, &small.frame(), &Offload::default()).expect("pushed").remove(0);
    outer.truncate(50);
    outer.extend(&frame);
    let total_len = (outer.len() - 14) as u16;
    tulle_wire::checksum::rewrite_word(&mut outer[14..34], 10, 2, total_len);
    outer[38..40].copy_from_slice(&(total_len - 20).to_be_bytes());
    let undone = Offload { csum_start: 50 + 34, hdr_len: 50 + 54, ..offload };
    let results = pop(&mut Vxlan::default(), &outer, &undone);
    let (popped, got) = results[0].as_ref().expect("no drop");
    assert_eq!((popped.offload, got), (offload, &frame));
}

#[test]
fn pushing_without_segmentation_moves_no_payload() {
    use tulle_encap::{Encap, Passage, TunnelOptions};
    let encap = Vxlan::default();
    let template = encap.template(&common::ENDS, &TunnelOptions::new(MTU, PORT)).expect("one family");
    let mut buffer = FrameBuf::copied(&Inner::PLAIN.frame());
    let place = buffer.bytes().as_ptr();
    let mut frame_id = 1;
    let passage = Passage::new(1, 1, &mut frame_id);
    let offload = Offload::default();
    encap
        .push(&template, passage, &mut buffer, &offload, &mut FrameBuf::new(), &mut |_, _| {})
        .expect("pushed");
    assert_eq!(buffer.bytes()[50..].as_ptr(), place);
}
