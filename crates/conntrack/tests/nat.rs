//! Addresses and ports, there and back.

mod common;

use common::*;
use tulle_conntrack::{Conntrack, DropReason, Nat, NatRange, Packet, PortChoice, Request, state};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

const A: &str = "10.0.0.1";
const A2: &str = "10.0.0.9";
const B: &str = "192.0.2.2";
const N: &str = "198.51.100.1";

fn source(address: &str) -> Request {
    with_nat(Nat::Source(NatRange::to(ip(address))))
}

fn destination(address: &str, port: u16) -> Request {
    with_nat(Nat::Destination(NatRange { ports: Some((port, port)), ..NatRange::to(ip(address)) }))
}

fn existing() -> Request {
    Request { nat: Nat::Existing, ..Request::default() }
}

/// Sends, and gives state and ends.
fn result(tracker: &mut Conntrack, frame: &Frame, request: &Request) -> String {
    match send(tracker, frame, request, 0) {
        (Ok(outcome), bytes) => format!("{} {}", words(outcome.state), ends(&bytes)),
        (Err(reason), _) => reason.name().to_string(),
    }
}

#[test]
fn a_source_is_hidden_there_and_found_back() {
    let mut tracker = tracker();
    let there = result(&mut tracker, &udp(A, 1000, B, 53), &source(N));
    assert_eq!(there, format!("new|trk|snat {N} 1000 > {B} 53"));
    let back = result(&mut tracker, &udp(B, 53, N, 1000), &existing());
    assert_eq!(back, format!("est|rpl|trk|dnat {B} 53 > {A} 1000"));
    let there = result(&mut tracker, &udp(A, 1000, B, 53), &existing());
    assert_eq!(there, format!("est|trk|snat {N} 1000 > {B} 53"));
    let untouched = result(&mut tracker, &udp(A, 1000, B, 53), &looking());
    assert_eq!(untouched, format!("est|trk {A} 1000 > {B} 53"), "no nat, no translation");
}

#[test]
fn two_hosts_with_the_same_port_get_different_ones() {
    let mut tracker = tracker();
    result(&mut tracker, &udp(A, 1000, B, 53), &source(N));
    let second = result(&mut tracker, &udp(A2, 1000, B, 53), &source(N));
    let port: u16 = second.split(' ').nth(2).expect("a port").parse().expect("a number");
    assert!(port != 1000 && (600..1024).contains(&port), "{second}");
    let back = result(&mut tracker, &udp(B, 53, N, port), &existing());
    assert_eq!(back, format!("est|rpl|trk|dnat {B} 53 > {A2} 1000"));
    let other = result(&mut tracker, &udp(A2, 1000, "192.0.2.3", 53), &source(N));
    assert_eq!(other, format!("new|trk|snat {N} 1000 > 192.0.2.3 53"), "another server, no clash");
}

#[test]
fn a_destination_is_replaced_there_and_restored_back() {
    let mut tracker = tracker();
    let there = result(&mut tracker, &tcp(A, 1000, N, 80, SYN, 1, 0), &destination(B, 8080));
    assert_eq!(there, format!("new|trk|dnat {A} 1000 > {B} 8080"));
    let back = result(&mut tracker, &tcp(B, 8080, A, 1000, SYN | ACK, 9, 2), &existing());
    assert_eq!(back, format!("est|rpl|trk|snat {N} 80 > {A} 1000"));
}

#[test]
fn replies_of_one_server_behind_two_addresses_are_told_apart() {
    let mut tracker = tracker();
    result(&mut tracker, &udp(A, 5000, N, 53), &destination(B, 53));
    let whole = Nat::Destination(NatRange::to(ip(B)));
    let second = result(&mut tracker, &udp(A, 5000, "198.51.100.2", 53), &with_nat(whole));
    let port: u16 = second.split(' ').nth(2).expect("a port").parse().expect("a number");
    assert_ne!(port, 5000);
    let back = result(&mut tracker, &udp(B, 53, A, port), &existing());
    assert_eq!(back, format!("est|rpl|trk|snat|dnat 198.51.100.2 53 > {A} 5000"));
}

