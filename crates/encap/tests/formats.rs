//! What holds for every encapsulation over both kinds of underlay: what goes in comes out, and whatever
//! else arrives has a reason.

mod common;

use common::{ENDS, ENDS_V6, Inner, MTU, cut, pop, push_over, wire};
use proptest::prelude::*;
use tulle_encap::vxlan::Extension;
use tulle_encap::{
    Checksum, DropReason, Encap, Endpoints, Geneve, Gre, Lisp, MixedFamilies, Nvgre, Popped, Stt,
    TunnelOptions, Vxlan,
};
use tulle_encap::{geneve, lisp, stt, vxlan};
use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, TcpMerger};

/// One way to set up a tunnel.
#[derive(Clone, Copy, Debug)]
struct Tunnel {
    name: &'static str,
    v6: bool,
    checksum: Checksum,
}

const NAMES: [&str; 7] = ["stt", "vxlan", "vxlan-gbp", "vxlan-gpe", "geneve", "gre", "nvgre"];

impl Tunnel {
    fn encap(&self, device_cuts: bool) -> (Box<dyn Encap>, u16) {
        let zero = self.checksum == Checksum::Never;
        let vxlan = |port| Vxlan::new(port, device_cuts).accept_zero_checksum_v6(zero);
        match self.name {
            "stt" => (Box::new(Stt::default()), stt::PORT),
            "vxlan" => (Box::new(vxlan(vxlan::PORT)), vxlan::PORT),
            "vxlan-gbp" => (Box::new(vxlan(vxlan::PORT).with_extension(Extension::Gbp)), vxlan::PORT),
            "vxlan-gpe" => (Box::new(vxlan(vxlan::GPE_PORT).with_extension(Extension::Gpe)), vxlan::GPE_PORT),
            "geneve" => {
                let encap = Geneve::new(geneve::PORT, device_cuts).accept_zero_checksum_v6(zero);
                (Box::new(encap), geneve::PORT)
            }
            "gre" => (Box::new(Gre::new()), 0),
            "nvgre" => (Box::new(Nvgre::new()), 0),
            other => panic!("unknown encapsulation {other}"),
        }
    }

    fn ends(&self) -> Endpoints {
        if self.v6 { ENDS_V6 } else { ENDS }
    }

    fn push(
        &self,
        context: u64,
        frame: &[u8],
        offload: &Offload,
        device_cuts: bool,
    ) -> Vec<(Vec<u8>, Offload)> {
        let (encap, port) = self.encap(device_cuts);
        let options = TunnelOptions { checksum: self.checksum, ..TunnelOptions::new(MTU, port) };
        push_over(&*encap, &self.ends(), &options, context, frame, offload).expect("pushed")
    }

    /// The outer frames on a wire without offloads.
    fn sent(&self, context: u64, frame: &[u8], offload: &Offload) -> Vec<Vec<u8>> {
        let outers = self.push(context, frame, offload, true);
        outers.iter().flat_map(|(outer, undone)| wire(outer, undone)).collect()
    }
}

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
fn fragments_and_extension_headers_of_the_outer_packet_are_refused() {
    for name in NAMES {
        let tunnel = Tunnel { name, v6: true, checksum: Checksum::Usual };
        let outer = tunnel.sent(1, &Inner::PLAIN.frame(), &Offload::default()).remove(0);
        let faults = [
            // Next header, its first 8 bytes.
            (44, [outer[20], 0, 0, 1, 0, 0, 0, 9], DropReason::OuterFragment),
            (44, [outer[20], 0, 0, 8, 0, 0, 0, 9], DropReason::OuterFragment),
            (44, [outer[20], 0, 0, 0, 0, 0, 0, 9], DropReason::OuterExtension),
            (0, [outer[20], 0, 1, 4, 0, 0, 0, 0], DropReason::OuterExtension),
            (60, [outer[20], 0, 1, 4, 0, 0, 0, 0], DropReason::OuterExtension),
            (43, [outer[20], 0, 0, 0, 0, 0, 0, 0], DropReason::OuterExtension),
        ];
        for (next_header, extension, expected) in faults {
            let mut outer = outer.clone();
            outer.splice(54..54, extension);
            outer[20] = next_header;
            let payload_len = (outer.len() - 54) as u16;
            outer[18..20].copy_from_slice(&payload_len.to_be_bytes());
            let results = pop(&mut *tunnel.encap(true).0, &outer, &Offload::default());
            assert_eq!(results, [Err(expected)], "{name}, next header {next_header}");
        }
        let v4 = Tunnel { v6: false, ..tunnel };
        let mut outer = v4.sent(1, &Inner::PLAIN.frame(), &Offload::default()).remove(0);
        for word in [0x2000, 0x0001] {
            tulle_wire::checksum::rewrite_word(&mut outer[14..34], 10, 6, word);
            let results = pop(&mut *v4.encap(true).0, &outer, &Offload::default());
            assert_eq!(results, [Err(DropReason::OuterFragment)], "{name}");
        }
    }
}

