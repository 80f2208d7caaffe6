//! Joined segments: cut again, they are what they were, and nothing overtakes within a flow.

use proptest::prelude::*;
use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, TcpMerger, checksum, ethernet, ipv4, ipv6, protocol, tcp, tcp_segments};

/// A long TCP frame, to be cut.
#[derive(Clone, Debug)]
struct Long {
    v6: bool,
    vlan: Option<u16>,
    port: u16,
    sequence: u32,
    id: u16,
    flags: u8,
    tos: u8,
    options: usize,
    payload_len: usize,
}

const PLAIN: Long = Long {
    v6: false,
    vlan: None,
    port: 40000,
    sequence: 1000,
    id: 7,
    flags: tcp::flag::ACK,
    tos: 0,
    options: 0,
    payload_len: 5000,
};

impl Long {
    fn frame(&self) -> Vec<u8> {
        let ether_type = if self.v6 { 0x86dd } else { 0x0800 };
        let (source, destination) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let link = ethernet::Repr { source, destination, vlan: self.vlan, ether_type };
        let mut segment = vec![0; 20 + 4 * self.options];
        segment.extend((0..self.payload_len).map(|i| (i * 31 + i / 7) as u8));
        segment[..2].copy_from_slice(&self.port.to_be_bytes());
        segment[2..4].copy_from_slice(&80_u16.to_be_bytes());
        segment[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        segment[12] = ((5 + self.options) << 4) as u8;
        segment[13] = self.flags;
        segment[14..16].copy_from_slice(&[1, 0xf6]);
        segment[20..20 + 4 * self.options].fill(1);
        let mut frame = vec![0; link.buffer_len()];
        link.emit(&mut frame).expect("room");
        frame.extend(self.network(segment.len()));
        frame.extend(segment);
        frame
    }

    fn network(&self, payload_len: usize) -> Vec<u8> {
        let mut header = vec![0; if self.v6 { 40 } else { 20 }];
        let emitted = if self.v6 {
            let source = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].into();
            let destination = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2].into();
            let (next_header, hop_limit, traffic_class, flow_label) = (protocol::TCP, 64, self.tos, 9);
            ipv6::Repr { source, destination, next_header, payload_len, hop_limit, traffic_class, flow_label }
                .emit(&mut header)
        } else {
            let (source, destination) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
            let (protocol, ttl, tos, id, dont_fragment) = (protocol::TCP, 64, self.tos, self.id, true);
            ipv4::Repr { source, destination, protocol, payload_len, ttl, tos, id, dont_fragment }
                .emit(&mut header)
        };
        emitted.expect("room");
        header
    }

    /// The segments that a device makes of it.
    fn segments(&self, size: u16) -> Vec<Vec<u8>> {
        cut(&self.frame(), size)
    }
}

fn cut(frame: &[u8], size: u16) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    tcp_segments(frame, size, &mut FrameBuf::new(), |piece| pieces.push(piece.bytes().to_vec()))
        .expect("TCP");
    pieces
}

/// What comes out of a merger: tag, frame and offload of each.
fn merged(frames: &[(u8, Vec<u8>)], flows: usize, batch: usize) -> Vec<(u8, Vec<u8>, Offload)> {
    let mut merger = TcpMerger::new(flows);
    let out = std::cell::RefCell::new(Vec::new());
    let mut each = |tag, frame: &mut FrameBuf, offload: &Offload| {
        out.borrow_mut().push((tag, frame.bytes().to_vec(), *offload));
        // As a tunnel would, behind the merger.
        frame.push_front(tulle_wire::HEADROOM).expect("full headroom").fill(0xee);
    };
    for frames in frames.chunks(batch) {
        for (tag, frame) in frames {
            let offload = Offload::default();
            if !merger.offer(*tag, &FrameBuf::copied(frame), &offload, &mut each) {
                out.borrow_mut().push((*tag, frame.clone(), offload));
            }
        }
        merger.flush(&mut each);
        assert!(merger.is_empty());
    }
    out.into_inner()
}