#[test]
fn a_neighbour_is_reached_by_an_outside_address() {
    let mut tracker = tracker();
    let mut buffer = FrameBuf::copied(&udp(A, 1000, N, 53).bytes());
    let packet = untracked(buffer.bytes());
    let first = tracker.track(&mut buffer, &packet, &destination(A2, 5353), 0).expect("room");
    assert_eq!(ends(buffer.bytes()), format!("{A} 1000 > {A2} 5353"));
    let packet = Packet { state: first.state, zone: first.zone, ..untracked(buffer.bytes()) };
    let second = tracker.track(&mut buffer, &packet, &source("10.0.0.254"), 0).expect("room");
    assert_eq!(ends(buffer.bytes()), format!("10.0.0.254 1000 > {A2} 5353"));
    assert_eq!(words(second.state), "new|trk|snat|dnat");
    assert_eq!(tracker.len(), 1);
    let back = result(&mut tracker, &udp(A2, 5353, "10.0.0.254", 1000), &existing());
    assert_eq!(back, format!("est|rpl|trk|snat|dnat {N} 53 > {A} 1000"));
    let there = result(&mut tracker, &udp(A, 1000, N, 53), &existing());
    assert_eq!(there, format!("est|trk|snat|dnat 10.0.0.254 1000 > {A2} 5353"));
}

#[test]
fn a_translated_frame_is_known_in_the_same_zone_and_not_translated_twice() {
    let mut tracker = tracker();
    let mut buffer = FrameBuf::copied(&udp(A, 1000, B, 53).bytes());
    let packet = untracked(buffer.bytes());
    let first = tracker.track(&mut buffer, &packet, &source(N), 0).expect("room");
    let again = Packet { state: first.state, zone: 0, ..untracked(buffer.bytes()) };
    let second = tracker.track(&mut buffer, &again, &source("198.51.100.77"), 0).expect("room");
    assert_eq!(words(second.state), "new|trk|snat");
    assert!(!second.rewritten);
    assert_eq!(ends(buffer.bytes()), format!("{N} 1000 > {B} 53"));
    let elsewhere = Request { zone: 9, ..looking() };
    let other = tracker.track(&mut buffer, &again, &elsewhere, 0).expect("room");
    assert_eq!(other.state, state::TRK | state::NEW, "a zone of its own");
}

#[test]
fn identifiers_of_pings_are_told_apart_too() {
    for (a, a2, b, n) in [(A, A2, B, N), ("fd00::1", "fd00::9", "2001:db8::2", "2001:db8::1")] {
        let mut tracker = tracker();
        assert_eq!(
            result(&mut tracker, &echo(a, b, true, 7), &source(n)),
            format!("new|trk|snat {n} > {b} id 7")
        );
        let second = result(&mut tracker, &echo(a2, b, true, 7), &source(n));
        let id: u16 = second.rsplit(' ').next().expect("an id").parse().expect("a number");
        assert_ne!(id, 7, "{second}");
        let back = result(&mut tracker, &echo(b, n, false, id), &existing());
        assert_eq!(back, format!("est|rpl|trk|dnat {b} > {a2} id 7"));
    }
}

#[test]
fn an_error_is_translated_with_what_it_quotes() {
    for (a, b, n, router) in
        [(A, B, N, "203.0.113.1"), ("fd00::1", "2001:db8::2", "2001:db8::1", "2001:db8::ffff")]
    {
        for quote in [28, 48, 2000] {
            let quote = if ip(a).is_ipv6() { quote + 20 } else { quote };
            let mut tracker = tracker();
            let (_, outside) = send(&mut tracker, &udp(a, 1000, b, 53), &source(n), 0);
            let unreachable = error(router, n, &outside, quote);
            let (outcome, bytes) = send(&mut tracker, &unreachable, &existing(), 0);
            let outcome = outcome.expect("no drop");
            assert_eq!(words(outcome.state), "rel|rpl|trk|dnat");
            assert_eq!(ends(&bytes), format!("{router} > {a}"));
            assert_eq!(ends_of(quoted(&bytes)), format!("{a} 1000 > {b} 53"));
            assert_eq!(outcome.original.map(|o| o.source_port), Some(1000));
            if quote == 2000 {
                assert_eq!(quoted(&bytes), &udp(a, 1000, b, 53).bytes()[ETHERNET..], "to the bit");
            }
        }
    }
}

#[test]
fn an_error_from_inside_hides_its_source_too() {
    let mut tracker = tracker();
    result(&mut tracker, &udp(A, 1000, B, 53), &source(N));
    let (_, inside) = send(&mut tracker, &udp(B, 53, N, 1000), &existing(), 0);
    let (outcome, bytes) = send(&mut tracker, &error(A, B, &inside, 100), &existing(), 0);
    assert_eq!(outcome.map(|o| words(o.state)), Ok("rel|trk|snat".to_string()));
    assert_eq!(ends(&bytes), format!("{N} > {B}"));
    assert_eq!(ends_of(quoted(&bytes)), format!("{B} 53 > {N} 1000"));
}