#[test]
fn each_encapsulation_finds_the_packets_of_the_others_foreign() {
    for (near, far) in NAMES.into_iter().flat_map(|near| NAMES.map(|far| (near, far))) {
        let tunnel = |name: &'static str| Tunnel { name, v6: false, checksum: Checksum::Usual };
        let outer = tunnel(near).sent(0x1000, &Inner::PLAIN.frame(), &Offload::default()).remove(0);
        let results = pop(&mut *tunnel(far).encap(true).0, &outer, &Offload::default());
        let port = |name: &'static str| tunnel(name).encap(true).1;
        if port(near) != port(far) {
            assert_eq!(results, [Err(DropReason::OuterForeign)], "{near} to {far}");
        }
    }
}

#[test]
fn a_datagram_over_ipv6_without_a_checksum_is_refused_unless_that_is_allowed() {
    for name in ["vxlan", "vxlan-gbp", "vxlan-gpe", "geneve"] {
        let without = Tunnel { name, v6: true, checksum: Checksum::Never };
        let outer = without.sent(1, &Inner::PLAIN.frame(), &Offload::default()).remove(0);
        assert_eq!(outer[60..62], [0, 0], "{name}");
        let strict = Tunnel { checksum: Checksum::Usual, ..without };
        let results = pop(&mut *strict.encap(true).0, &outer, &Offload::default());
        assert_eq!(results, [Err(DropReason::NoChecksum)], "{name}");
        assert!(pop(&mut *without.encap(true).0, &outer, &Offload::default())[0].is_ok(), "{name}");
    }
}

#[test]
fn a_checksum_that_is_there_must_be_right() {
    for name in ["stt", "vxlan", "vxlan-gbp", "vxlan-gpe", "geneve", "gre"] {
        for v6 in [false, true] {
            let tunnel = Tunnel { name, v6, checksum: Checksum::Always };
            let mut outer = tunnel.sent(1, &Inner::PLAIN.frame(), &Offload::default()).remove(0);
            let last = outer.len() - 1;
            outer[last] ^= 1;
            let results = pop(&mut *tunnel.encap(true).0, &outer, &Offload::default());
            assert_eq!(results, [Err(DropReason::OuterChecksum)], "{tunnel:?}");
        }
    }
}

#[test]
fn what_exceeds_the_path_is_too_big_but_for_stt() {
    for (name, headers) in
        [("vxlan", 16), ("vxlan-gbp", 16), ("vxlan-gpe", 16), ("geneve", 16), ("gre", 8), ("nvgre", 8)]
    {
        for v6 in [false, true] {
            let tunnel = Tunnel { name, v6, checksum: Checksum::Usual };
            let (encap, port) = tunnel.encap(true);
            let longest = usize::from(MTU) - if v6 { 40 } else { 20 } - headers - 54;
            for (payload_len, expected) in [(longest, None), (longest + 1, Some(DropReason::TooBig))] {
                let options = TunnelOptions::new(MTU, port);
                let push = |frame: &[u8], offload: &Offload| {
                    push_over(&*encap, &tunnel.ends(), &options, 1, frame, offload).err()
                };
                let frame = Inner { payload_len, ..Inner::PLAIN }.frame();
                assert_eq!(push(&frame, &Offload::default()), expected, "{tunnel:?}");
                let (frame, offload) = Inner { payload_len: 9000, ..Inner::PLAIN }.undone(payload_len as u16);
                assert_eq!(push(&frame, &offload), expected, "{tunnel:?}");
            }
        }
    }
}

