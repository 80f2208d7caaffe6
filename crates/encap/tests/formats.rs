//! What holds for every encapsulation over both kinds of underlay: what goes in comes out, whole or as
//! its segments, and nothing that arrives is a crash.

mod common;

use common::tunnel::{NAMES, Tunnel};
use common::{Inner, MTU, cut, pop, push_over, wire};
use proptest::prelude::*;
use tulle_encap::{Checksum, DropReason, Popped, TunnelOptions};
use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, TcpMerger};

fn tunnel() -> impl Strategy<Value = Tunnel> {
    let checksum = prop::sample::select(vec![Checksum::Usual, Checksum::Always, Checksum::Never]);
    (prop::sample::select(NAMES.to_vec()), any::<bool>(), checksum).prop_map(|(name, v6, checksum)| Tunnel {
        name,
        v6,
        checksum,
    })
}

/// Untagged, as NVGRE carries no others.
fn inner(payload: std::ops::Range<usize>) -> impl Strategy<Value = Inner> {
    (any::<bool>(), 0_u8..3, payload).prop_map(|(v6, ecn, payload_len)| Inner {
        v6,
        vlan: None,
        ecn,
        payload_len,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn what_is_sent_arrives_the_same_with_all_checksums(tunnel in tunnel(), inner in inner(0..1300), context in 0_u64..1 << 24, undone: bool) {
        let (frame, offload) = if undone { inner.undone(0) } else { (inner.frame(), Offload::default()) };
        let mut far = tunnel.encap(true).0;
        let results: Vec<_> = tunnel.sent(context, &frame, &offload).iter()
            .flat_map(|outer| pop(&mut *far, outer, &Offload::default())).collect();
        let [Ok((popped, got))] = results.as_slice() else { panic!("{results:?}") };
        prop_assert_eq!((popped.context, popped.key), (context, true));
        prop_assert_eq!((popped.source, popped.destination), (tunnel.ends().local, tunnel.ends().remote));
        if tunnel.name == "stt" {
            prop_assert_eq!((got, popped.offload), (&frame, offload));
        } else {
            prop_assert_eq!((got, popped.offload), (&inner.frame(), Offload::default()));
        }
    }

    #[test]
    fn a_frame_to_be_cut_arrives_as_its_segments(tunnel in tunnel(), inner in inner(0..30_000), mss in 300_u16..1300, device_cuts: bool) {
        let (frame, offload) = inner.undone(mss);
        let mut far = tunnel.encap(true).0;
        let mut got = Vec::new();
        for (outer, undone) in tunnel.push(3, &frame, &offload, device_cuts) {
            for outer in wire(&outer, &undone) {
                prop_assert!(outer.len() <= 14 + usize::from(MTU), "it fits the path");
                for result in pop(&mut *far, &outer, &Offload::default()) {
                    let (popped, frame) = result.expect("no drop");
                    got.extend(if popped.offload.gso == GsoKind::None { vec![frame] } else { cut(&frame, mss) });
                }
            }
        }
        let mut expected = cut(&frame, mss);
        if expected.len() == 1 && tunnel.name == "stt" {
            expected = vec![frame];
        }
        prop_assert!(got == expected, "{} of {}", got.len(), expected.len());
    }

    #[test]
    fn a_frame_that_the_device_has_not_cut_arrives_the_same_way(tunnel in tunnel(), inner in inner(0..30_000), mss in 300_u16..1300) {
        let (frame, offload) = inner.undone(mss);
        let mut far = tunnel.encap(true).0;
        let mut got = Vec::new();
        for (outer, undone) in tunnel.push(3, &frame, &offload, true) {
            for result in pop(&mut *far, &outer, &undone) {
                let (popped, frame) = result.expect("no drop");
                got.extend(if popped.offload.gso == GsoKind::None { vec![frame] } else { cut(&frame, mss) });
            }
        }
        let mut expected = cut(&frame, mss);
        if expected.len() == 1 && tunnel.name == "stt" {
            expected = vec![frame];
        }
        prop_assert!(got == expected, "{} of {}", got.len(), expected.len());
    }

    #[test]
    fn one_changed_byte_gives_the_frame_that_was_sent_or_a_reason(tunnel in tunnel(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let frame = Inner::PLAIN.frame();
        let mut outer = tunnel.sent(0x1234, &frame, &Offload::default()).remove(0);
        let at = at.index(outer.len() - frame.len());
        let transport = 14 + if tunnel.v6 { 40 } else { 20 };
        // What says how long the header is can't be told from the truth, if no checksum covers it.
        prop_assume!(!(tunnel.name == "gre" && at == transport));
        prop_assume!(!(tunnel.name == "geneve" && at == transport + 8));
        outer[at] ^= flip;
        let results = pop(&mut *tunnel.encap(true).0, &outer, &Offload::default());
        prop_assert!(results.len() <= 1);
        for (_, got) in results.into_iter().flatten() {
            // Without a checksum a smaller length is as good as another.
            prop_assert!(frame.starts_with(&got), "{got:02x?}");
        }
    }

    #[test]
    fn arbitrary_bytes_are_never_a_crash(
        tunnel in tunnel(), bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..60,
        start in 0_u16..300, size: u16, kind in 0_usize..4, needs_csum: bool
    ) {
        let gso = [GsoKind::None, GsoKind::TcpV4, GsoKind::TcpV6, GsoKind::UdpL4][kind];
        let offload = Offload { needs_csum, data_valid: true, csum_start: start, gso, gso_size: size, ..Offload::default() };
        let mut encap = tunnel.encap(true).0;
        pop(&mut *encap, &bytes, &offload);
        let (sender, port) = tunnel.encap(true);
        let _ = push_over(&*sender, &tunnel.ends(), &TunnelOptions::new(MTU, port), 1, &bytes, &offload);
        // Behind good outer headers.
        let mut outer = tunnel.push(1, &Inner { payload_len: 300, ..Inner::PLAIN }.frame(), &Offload::default(), true).remove(0).0;
        let from = 14 + if tunnel.v6 { 40 } else { 20 } + at;
        let len = bytes.len().min(outer.len() - from);
        outer[from..from + len].copy_from_slice(&bytes[..len]);
        pop(&mut *encap, &outer, &offload);
    }
}

#[test]
fn congestion_that_the_outer_packet_met_reaches_the_inner_header_by_rfc_6040() {
    const NOT: u8 = 0;
    const ECT_1: u8 = 1;
    const ECT_0: u8 = 2;
    const CE: u8 = 3;
    // RFC 6040 figure 4, rows by inner and columns by outer header: Not-ECT, ECT(0), ECT(1), CE.
    let table = [
        (NOT, [Some(NOT), Some(NOT), Some(NOT), None]),
        (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
        (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
        (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
    ];
    for (name, v6, (inner, row)) in NAMES
        .into_iter()
        .flat_map(|name| [false, true].map(|v6| (name, v6)))
        .flat_map(|(name, v6)| table.map(|row| (name, v6, row)))
    {
        let tunnel = Tunnel { name, v6, checksum: Checksum::Usual };
        let frame = Inner { v6: !v6, ecn: inner, ..Inner::PLAIN };
        for (outer_ecn, expected) in [NOT, ECT_0, ECT_1, CE].into_iter().zip(row) {
            let mut outer = tunnel.sent(1, &frame.frame(), &Offload::default()).remove(0);
            set_ecn(&mut outer, v6, outer_ecn);
            let results = pop(&mut *tunnel.encap(true).0, &outer, &Offload::default());
            let context = format!("{tunnel:?}: inner {inner}, outer {outer_ecn}");
            match expected {
                None => assert_eq!(results, [Err(DropReason::CongestionLost)], "{context}"),
                Some(ecn) => {
                    let [Ok((popped, got))] = results.as_slice() else { panic!("{context}: {results:?}") };
                    assert!(*got == Inner { ecn, ..frame }.frame(), "{context}");
                    assert_eq!(popped.tos, outer_ecn, "{context}");
                }
            }
        }
    }
}

fn set_ecn(outer: &mut [u8], v6: bool, ecn: u8) {
    if v6 {
        outer[15] = outer[15] & !0x30 | ecn << 4;
    } else {
        let word = u16::from_be_bytes([0x45, outer[15] & !3 | ecn]);
        tulle_wire::checksum::rewrite_word(&mut outer[14..34], 10, 0, word);
    }
}

#[test]
fn work_that_a_kernel_tunnel_left_undone_on_the_inner_frame_is_kept() {
    for name in ["vxlan", "vxlan-gbp", "vxlan-gpe", "geneve", "gre", "nvgre"] {
        let tunnel = Tunnel { name, v6: false, checksum: Checksum::Usual };
        let (frame, offload) = Inner { payload_len: 9000, ..Inner::PLAIN }.undone(1300);
        let small = Inner::PLAIN.frame();
        let mut outer = tunnel.sent(1, &small, &Offload::default()).remove(0);
        let headers = outer.len() - small.len();
        outer.truncate(headers);
        outer.extend(&frame);
        let total_len = (outer.len() - 14) as u16;
        tulle_wire::checksum::rewrite_word(&mut outer[14..34], 10, 2, total_len);
        if outer[23] == 17 {
            outer[38..40].copy_from_slice(&(total_len - 20).to_be_bytes());
        }
        let shift = headers as u16;
        let undone = Offload { csum_start: shift + 34, hdr_len: shift + 54, ..offload };
        let results = pop(&mut *tunnel.encap(true).0, &outer, &undone);
        let [Ok((popped, got))] = results.as_slice() else { panic!("{name}: {results:?}") };
        assert_eq!((popped.offload, got), (offload, &frame), "{name}");
    }
}

#[test]
fn a_long_frame_that_was_cut_on_the_way_in_is_joined_on_the_way_out() {
    let mut tunnels = Vec::new();
    for name in NAMES {
        tunnels.extend([false, true].map(|v6| Tunnel { name, v6, checksum: Checksum::Usual }));
    }
    for tunnel in tunnels.iter().filter(|tunnel| tunnel.name != "stt") {
        let (frame, offload) = Inner { payload_len: 40_000, ..Inner::PLAIN }.undone(1300);
        let (mut far, mut merger) = (tunnel.encap(true).0, TcpMerger::new(4));
        let mut joined = Vec::new();
        let mut each = |popped: Popped, frame: &mut FrameBuf, offload: &Offload| {
            joined.push((popped.context, frame.bytes().to_vec(), *offload));
        };
        for (outer, undone) in tunnel.push(9, &frame, &offload, true) {
            far.pop(&mut FrameBuf::copied(&outer), &undone, 0, &mut |popped, frame| {
                let popped = popped.expect("no drop");
                assert!(!popped.has_options());
                assert!(merger.offer(popped, frame, &popped.offload, &mut each));
            });
        }
        merger.flush(&mut each);
        let [(9, got, undone)] = joined.as_slice() else { panic!("{tunnel:?}: {} frames", joined.len()) };
        assert!(*got == frame, "{tunnel:?}");
        assert_eq!(*undone, offload, "{tunnel:?}");
    }
}
