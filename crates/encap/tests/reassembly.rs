//! STT's segments put together again, in memory that has a bound.

mod common;

use common::ENDS;
use proptest::prelude::*;
use tulle_encap::DropReason;
use tulle_encap::stt::{Key, Limits, Piece, Reassembly};

fn key(id: u32) -> Key {
    Key { source: ENDS.local, destination: ENDS.remote, id }
}

fn piece(id: u32, offset: usize, bytes: &[u8]) -> Piece<'_> {
    Piece { key: key(id), total: 100, offset, tos: 0, bytes }
}

proptest! {
    #[test]
    fn reassembly_agrees_with_a_map_of_bytes(pieces in prop::collection::vec((0_usize..40, 1_usize..12), 1..60)) {
        const TOTAL: usize = 40;
        let sent: Vec<u8> = (0..TOTAL as u8).collect();
        let mut reassembly = Reassembly::new(Limits::default());
        let mut have = [false; TOTAL];
        for (offset, len) in pieces {
            let end = (offset + len).min(TOTAL);
            let piece = Piece { key: key(1), total: TOTAL, offset, tos: 0, bytes: &sent[offset..end] };
            let overlaps = have[offset..end].iter().any(|have| *have);
            match reassembly.insert(&piece, 0, &mut |reason| panic!("{reason}")) {
                Err(reason) => {
                    prop_assert_eq!(reason, DropReason::SttOverlap);
                    prop_assert!(overlaps);
                }
                Ok(whole) => {
                    prop_assert!(!overlaps);
                    have[offset..end].fill(true);
                    prop_assert_eq!(whole.is_some(), have == [true; TOTAL]);
                    if let Some(whole) = whole {
                        prop_assert_eq!(whole.frame.bytes(), &sent[..]);
                        have = [false; TOTAL];
                        reassembly.recycle(whole);
                    }
                }
            }
        }
    }
}

#[test]
fn a_segment_with_another_frame_length_is_dropped_and_the_frame_goes_on() {
    let mut reassembly = Reassembly::new(Limits::default());
    let mut lost = |reason: DropReason| panic!("{reason}");
    assert!(reassembly.insert(&piece(1, 0, &[1; 50]), 0, &mut lost).expect("taken").is_none());
    let other = Piece { total: 101, ..piece(1, 50, &[2; 50]) };
    assert_eq!(reassembly.insert(&other, 0, &mut lost).expect_err("dropped"), DropReason::SttBadLength);
    assert!(reassembly.insert(&piece(1, 50, &[2; 50]), 0, &mut lost).expect("taken").is_some());
}

#[test]
fn the_frame_longest_without_a_segment_gives_way() {
    let mut reassembly = Reassembly::new(Limits { frames: 2, ..Limits::default() });
    let mut lost = Vec::new();
    for (id, offset) in [(1, 0), (2, 0), (1, 10), (3, 0)] {
        reassembly.insert(&piece(id, offset, &[0; 10]), 0, &mut |reason| lost.push(reason)).expect("taken");
    }
    assert_eq!((lost.as_slice(), reassembly.len()), (&[DropReason::SttEvicted][..], 2));
    let whole = reassembly.insert(&piece(1, 20, &[0; 80]), 0, &mut |_| {}).expect("taken");
    assert!(whole.is_some(), "frame 1 was touched after frame 2");
}

#[test]
fn a_frame_full_of_gaps_takes_no_more_of_them() {
    let mut reassembly = Reassembly::new(Limits::default());
    let mut reasons = Vec::new();
    for offset in (0..1000).step_by(2) {
        let piece = Piece { total: 1000, ..piece(1, offset, &[0]) };
        reasons.extend(reassembly.insert(&piece, 0, &mut |_| {}).err());
    }
    assert_eq!(reasons, vec![DropReason::SttTooManyPieces; 500 - 64]);
}
