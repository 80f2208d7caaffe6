//! What every encapsulation refuses, over both kinds of underlay, and with which reason.

mod common;

use common::tunnel::{NAMES, Tunnel};
use common::{ENDS, ENDS_V6, Inner, MTU, pop, push_over};
use tulle_encap::{Checksum, DropReason, Endpoints, Lisp, MixedFamilies, TunnelOptions, lisp};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

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
            let template = encap.template(&tunnel.ends(), &TunnelOptions::new(MTU, port)).expect("ends");
            assert_eq!(encap.longest_frame(&template), Some(longest + 54), "{tunnel:?}");
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