/// What a device makes of what came out.
fn cut_again(out: &[(u8, Vec<u8>, Offload)]) -> Vec<(u8, Vec<u8>)> {
    let pieces = |(tag, frame, offload): &(u8, Vec<u8>, Offload)| match offload.gso {
        GsoKind::None => vec![(*tag, frame.clone())],
        _ => {
            assert!(offload.needs_csum && offload.fits(frame.len()));
            cut(frame, offload.gso_size).into_iter().map(|piece| (*tag, piece)).collect()
        }
    };
    out.iter().flat_map(pieces).collect()
}

/// Protocol, addresses and ports: whichever way its frames came, none may overtake another.
type Flow = (u8, Vec<u8>, (u16, u16));

/// The frames of one flow, in order.
fn of_flow<'a>(frames: &'a [(u8, Vec<u8>)], key: &Flow) -> Vec<&'a Vec<u8>> {
    let is_of = |(_, frame): &&(u8, Vec<u8>)| flow(frame).as_ref() == Some(key);
    frames.iter().filter(is_of).map(|(_, frame)| frame).collect()
}

fn flow(frame: &[u8]) -> Option<Flow> {
    let layers = tulle_wire::Layers::parse(frame)?;
    Some((layers.protocol, layers.addresses(frame).to_vec(), layers.ports(frame)?))
}

fn long() -> impl Strategy<Value = Long> {
    let flags = prop_oneof![
        6 => Just(tcp::flag::ACK),
        2 => Just(tcp::flag::ACK | tcp::flag::PSH),
        1 => Just(tcp::flag::ACK | tcp::flag::ECE),
        1 => any::<u8>()
    ];
    let head = (any::<bool>(), prop::option::weighted(0.2, 0_u16..3), 40000_u16..40003, flags);
    let numbers = (any::<u32>(), prop_oneof![any::<u16>(), Just(0xfffe_u16)], 0_u8..3);
    let sizes = (prop_oneof![0_usize..4000, 0_usize..70_000], 0_usize..4);
    (head, numbers, sizes).prop_map(
        |((v6, vlan, port, flags), (sequence, id, tos), (payload_len, options))| Long {
            v6,
            vlan,
            port,
            sequence,
            id,
            flags,
            tos,
            options,
            payload_len: payload_len.min(65_000),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn cut_again_every_frame_is_there_in_the_order_of_its_flow(
        longs in prop::collection::vec((long(), 100_u16..3000, 0_u8..2), 1..5),
        order in prop::collection::vec(any::<prop::sample::Index>(), 400),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_u8..), 0..3),
        flows in 1_usize..4, batch in 1_usize..300
    ) {
        let mut queues: Vec<_> = longs.iter()
            .map(|(long, size, tag)| long.segments(*size).into_iter().map(|frame| (*tag, frame)).collect::<std::collections::VecDeque<_>>())
            .collect();
        // Runs of one queue, as batches from a device have them.
        let mut frames = Vec::new();
        for pick in &order {
            let queue = pick.index(queues.len());
            let run = pick.index(16) + 1;
            frames.extend((0..run).map_while(|_| queues[queue].pop_front()));
        }
        prop_assume!(!frames.is_empty());
        let count = frames.len();
        for (index, at, flip) in &damage {
            let frame = &mut frames[index.index(count)].1;
            let at = at.index(frame.len());
            frame[at] ^= flip;
        }
        let got = cut_again(&merged(&frames, flows, batch));
        let sorted = |frames: &[(u8, Vec<u8>)]| { let mut sorted = frames.to_vec(); sorted.sort(); sorted };
        let lost: Vec<_> = frames.iter().filter(|frame| !got.contains(frame)).collect();
        prop_assert!(sorted(&got) == sorted(&frames), "{lost:02x?} not in {} of {}", got.len(), frames.len());
        for key in frames.iter().filter_map(|(_, frame)| flow(frame)) {
            prop_assert!(of_flow(&got, &key) == of_flow(&frames, &key), "{key:?}");
        }
    }
}

