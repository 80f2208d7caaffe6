//! Fragments wait for one another and share what is decided.

mod common;

use common::fragments::{cut, fix_header_v4, join, long};
use common::*;
use proptest::prelude::*;
use tulle_conntrack::{Datagram, DropReason, FragmentLimits, Fragments, Nat, NatRange};

const A: &str = "10.0.0.1";
const B: &str = "192.0.2.2";
const N: &str = "198.51.100.1";

struct Wait {
    fragments: Fragments<usize>,
    lost: Vec<(DropReason, usize)>,
    now: u64,
}

impl Wait {
    fn new(limits: FragmentLimits) -> Self {
        Self { fragments: Fragments::new(limits), lost: Vec::new(), now: 0 }
    }

    fn offer(&mut self, frame: &[u8], zone: u16, context: usize) -> Option<Datagram<usize>> {
        let lost = &mut |reason, context| self.lost.push((reason, context));
        self.fragments.offer(frame, &untracked(frame), zone, context, self.now, lost)
    }

    fn expire(&mut self) {
        self.fragments.expire(self.now, &mut |reason, context| self.lost.push((reason, context)));
    }
}

fn frames() -> [Frame; 4] {
    [
        long(udp(A, 1000, B, 53), 600),
        long(tcp(A, 1000, B, 80, SYN, 1, 0), 600),
        long(udp("fd00::1", 1000, "2001:db8::2", 53), 600),
        long(tcp("fd00::1", 1000, "2001:db8::2", 80, SYN, 1, 0), 600),
    ]
}