#[test]
fn an_error_about_no_connection_or_to_another_host_is_invalid() {
    let mut tracker = tracker();
    let (_, known) = send(&mut tracker, &udp(A, 1000, B, 53), &committing(), 0);
    let stranger = udp(A, 1001, B, 53).bytes();
    for (frame, expected) in [
        (error(B, A, &known, 28), "rel|rpl|trk"),
        (error(B, A, &stranger, 28), "inv|trk"),
        (error(B, A2, &known, 28), "inv|trk"),
        (error(B, A, &known, 27), "inv|trk"),
    ] {
        assert_eq!(state_of(&mut tracker, &frame, &committing(), 0), expected, "{frame:?}");
    }
    assert_eq!(tracker.len(), 1);
}

#[test]
fn a_full_range_of_ports_refuses_and_keeps_what_it_has() {
    for choice in [PortChoice::Keep, PortChoice::Hash, PortChoice::Random] {
        let range = NatRange { ports: Some((2000, 2099)), choice, ..NatRange::to(ip(N)) };
        let request = with_nat(Nat::Source(range));
        let mut tracker = tracker();
        let mut ports = std::collections::BTreeSet::new();
        for host in 0..100 {
            let text = result(&mut tracker, &udp(&format!("10.0.1.{host}"), 2050, B, 53), &request);
            let port: u16 = text.split(' ').nth(2).expect("a port").parse().expect("a number");
            assert!(ports.insert(port) && (2000..2100).contains(&port), "{text}");
        }
        let one_more = send(&mut tracker, &udp("10.0.2.1", 2050, B, 53), &request, 0);
        assert_eq!(one_more.0, Err(DropReason::NatExhausted));
        assert_eq!(one_more.1, udp("10.0.2.1", 2050, B, 53).bytes(), "not touched");
        assert_eq!(tracker.len(), 100);
    }
}

#[test]
fn the_unspecified_address_changes_only_ports_that_clash() {
    let mut tracker = tracker();
    let request = source("0.0.0.0");
    assert_eq!(result(&mut tracker, &udp(A, 1000, B, 53), &request), format!("new|trk {A} 1000 > {B} 53"));
    let hidden = source(A);
    let other = result(&mut tracker, &udp(A2, 1000, B, 53), &hidden);
    assert!(other.starts_with(&format!("new|trk|snat {A} ")) && !other.contains(" 1000 "), "{other}");
    let clash = udp(B, 53, A, 1000);
    assert_eq!(state_of(&mut tracker, &clash, &looking(), 0), "est|rpl|trk");
}

#[test]
fn a_range_of_addresses_is_used_and_persistent_ones_survive_a_restart() {
    let addresses = (ip("198.51.100.0"), ip("198.51.100.255"));
    let range = NatRange { addresses, persistent: true, ..NatRange::to(ip(N)) };
    let mut used = std::collections::BTreeSet::new();
    for host in 1..100 {
        let frame = udp(&format!("10.0.1.{host}"), 1000, B, 53);
        let mut one = Conntrack::new(Default::default(), 1);
        let mut two = Conntrack::new(Default::default(), 2);
        let first = result(&mut one, &frame, &with_nat(Nat::Source(range)));
        assert_eq!(first, result(&mut two, &frame, &with_nat(Nat::Source(range))));
        used.insert(first);
    }
    assert!(used.len() > 70, "{} of 99", used.len());
}

#[test]
fn ranges_of_the_other_family_are_refused() {
    let result = send(&mut tracker(), &udp("fd00::1", 1, "fd00::2", 2), &source(N), 0).0;
    assert_eq!(result, Err(DropReason::NatFamily));
}

#[test]
fn a_checksum_left_undone_stays_undone_and_comes_out_right() {
    for frame in [
        tcp(A, 1000, B, 80, SYN, 1, 0),
        udp(A, 1000, B, 53),
        tcp("fd00::1", 1000, "2001:db8::2", 80, SYN, 1, 0),
        udp("fd00::1", 1000, "2001:db8::2", 53),
    ] {
        let new = if frame.v6() { "2001:db8::1" } else { N };
        let mut bytes = frame.bytes();
        let headers = tulle_conntrack::Headers::find(&bytes).expect("IP");
        let offset = if headers.protocol == 6 { 16 } else { 6 };
        let len = headers.end - headers.l4;
        let sum = pseudo(frame.source, frame.destination, headers.protocol, len);
        bytes[headers.l4 + offset..headers.l4 + offset + 2].copy_from_slice(&sum.to_be_bytes());
        let offload = Offload {
            needs_csum: true,
            csum_start: headers.l4 as u16,
            csum_offset: offset as u16,
            ..Offload::default()
        };
        let range = NatRange { ports: Some((7000, 7000)), ..NatRange::to(ip(new)) };
        let mut buffer = FrameBuf::copied(&bytes);
        let packet = Packet::untracked(headers, offload);
        tracker().track(&mut buffer, &packet, &with_nat(Nat::Source(range)), 0).expect("room");
        let mut done = buffer.bytes().to_vec();
        tulle_wire::finish_checksum(&mut done, offload.csum_start, offload.csum_offset).expect("room");
        assert!(ends(&done).starts_with(&format!("{new} 7000 > ")), "{}", ends(&done));
    }
}

