//! The golden frames of tests/vectors, parsed and emitted.

#[path = "../../../tests/vectors/reader.rs"]
#[allow(dead_code)]
mod reader;

use std::net::IpAddr;

use reader::{Vector, vectors};
use tulle_wire::{IcmpErrorKind, Mac, arp, checksum, ethernet, icmp_error, icmpv6, ipv6, ndp, protocol};

fn mac(text: &str) -> Option<Mac> {
    let bytes: Option<Vec<u8>> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes?.try_into().ok()
}

#[test]
fn arp_packets_are_the_golden_ones() {
    for vector in vectors("arp.txt") {
        let frame = vector.bytes("frame");
        let link = ethernet::Packet::new_checked(&frame).expect("Ethernet");
        assert_eq!(link.ether_type(), ethernet::ether_type::ARP);
        let repr = arp::Repr::parse(&arp::Packet::new_checked(link.payload()).expect("ARP")).expect("ARP");
        let expected = arp::Repr {
            operation: arp::Operation::from(vector.number("operation") as u16),
            sender_mac: mac(vector.text("sender-mac")).expect("a MAC"),
            sender_ip: vector.text("sender-ip").parse().expect("an address"),
            target_mac: mac(vector.text("target-mac")).expect("a MAC"),
            target_ip: vector.text("target-ip").parse().expect("an address"),
        };
        assert_eq!(repr, expected, "{}", vector.text("name"));
        let mut emitted = vec![0; 42];
        ethernet::Repr::parse(&link).expect("Ethernet").emit(&mut emitted).expect("room");
        repr.emit(&mut emitted[14..]).expect("room");
        assert_eq!(emitted, frame, "{}", vector.text("name"));
    }
}

fn neighbor_message(vector: &Vector) -> ndp::Repr {
    let target = vector.text("target").parse().expect("an address");
    let mac = mac(vector.text("mac"));
    match vector.number("kind") as u8 {
        icmpv6::kind::NEIGHBOR_SOLICITATION => ndp::Repr::Solicitation { target, source_mac: mac },
        _ => ndp::Repr::Advertisement { flags: vector.number("flags") as u8, target, target_mac: mac },
    }
}

#[test]
fn neighbor_discovery_messages_are_the_golden_ones() {
    for vector in vectors("ndp.txt") {
        let frame = vector.bytes("frame");
        let network = ipv6::Packet::new_checked(&frame[14..]).expect("IPv6");
        let len = network.payload_len();
        let pseudo = checksum::pseudo_v6(network.source(), network.destination(), protocol::ICMPV6, len);
        let message = icmpv6::Packet::new_checked(network.payload()).expect("ICMPv6");
        let repr = ndp::Repr::parse(&message, pseudo).expect("neighbor discovery");
        assert_eq!(repr, neighbor_message(&vector), "{}", vector.text("name"));
        let mut emitted = vec![0; repr.buffer_len()];
        repr.emit(&mut emitted, pseudo).expect("room");
        assert_eq!(emitted, network.payload(), "{}", vector.text("name"));
        assert!(ndp::Repr::parse(&message, pseudo ^ 1).is_err(), "a wrong checksum");
    }
}

fn kind(vector: &Vector) -> IcmpErrorKind {
    match vector.text("kind") {
        "time-exceeded" => IcmpErrorKind::TimeExceeded,
        "net-unreachable" => IcmpErrorKind::NetUnreachable,
        "host-unreachable" => IcmpErrorKind::HostUnreachable,
        "too-big" => IcmpErrorKind::TooBig { mtu: vector.number("mtu") as u32 },
        other => panic!("unknown kind {other}"),
    }
}

#[test]
fn icmp_errors_are_the_golden_ones() {
    for vector in vectors("icmp.txt") {
        let router_mac = mac(vector.text("router-mac")).expect("a MAC");
        let router_ip: IpAddr = vector.text("router-ip").parse().expect("an address");
        let frame = icmp_error(&vector.bytes("about"), kind(&vector), router_mac, router_ip);
        assert_eq!(frame, Some(vector.bytes("frame")), "{}", vector.text("name"));
    }
}

#[test]
fn icmp_errors_are_never_about_errors_nor_to_many_nor_for_no_single_host() {
    let vectors = vectors("icmp.txt");
    for vector in &vectors {
        let router_ip: IpAddr = vector.text("router-ip").parse().expect("an address");
        let ask = |frame: &[u8]| icmp_error(frame, IcmpErrorKind::TimeExceeded, [2; 6], router_ip);
        let about = vector.bytes("about");
        let changed = |range: std::ops::Range<usize>, value: u8| {
            let mut frame = about.clone();
            frame[range].fill(value);
            frame
        };
        let source = if router_ip.is_ipv4() { 26..30 } else { 22..38 };
        assert!(ask(&about).is_some());
        assert_eq!(ask(&vector.bytes("frame")), None, "about an error");
        assert_eq!(ask(&changed(0..6, 0xff)), None, "to all stations");
        assert_eq!(ask(&changed(source.clone(), 0)), None, "from the unspecified address");
        assert_eq!(ask(&changed(source.clone(), 0xff)), None, "from everybody");
        let destination = source.end..source.end + source.len();
        assert_eq!(ask(&changed(destination, 0xff)), None, "to a multicast address");
        if router_ip.is_ipv4() {
            assert_eq!(ask(&changed(21..22, 9)), None, "about a later fragment");
        }
        assert_eq!(ask(&about[..30]), None, "about a torso");
    }
}

#[test]
fn an_icmp_error_goes_back_in_the_vlan_that_its_cause_came_in() {
    let vector = &vectors("icmp.txt")[0];
    let plain = vector.bytes("about");
    let tagged = [&plain[..12], &[0x81, 0, 0, 100], &plain[12..]].concat();
    let router_ip: IpAddr = vector.text("router-ip").parse().expect("an address");
    let router_mac = mac(vector.text("router-mac")).expect("a MAC");
    let frame = icmp_error(&tagged, kind(vector), router_mac, router_ip).expect("an error");
    let expected = vector.bytes("frame");
    assert_eq!(frame, [&expected[..12], &[0x81, 0, 0, 100], &expected[12..]].concat());
}