#[test]
fn the_segments_of_a_long_frame_become_that_frame() {
    for v6 in [false, true] {
        for vlan in [None, Some(5)] {
            let long = Long { v6, vlan, flags: tcp::flag::ACK | tcp::flag::PSH, options: 3, ..PLAIN };
            let frames: Vec<_> = long.segments(1448).into_iter().map(|frame| (0, frame)).collect();
            let out = merged(&frames, 1, 64);
            let [(_, frame, offload)] = out.as_slice() else { panic!("{} frames", out.len()) };
            let at = 14 + vlan.map_or(0, |_| 4) + if v6 { 40 } else { 20 };
            let expected = Offload {
                needs_csum: true,
                csum_start: at as u16,
                csum_offset: 16,
                gso: if v6 { GsoKind::TcpV6 } else { GsoKind::TcpV4 },
                gso_size: 1448,
                hdr_len: (at + 32) as u16,
                ..Offload::default()
            };
            assert_eq!(*offload, expected);
            // The sum of the pseudo header, which the device completes.
            let mut whole = long.frame();
            whole[at + 16..at + 18].copy_from_slice(&frame[at + 16..at + 18]);
            assert!(*frame == whole);
            let mut finished = frame.clone();
            tulle_wire::finish_checksum(&mut finished, at as u16, 16).expect("room");
            let sum = checksum::sum(if v6 { &finished[at - 32..at] } else { &finished[at - 8..at] });
            let pseudo = checksum::add(checksum::add(sum, 6), (finished.len() - at) as u16);
            assert!(checksum::verify(pseudo, &finished[at..]));
        }
    }
}

#[test]
fn flows_that_alternate_are_joined_each_for_itself() {
    let flows = [40000, 40001, 40002].map(|port| Long { port, ..PLAIN }.segments(1000));
    let frames: Vec<_> =
        (0..5).flat_map(|index| flows.each_ref().map(|flow| (0, flow[index].clone()))).collect();
    assert_eq!(merged(&frames, 3, 64).len(), 3);
    assert_eq!(merged(&frames, 2, 64).len(), 15, "one flow too many for the slots, in turn");
}

#[test]
fn what_came_through_different_tunnels_is_not_joined_and_stays_in_order() {
    let frames: Vec<_> =
        PLAIN.segments(1000).into_iter().enumerate().map(|(index, frame)| (index as u8 % 2, frame)).collect();
    let out = merged(&frames, 4, 64);
    assert_eq!(out.len(), frames.len());
    assert!(cut_again(&out) == frames);
}

