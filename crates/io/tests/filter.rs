//! What the tunnel filter lets through, tried with real packets on a veth pair.

mod common;

use std::net::IpAddr;

use common::Pair;
use common::frames::{self, Ends};
use common::receive;
use tulle_io::{Filter, PacketSocket, Sent, TunnelPackets};
use tulle_wire::vnet::Offload;

const STT: u16 = 7471;
const VXLAN: u16 = 4789;
const FRAGMENT_AT: usize = frames::ETHERNET_LEN + 6;

struct Wire {
    pair: Pair,
    left: PacketSocket,
    right: PacketSocket,
}

impl Wire {
    fn new(filter: Filter) -> Self {
        let pair = Pair::new();
        let left = pair.left.packet_socket("left");
        let right = pair.right.packet_socket_with("right", |options| options.filter = Some(filter));
        Self { pair, left, right }
    }

    fn ends(&self, port: u16) -> Ends {
        Ends::to(self.pair.right_mac(), port)
    }

    /// Whether `frame` passes: it is followed by one that does, and what comes first is looked at.
    fn passes(&self, frame: &[u8]) -> bool {
        let marker = frames::udp(self.ends(VXLAN), b"marker");
        for frame in [frame, &marker] {
            assert_eq!(self.left.send(frame, &Offload::default()).expect("send"), Sent::Sent);
        }
        let (first, _) = receive(&self.right);
        if first == marker {
            return false;
        }
        assert_eq!(first, frame);
        assert_eq!(receive(&self.right).0, marker);
        true
    }
}

fn wanted(tcp_ports: &[u16], udp_ports: &[u16]) -> TunnelPackets {
    let addresses = vec!["2001:db8::2".parse().expect("an address"), [192, 0, 2, 2].into()];
    TunnelPackets { addresses, tcp_ports: tcp_ports.to_vec(), udp_ports: udp_ports.to_vec(), gre: false }
}

fn tunnel_wire() -> Wire {
    Wire::new(Filter::tunnel_packets(&wanted(&[STT], &[VXLAN])))
}

