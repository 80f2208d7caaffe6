//! Trains of datagrams, honest and hostile: each datagram ends in a frame or a reason, and joining loses and invents
//! nothing.

mod common;

use common::tunnel::Tunnel;
use common::{Inner, cut};
use proptest::prelude::*;
use tulle_encap::{Checksum, DropReason, Popped, Vxlan};
use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, TcpMerger};

/// Outer Ethernet, IPv4 and UDP.
const HEADERS_LEN: usize = 14 + 20 + 8;
const SEGMENT: u16 = 1300;
/// A datagram's VXLAN header, and the inner headers and payload.
const DATAGRAM: usize = 8 + 54 + SEGMENT as usize;
type Inners = Vec<Result<(Popped, Vec<u8>), DropReason>>;

/// A frame of ten segments, and the train that it becomes.
fn train() -> (Vec<u8>, Vec<u8>, Offload) {
    let (frame, offload) = Inner { payload_len: 10 * usize::from(SEGMENT), ..Inner::PLAIN }.undone(SEGMENT);
    let tunnel = Tunnel { name: "vxlan", v6: false, checksum: Checksum::Usual };
    let mut outers = tunnel.push(9, &frame, &offload, true);
    assert_eq!(outers.len(), 1);
    let (outer, undone) = outers.remove(0);
    assert_eq!((undone.gso, usize::from(undone.gso_size)), (GsoKind::UdpL4, DATAGRAM));
    (frame, outer, undone)
}

/// What comes out, and the same joined as the switch joins it and cut again, with the number of joined frames.
fn received(outer: &[u8], offload: &Offload) -> (Inners, Vec<(u64, Vec<u8>)>, usize) {
    let inners = common::pop(&mut Vxlan::default(), outer, offload);
    let (mut merger, out) = (TcpMerger::new(4), std::cell::RefCell::new(Vec::new()));
    let mut each = |popped: Popped, frame: &mut FrameBuf, offload: &Offload| {
        out.borrow_mut().push((popped.context, frame.bytes().to_vec(), *offload));
    };
    for (popped, frame) in inners.iter().flatten() {
        if !merger.offer(*popped, &FrameBuf::copied(frame), &popped.offload, &mut each) {
            out.borrow_mut().push((popped.context, frame.clone(), popped.offload));
        }
    }
    merger.flush(&mut each);
    let joined = out.into_inner();
    let count = joined.len();
    let pieces = joined.into_iter().flat_map(|(context, frame, offload)| {
        let pieces = if offload.gso == GsoKind::None { vec![frame] } else { cut(&frame, offload.gso_size) };
        pieces.into_iter().map(move |piece| (context, piece))
    });
    (inners, pieces.collect(), count)
}

fn frames(inners: &Inners) -> Vec<(u64, Vec<u8>)> {
    inners.iter().flatten().map(|(popped, frame)| (popped.context, frame.clone())).collect()
}

fn sorted(mut frames: Vec<(u64, Vec<u8>)>) -> Vec<(u64, Vec<u8>)> {
    frames.sort();
    frames
}

#[test]
fn a_train_of_another_network_in_the_middle_is_three_frames() {
    let (frame, mut outer, offload) = train();
    for datagram in 4..6 {
        outer[HEADERS_LEN + datagram * DATAGRAM + 6] = 8;
    }
    let (inners, pieces, count) = received(&outer, &offload);
    let contexts: Vec<u64> = inners.iter().flatten().map(|(popped, _)| popped.context).collect();
    assert_eq!(contexts, [9, 9, 9, 9, 8, 8, 9, 9, 9, 9]);
    assert_eq!(count, 3);
    let all: Vec<_> = pieces.into_iter().map(|(_, piece)| piece).collect();
    assert!(all == cut(&frame, SEGMENT), "and each is what was sent");
}

#[test]
fn one_datagram_with_a_wrong_header_is_lost_alone() {
    let (frame, mut outer, offload) = train();
    outer[HEADERS_LEN + 3 * DATAGRAM] = 0;
    let (inners, pieces, count) = received(&outer, &offload);
    let lost: Vec<_> = inners.iter().filter_map(|inner| inner.as_ref().err()).collect();
    assert_eq!((lost.len(), count), (1, 2));
    let mut expected = cut(&frame, SEGMENT);
    expected.remove(3);
    assert!(pieces.into_iter().map(|(_, piece)| piece).eq(expected));
}

#[test]
fn a_wrong_inner_checksum_stays_wrong() {
    let (_, mut outer, offload) = train();
    outer[HEADERS_LEN + 5 * DATAGRAM + 8 + 54 + 100] ^= 1;
    let (inners, pieces, count) = received(&outer, &offload);
    assert_eq!(count, 3, "it is joined with nothing");
    assert!(pieces == frames(&inners));
}

#[test]
fn a_last_datagram_that_is_cut_short_is_a_frame_of_its_own_or_lost() {
    let (frame, mut outer, offload) = train();
    for (left, expected) in
        [(700, None), (20, Some(DropReason::InnerTruncated)), (5, Some(DropReason::VxlanTruncated))]
    {
        let len = HEADERS_LEN + 9 * DATAGRAM + left;
        outer.truncate(len);
        outer[16..18].copy_from_slice(&((len - 14) as u16).to_be_bytes());
        outer[24..26].fill(0);
        let sum = !tulle_wire::checksum::sum(&outer[14..34]);
        outer[24..26].copy_from_slice(&sum.to_be_bytes());
        outer[38..40].copy_from_slice(&((len - 34) as u16).to_be_bytes());
        let (inners, pieces, _) = received(&outer, &offload);
        assert_eq!(inners.len(), 10);
        assert_eq!(inners[9].as_ref().err(), expected.as_ref(), "{left}");
        assert!(sorted(pieces.clone()) == sorted(frames(&inners)));
        // What is no whole IP packet is of no flow, and waits for none.
        let whole = pieces.iter().map(|(_, piece)| piece).filter(|piece| piece.len() == DATAGRAM - 8);
        assert!(whole.eq(&cut(&frame, SEGMENT)[..9]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn each_datagram_of_a_hostile_train_ends_in_a_frame_or_a_reason(
        size in prop_oneof![Just(DATAGRAM as u16), any::<u16>(), 1_u16..100],
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)
    ) {
        let (_, mut outer, mut offload) = train();
        offload.gso_size = size;
        // The outer headers stay, else nothing behind them is looked at.
        let len = outer.len() - HEADERS_LEN;
        for (at, byte) in damage {
            outer[HEADERS_LEN + at.index(len)] = byte;
        }
        let (inners, pieces, _) = received(&outer, &offload);
        let expected = if size == 0 { 1 } else { len.div_ceil(usize::from(size)) };
        prop_assert_eq!(inners.len(), expected);
        prop_assert!(sorted(pieces) == sorted(frames(&inners)));
    }
}