/// How many frames come out if the third of five segments is changed and its checksums made right again.
fn after(change: impl FnOnce(&mut Vec<u8>)) -> usize {
    let mut segments = PLAIN.segments(1000);
    change(&mut segments[2]);
    let third = &mut segments[2];
    third[24..26].fill(0);
    let sum = !checksum::sum(&third[14..34]);
    third[24..26].copy_from_slice(&sum.to_be_bytes());
    let len = usize::from(u16::from_be_bytes([third[16], third[17]])) - 20;
    let pseudo = checksum::pseudo_v4([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 6, len);
    third[50..52].copy_from_slice(&pseudo.to_be_bytes());
    let sum = !checksum::sum(&third[34..34 + len]);
    third[50..52].copy_from_slice(&sum.to_be_bytes());
    let frames: Vec<_> = segments.into_iter().map(|frame| (0, frame)).collect();
    let out = merged(&frames, 4, 64);
    assert!(cut_again(&out) == frames, "in order and unchanged");
    out.len()
}

#[test]
fn a_segment_that_a_cut_would_not_have_made_is_not_joined() {
    assert_eq!(after(|_| {}), 1);
    // Those after it continue it or the first two, or not.
    assert_eq!(after(|frame| frame[15] = 1), 3, "DSCP or ECN");
    assert_eq!(after(|frame| frame[22] = 63), 3, "TTL");
    assert_eq!(after(|frame| frame[19] ^= 1), 3, "identification");
    assert_eq!(after(|frame| frame[20] = 0), 3, "don't fragment");
    assert_eq!(after(|frame| frame[5] = 9), 3, "Ethernet address");
    assert_eq!(after(|frame| frame[41] ^= 1), 3, "sequence");
    assert_eq!(after(|frame| frame[45] ^= 1), 3, "acknowledgment");
    assert_eq!(after(|frame| frame[48] ^= 1), 3, "window");
    assert_eq!(after(|frame| frame[53] ^= 1), 3, "urgent pointer");
    assert_eq!(after(|frame| frame[47] |= tcp::flag::ECE), 3, "ECE");
    assert_eq!(after(|frame| frame[47] |= tcp::flag::CWR), 3, "CWR");
    assert_eq!(after(|frame| frame[47] |= tcp::flag::RST), 3, "RST");
    assert_eq!(after(|frame| frame[46] |= 1), 3, "a reserved bit");
    assert_eq!(after(|frame| frame[47] |= tcp::flag::PSH), 2, "PSH is the last of a long frame");
    assert_eq!(after(|frame| frame[47] |= tcp::flag::FIN), 2, "FIN is the last of a long frame");
    assert_eq!(after(|frame| frame.push(0)), 3, "padding");
}

#[test]
fn a_segment_with_a_wrong_checksum_passes_as_it_is() {
    for at in [24, 50, 60] {
        let mut segments = PLAIN.segments(1000);
        segments[2][at] ^= 1;
        let frames: Vec<_> = segments.into_iter().map(|frame| (0, frame)).collect();
        let out = merged(&frames, 4, 64);
        assert_eq!(out.len(), 3, "byte {at}");
        assert!(cut_again(&out) == frames, "byte {at}");
    }
}

#[test]
fn a_checksum_of_all_ones_is_right_but_no_device_makes_it() {
    // One payload word is chosen such that the checksum becomes 0, which may be written as 0xffff too.
    let mut segments = PLAIN.segments(1000);
    let third = &mut segments[2];
    let checksum = u16::from_be_bytes([third[50], third[51]]);
    let word = u16::from_be_bytes([third[54], third[55]]);
    third[54..56].copy_from_slice(&checksum::add(word, checksum).to_be_bytes());
    for (field, expected) in [(0_u16, 1), (0xffff, 3)] {
        segments[2][50..52].copy_from_slice(&field.to_be_bytes());
        let frames: Vec<_> = segments.iter().map(|frame| (0, frame.clone())).collect();
        let out = merged(&frames, 4, 64);
        assert_eq!(out.len(), expected, "{field:#x}");
        assert!(cut_again(&out) == frames);
    }
}

#[test]
fn no_more_than_an_ip_packet_holds_is_joined() {
    let mut frames = Vec::new();
    for part in 0..3_u32 {
        let long = Long { sequence: part * 60_000, id: 7 + 60 * part as u16, payload_len: 60_000, ..PLAIN };
        frames.extend(long.segments(1000).into_iter().map(|frame| (0, frame)));
    }
    let out = merged(&frames, 1, 1000);
    assert_eq!(out.iter().map(|(_, frame, _)| frame.len()).collect::<Vec<_>>(), [65_054, 65_054, 50_054]);
    assert!(cut_again(&out) == frames);
}

#[test]
fn small_segments_are_joined_128_at_a_time() {
    let frames: Vec<_> =
        Long { payload_len: 3000, ..PLAIN }.segments(10).into_iter().map(|frame| (0, frame)).collect();
    assert_eq!(merged(&frames, 1, 1000).len(), 300_usize.div_ceil(128));
}

#[test]
fn acknowledgments_and_frames_that_are_not_tcp_pass_at_once() {
    let ack = Long { payload_len: 0, port: 40001, ..PLAIN }.segments(1000).remove(0);
    let mut udp = PLAIN.segments(1000).remove(0);
    checksum::rewrite_word(&mut udp[14..34], 10, 8, 0x4011);
    let arp = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1, 8, 6], &[0; 28]].concat();
    let held = PLAIN.segments(1000).remove(0);
    let frames = [held.clone(), ack.clone(), udp.clone(), arp.clone()].map(|frame| (0, frame));
    let out: Vec<_> = merged(&frames, 4, 64).into_iter().map(|(_, frame, _)| frame).collect();
    assert!(out == [ack, udp, arp, held]);
}