fn changed(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

#[test]
fn tunnel_packets_to_this_host_pass() {
    let wire = tunnel_wire();
    assert!(wire.passes(&frames::tcp(wire.ends(STT), 10).0));
    assert!(wire.passes(&frames::udp(wire.ends(VXLAN), b"vxlan")));
}

#[test]
fn ip_options_in_front_of_the_ports_do_not_hide_them() {
    let wire = tunnel_wire();
    let plain = frames::udp(wire.ends(VXLAN), b"vxlan");
    let long_header = changed(&plain, frames::ETHERNET_LEN, &[0x46]);
    let with_option = [&long_header[..34], &[1, 1, 1, 1], &long_header[34..]].concat();
    assert!(wire.passes(&with_option));
}

#[test]
fn other_ports_and_protocols_are_left_out() {
    let wire = tunnel_wire();
    assert!(!wire.passes(&frames::tcp(wire.ends(80), 10).0));
    assert!(!wire.passes(&frames::udp(wire.ends(53), b"dns")));
    assert!(!wire.passes(&frames::tcp(wire.ends(VXLAN), 10).0), "VXLAN is UDP only");
    assert!(!wire.passes(&frames::udp(wire.ends(STT), b"stt")), "STT is TCP only");
    let icmp = changed(&frames::udp(wire.ends(VXLAN), b"vxlan"), 23, &[1]);
    assert!(!wire.passes(&icmp));
}

#[test]
fn packets_for_other_hosts_are_left_out() {
    let wire = tunnel_wire();
    let ours = frames::udp(wire.ends(VXLAN), b"vxlan");
    assert!(!wire.passes(&changed(&ours, 0, &[2, 0, 0, 0, 0, 9])), "another MAC");
    assert!(!wire.passes(&changed(&ours, 30, &[192, 0, 2, 3])), "another IP address");
    assert!(!wire.passes(&changed(&ours, 12, &[0x86, 0xdd])), "not IPv4");
}

#[test]
fn packets_of_a_vlan_are_left_out() {
    let wire = tunnel_wire();
    let ours = frames::udp(wire.ends(VXLAN), b"vxlan");
    let tagged = [&ours[..12], &[0x81, 0, 0, 7], &ours[12..]].concat();
    assert!(!wire.passes(&tagged));
}

#[test]
fn only_first_fragments_pass() {
    let wire = tunnel_wire();
    let ours = frames::udp(wire.ends(VXLAN), b"vxlan");
    assert!(wire.passes(&changed(&ours, FRAGMENT_AT, &[0x20, 0x00])), "first of several");
    assert!(!wire.passes(&changed(&ours, FRAGMENT_AT, &[0x20, 0x01])), "in the middle");
    assert!(!wire.passes(&changed(&ours, FRAGMENT_AT, &[0x00, 0xb9])), "last");
}

#[test]
fn packets_cut_short_are_left_out() {
    let wire = tunnel_wire();
    let ours = frames::udp(wire.ends(VXLAN), b"vxlan");
    for length in [14, 15, 24, 33, 34, 37] {
        assert!(!wire.passes(&ours[..length]), "{length} bytes");
    }
}

#[test]
fn many_ports_fit_into_one_filter() {
    let ports: Vec<u16> = (10_000..10_250).chain([VXLAN]).collect();
    let wire = Wire::new(Filter::tunnel_packets(&wanted(&ports, &ports)));
    for port in [10_000, 10_099, 10_100, 10_249] {
        assert!(wire.passes(&frames::tcp(wire.ends(port), 10).0), "TCP {port}");
        assert!(wire.passes(&frames::udp(wire.ends(port), b"many")), "UDP {port}");
    }
    assert!(!wire.passes(&frames::tcp(wire.ends(10_250), 10).0));
}

#[test]
fn the_empty_filter_lets_nothing_through_until_it_is_replaced() {
    let wire = Wire::new(Filter::drop_everything());
    let first = frames::udp(wire.ends(VXLAN), b"first");
    let second = frames::udp(wire.ends(VXLAN), b"second");
    wire.left.send(&first, &Offload::default()).expect("send");
    let all = Filter::tunnel_packets(&wanted(&[], &[VXLAN]));
    wire.right.set_filter(&all).expect("filter");
    wire.left.send(&second, &Offload::default()).expect("send");
    assert_eq!(receive(&wire.right).0, second);
}

#[test]
fn udp_to_one_port_passes_whoever_it_is_for() {
    let wire = Wire::new(Filter::udp_packets(VXLAN));
    let elsewhere = Ends { destination: [198, 51, 100, 1], ..Ends::to([2, 0, 0, 0, 0, 9], VXLAN) };
    assert!(wire.passes(&frames::udp(elsewhere, b"for another host")));
    assert!(!wire.passes(&frames::udp(wire.ends(9), b"another port")));
    assert!(!wire.passes(&frames::tcp(wire.ends(VXLAN), 10).0));
}

/// As `frame`, over IPv6 from 2001:db8::1 to 2001:db8::2.
fn over_ipv6(frame: &[u8]) -> Vec<u8> {
    let transport = &frame[frames::ETHERNET_LEN + 20..];
    let address = |last| [&[0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[last]].concat();
    let length = (transport.len() as u16).to_be_bytes();
    let header = [&[0x60, 0, 0, 0], &length[..], &[frame[23], 64], &address(1), &address(2)].concat();
    [&frame[..12], &[0x86, 0xdd], &header, transport].concat()
}

#[test]
fn tunnel_packets_over_ipv6_pass_to_these_ports_and_addresses_only() {
    let wire = tunnel_wire();
    assert!(wire.passes(&over_ipv6(&frames::tcp(wire.ends(STT), 10).0)));
    let ours = over_ipv6(&frames::udp(wire.ends(VXLAN), b"vxlan"));
    assert!(wire.passes(&ours));
    assert!(!wire.passes(&over_ipv6(&frames::udp(wire.ends(53), b"dns"))));
    for at in [38, 42, 46, 53] {
        assert!(!wire.passes(&changed(&ours, at, &[9])), "another address at byte {at}");
    }
    assert!(!wire.passes(&ours[..57]), "cut short");
}

#[test]
fn of_many_addresses_each_one_is_known() {
    let addresses = (0..32).map(|last| [192, 0, 2, last].into()).collect();
    let wire = Wire::new(Filter::tunnel_packets(&TunnelPackets { addresses, ..wanted(&[], &[VXLAN]) }));
    let ours = frames::udp(wire.ends(VXLAN), b"vxlan");
    for last in [0, 1, 30, 31] {
        assert!(wire.passes(&changed(&ours, 33, &[last])), "{last}");
    }
    assert!(!wire.passes(&changed(&ours, 33, &[32])));
    assert!(!wire.passes(&over_ipv6(&ours)), "no IPv6 address is wanted");
}

/// As many addresses of both families.
fn addresses(ipv4: u8, ipv6: u16) -> Vec<IpAddr> {
    let ipv4 = (0..ipv4).map(|last| IpAddr::from([192, 0, 2, last]));
    let ipv6 = (0..ipv6).map(|last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]));
    ipv4.chain(ipv6).collect()
}

#[test]
fn with_more_addresses_than_fit_into_a_filter_each_one_passes() {
    let addresses = addresses(33, 9);
    let wire = Wire::new(Filter::tunnel_packets(&TunnelPackets { addresses, ..wanted(&[], &[VXLAN]) }));
    let ours = frames::udp(wire.ends(VXLAN), b"vxlan");
    assert!(wire.passes(&changed(&ours, 33, &[200])));
    assert!(wire.passes(&changed(&over_ipv6(&ours), 53, &[200])));
    assert!(!wire.passes(&frames::udp(wire.ends(53), b"dns")));
}

#[test]
fn the_longest_list_of_addresses_fits_into_the_memory_that_older_kernels_have_for_filters() {
    let wire = Wire::new(Filter::drop_everything());
    // Where the kernel has one limit for all namespaces, that one stays.
    let _ = wire.pair.right.run(|| std::fs::write("/proc/sys/net/core/optmem_max", "20480"));
    let packets = wanted(&[STT, STT + 1], &(4789..4809).collect::<Vec<_>>());
    let filter = Filter::tunnel_packets(&TunnelPackets { addresses: addresses(32, 8), gre: true, ..packets });
    for _ in 0..3 {
        wire.right.set_filter(&filter).expect("room for a filter and its successor");
    }
}

#[test]
fn gre_passes_where_it_is_wanted() {
    let wire = Wire::new(Filter::tunnel_packets(&TunnelPackets { gre: true, ..wanted(&[], &[VXLAN]) }));
    let mut gre = frames::udp(wire.ends(VXLAN), b"gre");
    frames::set_protocol(&mut gre, 47);
    assert!(wire.passes(&gre));
    assert!(wire.passes(&over_ipv6(&gre)));
    assert!(!tunnel_wire().passes(&gre));
}