#[test]
fn a_context_of_more_bits_than_travel_is_refused() {
    for name in NAMES {
        let (encap, port) = Tunnel { name, v6: false, checksum: Checksum::Usual }.encap(true);
        let bits = encap.context_bits();
        let push = |context| {
            let options = TunnelOptions::new(MTU, port);
            push_over(&*encap, &ENDS, &options, context, &Inner::PLAIN.frame(), &Offload::default()).err()
        };
        assert_eq!(push(u64::MAX >> (64 - bits)), None, "{name}");
        if bits < 64 {
            assert_eq!(push(1 << bits), Some(DropReason::BadContext), "{name}");
        }
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
                merger.offer(popped, frame, &popped.offload, &mut each);
            });
        }
        merger.flush(&mut each);
        let [(9, got, undone)] = joined.as_slice() else { panic!("{tunnel:?}: {} frames", joined.len()) };
        assert!(*got == frame, "{tunnel:?}");
        assert_eq!(*undone, offload, "{tunnel:?}");
    }
}

#[test]
fn ends_of_different_families_have_no_headers() {
    let ends = Endpoints { remote: ENDS_V6.remote, ..ENDS };
    for name in NAMES {
        let (encap, port) = Tunnel { name, v6: false, checksum: Checksum::Usual }.encap(true);
        let template = encap.template(&ends, &TunnelOptions::new(MTU, port));
        assert_eq!(template.err(), Some(MixedFamilies { local: ends.local, remote: ends.remote }), "{name}");
    }
}

#[test]
fn a_buffer_with_less_headroom_than_the_headers_is_refused_unchanged() {
    for name in NAMES {
        let tunnel = Tunnel { name, v6: true, checksum: Checksum::Usual };
        let (encap, port) = tunnel.encap(true);
        let frame = Inner::PLAIN.frame();
        let template = encap.template(&tunnel.ends(), &TunnelOptions::new(MTU, port)).expect("one family");
        let mut buffer = FrameBuf::copied(&frame);
        let start = 61;
        buffer.set_range(start..start + frame.len());
        buffer.bytes_mut().copy_from_slice(&frame);
        let mut frame_id = 0;
        let passage = tulle_encap::Passage::new(1, 1, &mut frame_id);
        let offload = Offload::default();
        let mut scratch = FrameBuf::new();
        let result = encap.push(&template, passage, &mut buffer, &offload, &mut scratch, &mut |_, _| {});
        assert_eq!(result, Err(DropReason::NoHeadroom), "{name}");
        assert_eq!(buffer.bytes(), frame, "{name}");
        assert!(encap.headroom() <= tulle_wire::HEADROOM, "{name}");
    }
}

#[test]
fn lisp_is_refused_with_what_is_wrong_with_it() {
    let vxlan = Tunnel { name: "vxlan", v6: false, checksum: Checksum::Usual };
    let outer = vxlan.sent(1, &Inner::PLAIN.frame(), &Offload::default()).remove(0);
    let datagram = |payload: &[u8]| {
        let mut outer = outer[..42].to_vec();
        outer.extend(payload);
        let total_len = (outer.len() - 14) as u16;
        tulle_wire::checksum::rewrite_word(&mut outer[14..34], 10, 2, total_len);
        outer[36..38].copy_from_slice(&lisp::PORT.to_be_bytes());
        outer[38..40].copy_from_slice(&(total_len - 20).to_be_bytes());
        outer
    };
    let ip = [0x45, 0, 0, 20];
    let cases = [
        ([0x48, 0, 0, 0, 0, 0, 1, 1], DropReason::LispNoEthernet),
        ([0xe8, 1, 2, 3, 0, 0, 1, 1], DropReason::LispNoEthernet),
        ([0x90, 1, 2, 3, 0, 0, 1, 1], DropReason::LispBadFlags),
        ([0x20, 0, 0, 0, 0, 0, 1, 1], DropReason::LispBadFlags),
        ([0x0c, 0, 0, 3, 0, 0, 1, 1], DropReason::LispBadFlags),
    ];
    for (header, expected) in cases {
        let results = pop(&mut Lisp::default(), &datagram(&[&header[..], &ip].concat()), &Offload::default());
        assert_eq!(results, [Err(expected)], "{header:02x?}");
    }
    let not_ip = datagram(&[0x48, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0]);
    assert_eq!(pop(&mut Lisp::default(), &not_ip, &Offload::default()), [Err(DropReason::LispNotIp)]);
    let short = datagram(&[0x48, 0, 0, 0, 0, 0, 1]);
    assert_eq!(pop(&mut Lisp::default(), &short, &Offload::default()), [Err(DropReason::LispTruncated)]);
    let pushed = push_over(
        &Lisp::default(),
        &ENDS,
        &TunnelOptions::new(MTU, lisp::PORT),
        1,
        &Inner::PLAIN.frame(),
        &Offload::default(),
    );
    assert_eq!(pushed, Err(DropReason::LispNoEthernet));
}
