//! Checksums that were left unfinished: they may not become a way to write what has been judged already.

use crate::frames::{self, Checksum};
use crate::recorder::{from_port, send_with, switch};
use tulle_datapath::DropReason;
use tulle_wire::vnet::Offload;

fn undone(csum_start: usize, csum_offset: u16) -> Offload {
    Offload { needs_csum: true, csum_start: csum_start as u16, csum_offset, ..Offload::default() }
}

fn passes(frame: &[u8], csum_start: usize, csum_offset: u16) -> bool {
    let mut datapath = switch(&["actions=output:2"]);
    let effects = send_with(&mut datapath, frame, &undone(csum_start, csum_offset), &from_port(1), 0);
    assert!(effects.ports() == [2] || effects.reasons() == [DropReason::BadOffload]);
    effects.ports() == [2]
}

/// Behind an outer header of 20 bytes, as in IP in IP.
fn inside(proto: u8, frame: &[u8]) -> Vec<u8> {
    let outer = frames::Transport { proto, bytes: frame[14..].to_vec(), checksum_at: 10_000 };
    frames::ipv4(64, &outer, Checksum::Absent)
}

#[test]
fn only_the_checksum_of_the_header_that_was_judged_may_be_finished() {
    let own = [
        (frames::tcp(1, 2, b"0123456789abcdefghij"), 16),
        (frames::udp(1, 53, b"0123456789abcdefghij"), 6),
        (frames::icmpv4(8, 0, b"0123456789abcdefghij"), 2),
        (frames::sctp(1, 2, b"0123456789abcdefghij"), 8),
    ];
    for (transport, offset) in own {
        let frame = frames::ipv4(64, &transport, Checksum::Partial);
        let right = (0..20).filter(|offset| passes(&frame, 34, *offset)).collect::<Vec<_>>();
        assert_eq!(right, [offset], "protocol {}", transport.proto);
        let early = (0..34).find(|start| (0..30).any(|offset| passes(&frame, *start, offset)));
        assert_eq!(early, None, "protocol {}", transport.proto);
    }
    let icmp = frames::ipv6(64, &frames::icmpv6(128, 0, b"0123456789"), Checksum::Partial);
    assert_eq!((passes(&icmp, 54, 2), passes(&icmp, 54, 0), passes(&icmp, 62, 0)), (true, false, false));
    let asked = frames::ipv6(64, &frames::neighbour(135, frames::IP6_B, frames::MAC_A), Checksum::Partial);
    assert_eq!((passes(&asked, 54, 2), passes(&asked, 54 + 8, 0)), (true, false));
}

#[test]
fn a_port_that_a_table_has_seen_stays() {
    // With a checksum at the port, a payload of the sender's choice would decide what it becomes.
    let frame = frames::ipv4(64, &frames::udp(4000, 53, b"any"), Checksum::Absent);
    let mut datapath = switch(&["priority=1,udp,udp_dst=53 actions=output:2", "priority=0 actions=drop"]);
    let effects = send_with(&mut datapath, &frame, &undone(34, 2), &from_port(1), 0);
    assert_eq!((effects.ports(), effects.reasons()), (vec![], vec![DropReason::BadOffload]));
}

#[test]
fn a_checksum_within_what_is_carried_may_be_finished() {
    let inner = frames::ipv4(64, &frames::tcp(1, 2, b"x"), Checksum::Partial);
    let vxlan = frames::udp(4000, 4789, &[&[8, 0, 0, 0, 0, 0, 5, 0], &inner[..]].concat());
    let outer = frames::ipv4(64, &vxlan, Checksum::Full);
    assert!(passes(&outer, 50 + 34, 16), "VXLAN of the sender's own");
    assert!(passes(&outer, 34, 6), "and its own checksum");
    assert!(!passes(&outer, 34 + 7, 3));
    assert!(passes(&inside(4, &inner), 54, 16), "IP in IP");
    assert!(!passes(&inside(4, &inner), 30, 16));
    let options = frames::with_extensions(&outer_v6(&inner), &[0, 60]);
    assert!(passes(&options, 54 + 16 + 20, 16), "IP in IPv6, behind extension headers");
    assert!(!passes(&options, 54 + 8, 0), "a kind of extension header");
    let labelled = frames::ethernet(0x8847, &[&[0, 1, 1, 64], &inner[14..]].concat());
    assert!(passes(&labelled, 38, 16), "behind a label");
    assert!(!passes(&labelled, 14, 0));
    let backbone = frames::ethernet(0x88e7, &[&[0, 0, 0, 9], &inner[..]].concat());
    assert!(passes(&backbone, 18 + 34, 16), "behind a service tag");
    assert!(!passes(&backbone, 14, 2));
    assert!(!passes(&frames::arp_request(frames::IP_B), 30, 0), "ARP");
    assert!(passes(&frames::ethernet(0x9999, &[0; 40]), 14, 0), "of what nobody reads");
}

fn outer_v6(inner: &[u8]) -> Vec<u8> {
    let outer = frames::Transport { proto: 4, bytes: inner[14..].to_vec(), checksum_at: 10_000 };
    frames::ipv6(64, &outer, Checksum::Absent)
}

#[test]
fn what_a_header_hid_is_looked_at_when_it_is_gone() {
    let inner = frames::ipv4(64, &frames::udp(4000, 53, b"any"), Checksum::Absent);
    let frame = frames::ethernet(0x88e7, &[&[0, 0, 0, 9], &inner[..]].concat());
    let flows = ["table=0 actions=pop_pbb,resubmit(,1)", "table=1,udp,udp_dst=53 actions=output:2"];
    let reasons = |start, offset| {
        send_with(&mut switch(&flows), &frame, &undone(start, offset), &from_port(1), 0).reasons()
    };
    assert_eq!(reasons(18 + 34, 6), []);
    assert_eq!(reasons(18 + 34, 2), [DropReason::BadOffload]);
}

#[test]
fn a_checksum_of_sctp_is_finished_as_what_it_is() {
    let sctp = frames::sctp(7, 9, b"chunks of some length");
    let right = frames::ipv4(64, &sctp, Checksum::Absent);
    let mut frame = right.clone();
    frame[34 + 8..34 + 12].fill(0);
    let mut datapath = switch(&["sctp,sctp_dst=9 actions=output:2,set_field:10->sctp_dst,output:3"]);
    let effects = send_with(&mut datapath, &frame, &undone(34, 8), &from_port(1), 0);
    let translated = frames::ipv4(64, &frames::sctp(7, 10, b"chunks of some length"), Checksum::Absent);
    assert_eq!(effects.frames(), [&right[..], &translated[..]]);
    assert!(effects.offloads().iter().all(|offload| !offload.needs_csum));
}

#[test]
fn a_first_fragment_that_holds_just_the_ports_of_sctp_shows_them() {
    let mut sctp = frames::sctp(7, 9, b"");
    sctp.bytes.truncate(8);
    let mut frame = frames::ipv4(64, &sctp, Checksum::Absent);
    frame[20] = 0x20;
    let mut datapath = switch(&["priority=1,sctp,sctp_dst=9 actions=drop", "priority=0 actions=output:2"]);
    assert_eq!(send_with(&mut datapath, &frame, &Offload::default(), &from_port(1), 0).ports(), []);
}