#[test]
fn a_datagram_without_checksum_stays_without() {
    let mut bytes = udp(A, 1000, B, 53).bytes();
    bytes[40..42].fill(0);
    let (_, out) = send_bytes(&mut tracker(), &bytes, &source(N), 0);
    assert_eq!(out[40..42], [0, 0]);
    assert_eq!(ends(&out), format!("{N} 1000 > {B} 53"));
}

#[test]
fn other_protocols_are_translated_by_address() {
    let mut tracker = tracker();
    let frame =
        |a: &str, b: &str| Frame { source: ip(a), destination: ip(b), body: Body::Other { protocol: 47 } };
    assert_eq!(result(&mut tracker, &frame(A, B), &source(N)), format!("new|trk|snat {N} > {B}"));
    assert_eq!(result(&mut tracker, &frame(B, N), &existing()), format!("est|rpl|trk|dnat {B} > {A}"));
    assert_eq!(result(&mut tracker, &frame(A2, B), &source(N)), "ct-nat-exhausted");
}

/// A reply that is turned around where its translation is the original direction of another connection.
#[test]
fn a_forced_commit_never_makes_a_second_connection_of_one_tuple() {
    let mut tracker = tracker();
    result(&mut tracker, &udp(A, 1000, B, 54), &with_nat(Nat::Destination(NatRange::to(ip(A)))));
    result(&mut tracker, &udp(B, 54, A, 1000), &with_nat(Nat::Source(NatRange::to(ip(A)))));
    let mut buffer = FrameBuf::copied(&udp(A, 1000, A, 54).bytes());
    let packet = untracked(buffer.bytes());
    let first = tracker.track(&mut buffer, &packet, &existing(), 0).expect("known");
    assert_eq!(ends(buffer.bytes()), format!("{A} 1000 > {B} 54"));
    let packet = Packet { state: first.state, zone: 0, ..untracked(buffer.bytes()) };
    let forced = Request { force: true, ..committing() };
    let second = tracker.track(&mut buffer, &packet, &forced, 0).expect("known");
    assert_eq!(words(second.state & 0x3f), "new|trk", "a packet of the first connection");
    assert_eq!(tracker.len(), 1);
}

#[test]
fn a_checksum_that_comes_out_as_zero_is_written_as_all_ones() {
    let mut tracker = tracker();
    let mut seen = 0;
    for port in 1024..=u16::MAX {
        let (_, bytes) = pass(&mut tracker, &udp(A, port, B, 53), &source(N), 0);
        seen += u32::from(bytes[40..42] == [0xff; 2]);
        assert_ne!(bytes[40..42], [0; 2], "no checksum at all (RFC 768)");
    }
    assert_eq!(seen, 1, "one in 65535 ports");
}

#[test]
fn ipv6_is_translated_there_and_back() {
    let (a, b, n) = ("fd00::1", "2001:db8::2", "2001:db8:ffff::1");
    let reply = |frame: &Frame, from: &str, to: &str| match frame.body {
        Body::Tcp { .. } => tcp(from, 80, to, 1000, SYN | ACK, 9, 2),
        _ => udp(from, 80, to, 1000),
    };
    for frame in [tcp(a, 1000, b, 80, SYN, 1, 0), udp(a, 1000, b, 80)] {
        let mut tracker = tracker();
        let there = result(&mut tracker, &frame, &source(n));
        assert_eq!(there, format!("new|trk|snat {n} 1000 > {b} 80"));
        let back = result(&mut tracker, &reply(&frame, b, n), &existing());
        assert_eq!(back, format!("est|rpl|trk|dnat {b} 80 > {a} 1000"));
    }
    for frame in [tcp(a, 1000, n, 80, SYN, 1, 0), udp(a, 1000, n, 80)] {
        let mut tracker = tracker();
        let there = result(&mut tracker, &frame, &destination(b, 80));
        assert_eq!(there, format!("new|trk|dnat {a} 1000 > {b} 80"));
        let back = result(&mut tracker, &reply(&frame, b, a), &existing());
        assert_eq!(back, format!("est|rpl|trk|snat {n} 80 > {a} 1000"));
    }
}

#[test]
fn without_commit_a_new_connection_is_not_translated() {
    let mut tracker = tracker();
    let peek = Request { commit: false, ..source(N) };
    assert_eq!(result(&mut tracker, &udp(A, 1000, B, 53), &peek), format!("new|trk {A} 1000 > {B} 53"));
    assert!(tracker.is_empty());
}
