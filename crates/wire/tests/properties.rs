//! Against slow, obvious twins, and with bytes that mean nothing.

use proptest::prelude::*;
use tulle_wire::{
    FrameBuf, IcmpErrorKind, Layers, TcpCutter, arp, checksum, ethernet, finish_checksum, flow_hash,
    icmp_error, icmpv4, icmpv6, ipv4, ipv6, ndp, protocol, tcp, tcp_segments, tcp_segments_within, udp, vnet,
};

/// RFC 1071 section 4.1, word by word.
fn slow_sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    words.fold(0, |total, word| {
        let total = total + word;
        (total & 0xffff) + (total >> 16)
    }) as u16
}

/// 0 and 0xffff are the same number.
fn same(a: u16, b: u16) -> bool {
    a % 0xffff == b % 0xffff
}

/// A TCP frame over IPv4, or over IPv6 behind a destination options header.
fn tcp_frame(v6: bool, tagged: bool, flags: u8, options_len: usize, payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0; 20 + options_len];
    segment[..8].copy_from_slice(&[0x9c, 0x40, 0, 80, 0xff, 0xff, 0xff, 0]);
    segment[12] = ((20 + options_len) as u8 / 4) << 4;
    segment[13] = flags;
    segment[20..].fill(1);
    segment.extend(payload);
    let vlan = tagged.then_some(0x3005);
    let ether_type = if v6 { 0x86dd } else { 0x0800 };
    let link = ethernet::Repr { source: [2; 6], destination: [4; 6], vlan, ether_type };
    let mut frame = vec![0; link.buffer_len() + if v6 { 40 } else { 20 }];
    link.emit(&mut frame).expect("room");
    let network = &mut frame[link.buffer_len()..];
    if v6 {
        let (source, destination) = ([1; 16].into(), [2; 16].into());
        let payload_len = 8 + segment.len();
        let repr = ipv6::Repr {
            source,
            destination,
            next_header: 60,
            payload_len,
            hop_limit: 9,
            traffic_class: 2,
            flow_label: 7,
        };
        repr.emit(network).expect("room");
        frame.extend([protocol::TCP, 0, 1, 4, 0, 0, 0, 0]);
    } else {
        let (source, destination) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let repr = ipv4::Repr {
            source,
            destination,
            protocol: protocol::TCP,
            payload_len: segment.len(),
            ttl: 9,
            tos: 2,
            id: 0xfffe,
            dont_fragment: true,
        };
        repr.emit(network).expect("room");
    }
    frame.extend(segment);
    frame
}

fn pseudo(layers: &Layers, frame: &[u8]) -> u16 {
    let len = frame.len() - layers.transport;
    let tail = [0, protocol::TCP, (len >> 8) as u8, len as u8];
    slow_sum(&[layers.addresses(frame), &tail].concat())
}