proptest! {
    #[test]
    fn fragments_in_any_order_become_what_the_whole_would(
        which in 0..4_usize,
        at in prop::collection::vec(1..77_usize, 0..20),
        order in any::<u64>(),
    ) {
        let frame = &frames()[which];
        let new = if frame.v6() { "2001:db8::1" } else { N };
        let range = NatRange { ports: Some((7, 7)), ..NatRange::to(ip(new)) };
        let request = with_nat(Nat::Source(range));
        let mut fragments = cut(&frame.bytes(), 99, &at);
        prop_assume!(fragments.len() > 1);
        let count = fragments.len();
        let mut indices: Vec<usize> = (0..count).collect();
        indices.sort_by_key(|i| (order.wrapping_mul(i.wrapping_mul(0x9e37_79b9) as u64 | 1)) >> 7);
        let mut wait = Wait::new(FragmentLimits::default());
        let mut whole = None;
        for (n, i) in indices.iter().enumerate() {
            prop_assert!(whole.is_none());
            whole = wait.offer(&fragments[*i], 0, *i);
            prop_assert_eq!(whole.is_some(), n + 1 == count);
        }
        prop_assert_eq!((wait.fragments.len(), wait.fragments.bytes(), wait.lost.len()), (0, 0, 0));
        let mut datagram = whole.expect("whole");
        let outcome = tracker().track_datagram(&mut datagram, &request, 0).expect("room");
        prop_assert_eq!(words(outcome.state), "new|trk|snat");
        let (expected, expected_bytes) = send(&mut tracker(), frame, &request, 0);
        prop_assert_eq!(Ok(outcome), expected);
        let pieces = datagram.into_pieces();
        prop_assert_eq!(pieces.iter().map(|p| p.context).collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
        fragments = pieces.into_iter().map(|piece| piece.frame).collect();
        prop_assert_eq!(join(&fragments), expected_bytes);
    }

    #[test]
    fn arbitrary_offsets_never_panic_and_memory_stays_bounded(
        frames in prop::collection::vec((any::<bool>(), any::<u16>(), 0..600_usize, 0..3_u8), 0..200),
    ) {
        let limits = FragmentLimits { datagrams: 4, bytes: 4000, pieces: 8, ..FragmentLimits::default() };
        let mut wait = Wait::new(limits);
        let (mut offered, mut released) = (0, 0);
        for (v6, word, len, id) in frames {
            let frame = if v6 { udp("fd00::1", 1, "fd00::2", 2) } else { udp(A, 1, B, 2) };
            let mut bytes = cut(&long(frame, len).bytes(), u16::from(id), &[usize::MAX / 8]).remove(0);
            let (at, word) = if v6 { (56, word & 0xfff9) } else { (20, word & 0x3fff) };
            bytes[at..at + 2].copy_from_slice(&word.to_be_bytes());
            if !v6 {
                fix_header_v4(&mut bytes);
            }
            offered += 1;
            if let Some(datagram) = wait.offer(&bytes, 0, offered) {
                released += datagram.into_pieces().len();
            }
            prop_assert!(wait.fragments.len() <= 4 && wait.fragments.bytes() <= 4000);
        }
        wait.now = 60 * SECOND;
        wait.expire();
        prop_assert_eq!(wait.lost.len() + released, offered, "each is released or lost");
        prop_assert!(wait.fragments.is_empty());
    }
}

#[test]
fn replies_in_fragments_come_back_untranslated() {
    let mut tracker = tracker();
    let request = with_nat(Nat::Source(NatRange::to(ip(N))));
    pass(&mut tracker, &udp(A, 1000, B, 53), &request, 0);
    let reply = long(udp(B, 53, N, 1000), 300);
    let mut wait = Wait::new(FragmentLimits::default());
    let fragments = cut(&reply.bytes(), 5, &[1, 20]);
    assert!(wait.offer(&fragments[2], 0, 2).is_none());
    assert!(wait.offer(&fragments[0], 0, 0).is_none());
    let mut datagram = wait.offer(&fragments[1], 0, 1).expect("whole");
    let outcome = tracker.track_datagram(&mut datagram, &request, 0).expect("known");
    assert_eq!(words(outcome.state), "est|rpl|trk|dnat");
    let pieces: Vec<_> = datagram.into_pieces().into_iter().map(|piece| piece.frame).collect();
    assert_eq!(join(&pieces), long(udp(B, 53, A, 1000), 300).bytes());
}

#[test]
fn an_overlap_takes_the_whole_datagram() {
    let bytes = frames()[0].bytes();
    let (mut wait, other) = (Wait::new(FragmentLimits::default()), cut(&bytes, 1, &[11, 30]));
    let first = cut(&bytes, 1, &[10, 30]);
    assert!(wait.offer(&first[0], 0, 0).is_none());
    assert!(wait.offer(&first[2], 0, 1).is_none());
    assert!(wait.offer(&other[0], 0, 2).is_none());
    let reason = DropReason::FragmentOverlap;
    assert_eq!(wait.lost, [(reason, 2), (reason, 0), (reason, 1)]);
    assert!(wait.fragments.is_empty());
}

#[test]
fn a_duplicate_is_dropped_alone() {
    let fragments = cut(&frames()[2].bytes(), 1, &[10]);
    let mut wait = Wait::new(FragmentLimits::default());
    wait.offer(&fragments[0], 0, 0);
    wait.offer(&fragments[0], 0, 1);
    assert_eq!(wait.lost, [(DropReason::FragmentDuplicate, 1)]);
    assert!(wait.offer(&fragments[1], 0, 2).is_some());
}

#[test]
fn fragments_of_two_zones_do_not_meet() {
    let fragments = cut(&frames()[0].bytes(), 1, &[10]);
    let mut wait = Wait::new(FragmentLimits::default());
    assert!(wait.offer(&fragments[0], 1, 0).is_none());
    assert!(wait.offer(&fragments[1], 2, 1).is_none());
    assert_eq!(wait.fragments.len(), 2);
}

#[test]
fn what_never_becomes_whole_is_forgotten_in_time() {
    for (frame, seconds) in [(&frames()[0], 30), (&frames()[2], 60)] {
        let fragments = cut(&frame.bytes(), 1, &[10]);
        let mut wait = Wait::new(FragmentLimits::default());
        wait.offer(&fragments[0], 0, 0);
        wait.now = seconds * SECOND - 1;
        wait.expire();
        assert_eq!(wait.fragments.len(), 1);
        wait.now += 1;
        assert!(wait.offer(&fragments[1], 0, 1).is_none(), "too late");
        assert_eq!(wait.lost, [(DropReason::FragmentTimeout, 0)]);
    }
}

#[test]
fn a_flood_in_one_zone_leaves_the_datagrams_of_others() {
    let limits = FragmentLimits { datagrams: 10, ..FragmentLimits::default() };
    let mut wait = Wait::new(limits);
    let honest = cut(&frames()[0].bytes(), 1, &[10]);
    wait.offer(&honest[0], 1, 0);
    for id in 0..100 {
        wait.offer(&cut(&frames()[0].bytes(), id, &[10])[0], 2, 1);
    }
    assert_eq!(wait.fragments.len(), 10);
    assert_eq!(wait.lost.len(), 91);
    assert!(wait.lost.iter().all(|lost| *lost == (DropReason::FragmentEvicted, 1)));
    assert!(wait.offer(&honest[1], 1, 2).is_some());
}

#[test]
fn a_fragment_that_was_not_held_is_invalid() {
    let fragment = &cut(&frames()[0].bytes(), 1, &[10])[0];
    let (outcome, _) = send_bytes(&mut tracker(), fragment, &committing(), 0);
    assert_eq!(outcome.map(|o| words(o.state)), Ok("inv|trk".to_string()));
}
