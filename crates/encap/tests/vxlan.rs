//! VXLAN: what goes in comes out, long TCP frames as segments, and what is wrong has a reason.

mod common;

use common::{Inner, MTU, cut, pop, push};
use proptest::prelude::*;
use tulle_encap::vxlan::{Extension, PORT};
use tulle_encap::{DropReason, Gbp, Vxlan};
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
    encap.push(&template, passage, &mut buffer, &offload, &mut FrameBuf::new(), &mut |_| {}).expect("pushed");
    assert_eq!(buffer.bytes()[50..].as_ptr(), place);
}

/// The header behind good outer ones.
fn with_header(header: &[u8; 8]) -> Vec<u8> {
    let outers =
        push(&Vxlan::default(), PORT, 1, &Inner::PLAIN.frame(), &Offload::default()).expect("pushed");
    let mut outer = outers[0].0.clone();
    outer[42..50].copy_from_slice(header);
    outer
}

/// Group, identifier and all else of a header, by Linux's reading: what no extension has used must be 0.
fn read_slowly(extension: Extension, header: &[u8; 8]) -> Option<(u64, Option<Gbp>)> {
    let word = u64::from_be_bytes(*header);
    let bits = |from: u32, count: u32| word >> (64 - from - count) & ((1 << count) - 1);
    let (vni, mut rest) = (bits(32, 24), word & !(0xff_ffff << 8));
    let mut use_bits = |from: u32, count: u32| rest &= !(((1 << count) - 1) << (64 - from - count));
    use_bits(4, 1);
    let mut gbp = None;
    match extension {
        Extension::Plain => {}
        Extension::Gbp => {
            if bits(0, 1) == 1 {
                let flags = (bits(9, 1) << 6 | bits(12, 1) << 3) as u8;
                gbp = Some(Gbp { id: bits(16, 16) as u16, flags });
            }
            use_bits(0, 1);
            use_bits(8, 24);
        }
        Extension::Gpe => {
            let ethernet = bits(5, 1) == 1 && bits(2, 2) == 0 && bits(7, 1) == 0 && bits(24, 8) == 3;
            if !ethernet {
                return None;
            }
            use_bits(5, 1);
            use_bits(24, 8);
        }
    }
    (bits(4, 1) == 1 && rest == 0).then_some((vni, gbp))
}

fn header_byte() -> impl Strategy<Value = u8> {
    prop_oneof![4 => Just(0_u8), 1 => (0_u32..8).prop_map(|bit| 1 << bit), 1 => any::<u8>()]
}

proptest! {
    #[test]
    fn headers_are_read_as_the_slow_reader_does(
        kind in 0_usize..3, flags in prop_oneof![Just(0x08_u8), Just(0x88), Just(0x0c), any::<u8>()],
        reserved in [header_byte(), header_byte(), header_byte(), header_byte()], vni: [u8; 3], ethernet: bool
    ) {
        let extension = [Extension::Plain, Extension::Gbp, Extension::Gpe][kind];
        let ([a, b, c, d], [x, y, z]) = (reserved, vni);
        let c = if ethernet && extension == Extension::Gpe { 3 } else { c };
        let header = [flags, a, b, c, x, y, z, d];
        let results = pop(&mut Vxlan::default().with_extension(extension), &with_header(&header), &Offload::default());
        let got = results[0].as_ref().ok().map(|(popped, _)| (popped.context, popped.gbp));
        prop_assert_eq!(got, read_slowly(extension, &header));
    }
}

#[test]
fn each_fault_of_an_extended_header_has_its_reason() {
    let faults = [
        (Extension::Gbp, [0x80, 0, 0, 1, 0, 0, 1, 0], DropReason::VxlanBadFlags),
        (Extension::Gbp, [0x8c, 0, 0, 1, 0, 0, 1, 0], DropReason::VxlanBadFlags),
        (Extension::Gbp, [0x88, 0, 0, 1, 0, 0, 1, 1], DropReason::VxlanReservedBits),
        (Extension::Plain, [0x88, 0, 0, 1, 0, 0, 1, 0], DropReason::VxlanBadFlags),
        (Extension::Plain, [0x0c, 0, 0, 3, 0, 0, 1, 0], DropReason::VxlanBadFlags),
        (Extension::Gpe, [0x08, 0, 0, 0, 0, 0, 1, 0], DropReason::VxlanBadFlags),
        (Extension::Gpe, [0x04, 0, 0, 3, 0, 0, 1, 0], DropReason::VxlanBadFlags),
        (Extension::Gpe, [0x1c, 0, 0, 3, 0, 0, 1, 0], DropReason::VxlanGpeVersion),
        (Extension::Gpe, [0x0d, 0, 0, 3, 0, 0, 1, 0], DropReason::VxlanGpeOam),
        (Extension::Gpe, [0x0e, 0, 0, 3, 0, 0, 1, 0], DropReason::VxlanReservedBits),
        (Extension::Gpe, [0x0c, 1, 0, 3, 0, 0, 1, 0], DropReason::VxlanReservedBits),
        (Extension::Gpe, [0x0c, 0, 0, 1, 0, 0, 1, 0], DropReason::VxlanGpeNotEthernet),
        (Extension::Gpe, [0x0c, 0, 0, 4, 0, 0, 1, 0], DropReason::VxlanGpeNotEthernet),
    ];
    for (extension, header, expected) in faults {
        let mut encap = Vxlan::default().with_extension(extension);
        let results = pop(&mut encap, &with_header(&header), &Offload::default());
        assert_eq!(results, [Err(expected)], "{extension:?} {header:02x?}");
    }
}