proptest! {
    #[test]
    fn the_sum_agrees_with_its_twin(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        prop_assert!(same(checksum::sum(&bytes), slow_sum(&bytes)));
    }

    #[test]
    fn sums_of_parts_combine(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..150) {
        let at = (at * 2).min(bytes.len() & !1);
        let (front, back) = bytes.split_at(at);
        let whole = checksum::add(checksum::sum(front), checksum::sum(back));
        prop_assert!(same(whole, slow_sum(&bytes)));
        prop_assert!(same(checksum::subtract(whole, checksum::sum(front)), checksum::sum(back)));
    }

    #[test]
    fn a_checksum_updated_agrees_with_one_made_anew(mut bytes in prop::collection::vec(any::<u8>(), 20..60), at in 0_usize..4, new: [u8; 4]) {
        bytes[10..12].fill(0);
        let before = !slow_sum(&bytes);
        let old = bytes[at * 2..][..4].to_vec();
        bytes[at * 2..at * 2 + 4].copy_from_slice(&new);
        let after = checksum::replace_bytes(before, &old, &new);
        prop_assert!(same(after, !slow_sum(&bytes)));
    }

    #[test]
    fn a_completed_checksum_verifies(mut bytes in prop::collection::vec(any::<u8>(), 20..200), seed: u16, udp: bool) {
        let offset = if udp { 6 } else { 16 };
        bytes[offset..offset + 2].copy_from_slice(&seed.to_be_bytes());
        finish_checksum(&mut bytes, 0, offset as u16).expect("room");
        prop_assert!(checksum::verify(seed, &bytes) || same(checksum::add(seed, slow_sum(&bytes)), 0xffff));
        prop_assert!(!udp || bytes[6..8] != [0, 0]);
    }

    #[test]
    fn segments_put_together_are_the_frame(
        v6: bool, tagged: bool, flags: u8, options in 0_usize..4, size in 1_u16..2000,
        payload in prop::collection::vec(any::<u8>(), 0..5000)
    ) {
        let frame = tcp_frame(v6, tagged, flags, options * 4, &payload);
        let whole = Layers::parse(&frame).expect("IP");
        let mut segments = Vec::new();
        let count = tcp_segments(&frame, size, &mut FrameBuf::new(), |segment| segments.push(segment.bytes().to_vec())).expect("cut");
        prop_assert_eq!(count, payload.len().div_ceil(usize::from(size)).max(1));
        prop_assert_eq!(count, segments.len());
        let payload_at = whole.transport + 20 + options * 4;
        let mut joined: Vec<u8> = Vec::new();
        for (index, segment) in segments.iter().enumerate() {
            let layers = Layers::parse(segment).expect("IP");
            prop_assert_eq!(layers.end, segment.len());
            let bytes = &segment[layers.transport..];
            prop_assert_eq!(slow_sum(&[&pseudo(&layers, segment).to_be_bytes()[..], bytes].concat()), 0xffff);
            let view = tcp::Packet::new_checked(bytes).expect("TCP");
            prop_assert_eq!(view.sequence(), 0xffff_ff00_u32.wrapping_add(joined.len() as u32));
            let (first, last) = (index == 0, index + 1 == count);
            let mask = (if first { 0 } else { tcp::flag::CWR }) | (if last { 0 } else { tcp::flag::FIN | tcp::flag::PSH });
            prop_assert_eq!(view.flags(), flags & !mask);
            prop_assert!(last || segment.len() == payload_at + usize::from(size));
            if !v6 {
                let network = ipv4::Packet::new_checked(&segment[layers.network..]).expect("IPv4");
                prop_assert!(network.verify_checksum());
                prop_assert_eq!(network.id(), 0xfffe_u16.wrapping_add(index as u16));
            }
            joined.extend(&segment[payload_at..]);
        }
        prop_assert_eq!(joined, payload);
    }

    #[test]
    fn no_bytes_crash_a_parser(bytes in prop::collection::vec(any::<u8>(), 0..120), ether_type in 0_usize..4, version: bool, next in 0_u8..64) {
        let mut frame = bytes;
        if frame.len() > 24 {
            let (kind, first) = if version { ([0x08, 0x00], 0x45) } else { ([0x86, 0xdd], 0x60) };
            frame[12..14].copy_from_slice(if ether_type == 0 { &[0x81, 0] } else { &kind });
            frame[14] = first | frame[14] & 15;
            frame[if version { 23 } else { 20 }] = next;
        }
        everything(&frame);
        everything(frame.get(14..).unwrap_or_default());
    }
}

/// Calls all that takes bytes from outside.
fn everything(bytes: &[u8]) {
    let _ = vnet::parse(bytes);
    let _ =
        ethernet::Packet::new_checked(bytes).map(|view| (ethernet::Repr::parse(&view), view.payload().len()));
    let _ = arp::Packet::new_checked(bytes).map(|view| arp::Repr::parse(&view));
    let _ = ipv4::Packet::new_checked(bytes).map(|view| ipv4::Repr::parse(&view));
    let _ = ipv6::Packet::new_checked(bytes).map(|view| (ipv6::Repr::parse(&view), view.upper()));
    let _ = udp::Packet::new_checked(bytes).map(|view| udp::Repr::parse(&view, 0));
    let _ = tcp::Packet::new_checked(bytes).map(|view| tcp::Repr::parse(&view, 0));
    let _ = icmpv4::Packet::new_checked(bytes).map(|view| icmpv4::Repr::parse(&view));
    if let Ok(view) = icmpv6::Packet::new_checked(bytes) {
        let pseudo = !checksum::sum(bytes);
        let _ = (icmpv6::Repr::parse(&view, pseudo), ndp::Repr::parse(&view, pseudo));
    }
    let _ = flow_hash(bytes);
    let _ = TcpCutter::new(bytes, 7).map(|cutter| cutter.emit(1, &mut [0; 200]));
    let _ = TcpCutter::within(bytes, 7).map(|cutter| cutter.emit(1, &mut [0; 200]));
    for router in ["10.0.0.1", "fd00::1"] {
        let _ = icmp_error(
            bytes,
            IcmpErrorKind::TooBig { mtu: 1300 },
            [2; 6],
            router.parse().expect("an address"),
        );
    }
    let _ = finish_checksum(&mut bytes.to_vec(), 14, 16);
}

