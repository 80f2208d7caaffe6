//! A host sends frames that are too long for its tunnel, and hears of it.

use std::net::{IpAddr, Ipv4Addr};

use super::MAC;
use super::frames::{self, Ends};
use super::network::{Namespace, cable, settle, socket, wait_for};
use tulle_datapath::{BridgeConfig, Command, Mirror};
use tulle_io::{Arrival, Device, PacketSocket, Sent};
use tulle_switch::{DeviceOptions, Kind, Switch, TunnelConfig, Way};
use tulle_wire::vnet::Offload;

/// Routed and translated on the way, and barred from port 1 but by the switch itself.
const FLOWS: [&str; 1] =
    ["in_port=1,actions=set_field:0a:00:00:00:00:01->dl_src,set_field:0a:00:00:00:00:02->dl_dst,dec_ttl,\
     set_field:198.51.100.1->nw_src,output:2"];

struct Node {
    host: Namespace,
    _node: Namespace,
    switch: Switch,
}

/// A host at port 1 of a switch whose port 2 is a tunnel that takes outer packets of 1500 bytes.
fn node(kind: Kind) -> Node {
    let (host, node) = (Namespace::new(), Namespace::new());
    cable((&host, "host", 70), (&node, "port", 80));
    cable((&node, "under", 81), (&host, "far", 91));
    settle(&[(&host, "host"), (&host, "far"), (&node, "port"), (&node, "under")]);
    let switch = Switch::start("too-big", 1, 1).expect("a switch");
    let [local, remote] = [1, 2].map(|last| IpAddr::from(Ipv4Addr::new(192, 0, 2, last)));
    node.run(|| {
        Device::open("under").expect("a device").set_mtu(9000).expect("an MTU");
        switch.add_device_with(1, "port", DeviceOptions::default()).expect("port 1");
        switch.open_underlay("under").expect("an underlay");
        switch.add_tunnel(2, "tunnel", TunnelConfig::new(kind, Some(remote))).expect("a tunnel");
    });
    let way = Way { device: "under".to_owned(), local, next_hop: [2, 0, 0, 0, 0, 9], mtu: 1500 };
    switch.set_way(remote, Some(way)).expect("a way");
    let flows = FLOWS.map(|text| text.parse().expect("a flow")).to_vec();
    switch.change_flows(Command::Add, flows).expect("room");
    Node { host, _node: node, switch }
}

/// A UDP packet of so many bytes with its Ethernet header.
fn frame(packet_len: usize) -> Vec<u8> {
    frames::udp(Ends::to(MAC, 4000), &vec![7; packet_len - 28])
}

fn received(socket: &PacketSocket) -> Vec<Vec<u8>> {
    let mut arrivals: Vec<Arrival> = (0..32).map(|_| Arrival::new()).collect();
    let (count, _) = socket.receive_batch(&mut arrivals).expect("receive");
    arrivals[..count].iter().map(|arrival| arrival.frame.bytes().to_vec()).collect()
}

fn lost(switch: &Switch) -> u64 {
    let drops = switch.drops().expect("drops");
    drops
        .iter()
        .filter(|drop| (drop.port, drop.reason) == (2, "tunnel-too-big"))
        .map(|drop| drop.packets)
        .sum()
}

#[test]
fn a_packet_that_is_too_long_is_answered_to_its_sender_past_all_flows() {
    let node = node(Kind::Vxlan);
    let host = socket(&node.host);
    let send = |frame: &[u8]| assert_eq!(host.send(frame, &Offload::default()).expect("send"), Sent::Sent);
    send(&frame(1450));
    wait_for("the longest that passes", || {
        (node.switch.port_counters().expect("counters")[&2].tx_packets == 1).then_some(())
    });
    let mut may_be_cut = frame(1451);
    tulle_wire::checksum::rewrite_word(&mut may_be_cut[14..34], 10, 6, 0);
    send(&may_be_cut);
    let sent = frame(1451);
    send(&sent);
    let answers = wait_for("an answer", || Some(received(&host)).filter(|all| !all.is_empty()));
    assert_eq!((answers.len(), lost(&node.switch)), (1, 2), "none of the packet that may be cut");
    let answer = &answers[0];
    assert_eq!(answer[..12], [&sent[6..12], &sent[..6]].concat(), "the sender's own MAC addresses");
    assert_eq!(answer[26..34], [&sent[30..34], &sent[26..30]].concat(), "from the destination");
    assert_eq!(answer[34..36], [3, 4], "fragmentation needed");
    assert_eq!(answer[40..42], 1450_u16.to_be_bytes());
    assert_eq!(answer[42..], sent[14..14 + 548], "the packet as it was sent");
}

#[test]
fn a_mirror_into_a_tunnel_is_nothing_that_its_sender_hears_of_and_two_tunnels_are_one_answer() {
    let node = node(Kind::Vxlan);
    let host = socket(&node.host);
    let mirror = Mirror { name: "m".to_owned(), select_all: true, output_port: Some(2), ..Mirror::default() };
    let config = BridgeConfig { mirrors: vec![mirror], ..BridgeConfig::default() };
    node.switch.configure_bridge(config).expect("a mirror");
    node.switch
        .change_flows(Command::Add, vec!["in_port=1,actions=drop".parse().expect("a flow")])
        .expect("room");
    assert_eq!(host.send(&frame(1451), &Offload::default()).expect("send"), Sent::Sent);
    wait_for("the loss", || (lost(&node.switch) == 1).then_some(()));
    assert_eq!(node.switch.port_counters().expect("counters")[&1].tx_packets, 0);
    node.switch.configure_bridge(BridgeConfig::default()).expect("no mirror");
    let twice = "in_port=1,actions=output:2,output:2".parse().expect("a flow");
    node.switch.change_flows(Command::Add, vec![twice]).expect("room");
    assert_eq!(host.send(&frame(1451), &Offload::default()).expect("send"), Sent::Sent);
    wait_for("both losses", || (lost(&node.switch) == 3).then_some(()));
    assert_eq!(node.switch.port_counters().expect("counters")[&1].tx_packets, 1);
}

#[test]
fn answers_are_limited_and_losses_all_counted() {
    let node = node(Kind::Geneve);
    let host = socket(&node.host);
    for _ in 0..300 {
        assert_eq!(host.send(&frame(1500), &Offload::default()).expect("send"), Sent::Sent);
    }
    wait_for("300 losses", || (lost(&node.switch) == 300).then_some(()));
    let answered = node.switch.port_counters().expect("counters")[&1].tx_packets;
    assert!((50..200).contains(&answered), "{answered} answers");
}

#[test]
fn a_tunnel_that_cuts_frames_itself_needs_no_answer() {
    let node = node(Kind::Stt);
    let host = socket(&node.host);
    assert_eq!(host.send(&frame(1500), &Offload::default()).expect("send"), Sent::Sent);
    let counters = wait_for("a packet", || {
        let counters = node.switch.port_counters().expect("counters");
        (counters[&2].tx_packets == 1).then_some(counters)
    });
    assert_eq!((counters[&1].tx_packets, lost(&node.switch)), (0, 0));
}