#[test]
fn what_is_no_whole_tcp_packet_is_not_cut() {
    let frame = tcp_frame(false, false, 0, 0, &[1; 100]);
    assert!(TcpCutter::new(&frame, 0).is_err(), "a size of 0");
    for (at, value, why) in [(23, 17, "UDP"), (20, 0x20, "a fragment"), (46, 0x40, "a TCP header too short")]
    {
        let mut frame = frame.clone();
        frame[at] = value;
        assert!(TcpCutter::new(&frame, 50).is_err(), "{why}");
    }
}

#[test]
fn a_flow_keeps_its_hash_and_others_have_their_own() {
    let frame = tcp_frame(false, false, 0, 0, &[1; 100]);
    let hash = flow_hash(&frame);
    assert_eq!(hash, flow_hash(&tcp_frame(false, false, 0x10, 8, &[2; 300])));
    let hashes: std::collections::HashSet<_> = (0..1000_u16)
        .map(|port| {
            let mut frame = frame.clone();
            frame[34..36].copy_from_slice(&port.to_be_bytes());
            flow_hash(&frame) & 0x3fff
        })
        .collect();
    assert!(hashes.len() > 900, "{} of 1000 ports differ", hashes.len());
}

#[test]
fn a_later_fragment_hashes_like_the_first() {
    let mut first = tcp_frame(false, false, 0, 0, &[1; 100]);
    first[20] = 0x20;
    let mut later = first.clone();
    later[20..22].copy_from_slice(&[0, 9]);
    later[34..38].fill(0xee);
    assert_eq!(flow_hash(&first), flow_hash(&later));
}

/// The pieces of a frame behind other headers, which are between the addresses and what `skip` bytes follow.
fn pieces_within(headers: &[u8], skip: usize, frame: &[u8]) -> Vec<Vec<u8>> {
    let wrap = |frame: &[u8]| [&frame[..12], headers, &frame[skip..]].concat();
    let (mut plain, mut hidden) = (Vec::new(), Vec::new());
    let wrapped = wrap(frame);
    assert_eq!(Layers::parse(&wrapped), None);
    let mut scratch = FrameBuf::new();
    tcp_segments(frame, 50, &mut scratch, |piece| plain.push(wrap(piece.bytes()))).expect("cut");
    tcp_segments_within(&wrapped, 50, &mut scratch, |piece| hidden.push(piece.bytes().to_vec()))
        .expect("cut");
    assert_eq!(plain, hidden);
    hidden
}

#[test]
fn a_long_frame_is_cut_behind_labels_service_tags_and_many_vlan_tags() {
    for v6 in [false, true] {
        let frame = tcp_frame(v6, false, 0, 0, &[1; 120]);
        assert_eq!(pieces_within(&[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64], 14, &frame).len(), 3, "two labels");
        assert_eq!(pieces_within(&[0x88, 0x48, 0, 2, 1, 64], 14, &frame).len(), 3, "a label");
        assert_eq!(pieces_within(&[0x88, 0xe7, 0, 0, 0, 9], 0, &frame).len(), 3, "a service tag");
        let tags = [0x81, 0, 0, 1].repeat(3);
        assert_eq!(pieces_within(&tags, 12, &frame).len(), 3, "three VLAN tags");
    }
    let unlabelled = [&[2; 12], &[0x88, 0x47, 0, 2, 0, 64][..]].concat();
    assert_eq!(Layers::parse_within(&unlabelled), None, "a stack without an end");
}
