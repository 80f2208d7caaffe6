//! Two switches and a tunnel between them, each with several threads: frames that the underlay has cut come whole,
//! once, and each flow in order.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::frames::{self, Ends, TCP_HEADERS_LEN};
use super::network::{Namespace, cable, settle, socket, wait_for};
use super::{MAC, forwarding_flows};
use tulle_io::{Arrival, Device, PacketSocket, Received, Sent};
use tulle_switch::{DeviceOptions, Kind, Switch, TunnelConfig, TunnelNumber, Way};
use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, tcp_segments};

const FLOWS: u32 = 40;
const FRAMES_OF_A_FLOW: u32 = 25;
const PACKETS: u64 = (FLOWS * FRAMES_OF_A_FLOW) as u64;
/// Frames on the way at once: each is cut into up to 15 segments, and all of them must find room.
const WINDOW: u32 = 60;

/// A host, and the node whose switch it is at.
struct Side {
    host: Namespace,
    node: Namespace,
    switch: Switch,
    address: IpAddr,
}

impl Side {
    fn new(number: u8) -> Side {
        let (host, node) = (Namespace::new(), Namespace::new());
        cable((&host, "host", 70), (&node, "port", 80));
        let switch = Switch::start("side", u64::from(number), 1).expect("a switch");
        Side { host, node, switch, address: Ipv4Addr::new(192, 0, 2, number).into() }
    }

    fn mac(&self) -> [u8; 6] {
        self.node.run(|| Device::open("under").expect("a device").mac().expect("an address"))
    }

    /// Port 1 is the host's, port 2 leads to the other side.
    fn join(&self, other: &Side, kind: Kind) {
        let (device, local, next_hop) = ("under".to_owned(), self.address, other.mac());
        self.node.run(|| {
            self.switch.add_device_with(1, "port", DeviceOptions::default()).expect("port 1");
            self.switch.open_underlay("under").expect("an underlay");
            let config =
                TunnelConfig { in_key: TunnelNumber::Flow, ..TunnelConfig::new(kind, Some(other.address)) };
            self.switch.add_tunnel(2, "tunnel", config).expect("a tunnel");
        });
        self.switch.set_underlay_addresses(vec![local]).expect("addresses");
        self.switch.set_way(other.address, Some(Way { device, local, next_hop, mtu: 1500 })).expect("a way");
        forwarding_flows(&self.switch);
    }
}

/// The frame of a number within a flow: a short one, or one that has to be cut; STT puts that together again.
fn frame(kind: Kind, flow: u32, number: u32) -> (Vec<u8>, Offload) {
    let ends = Ends { source_port: 1024 + flow as u16, source: [10, 0, 0, flow as u8], ..Ends::to(MAC, 80) };
    let (mut frame, offload) = match number % 3 {
        _ if kind != Kind::Stt => (frames::udp(ends, &vec![0x5a; 100 + number as usize]), Offload::default()),
        0 => frames::tcp(ends, 100),
        1 => frames::tcp_super_frame(ends, 20_000, 1400),
        _ => frames::tcp_super_frame(ends, 3000, 1400),
    };
    frame[TCP_HEADERS_LEN..TCP_HEADERS_LEN + 4].copy_from_slice(&flow.to_be_bytes());
    frame[TCP_HEADERS_LEN + 4..TCP_HEADERS_LEN + 8].copy_from_slice(&number.to_be_bytes());
    (frame, offload)
}

/// Sends the frames of all flows in turn; each comes out as it went in.
fn exchange(kind: Kind, from: &PacketSocket, to: &PacketSocket) {
    let mut arrivals: Vec<Arrival> = (0..32).map(|_| Arrival::new()).collect();
    let (mut next, mut sent, mut received) = (HashMap::new(), 0, 0);
    let total = FLOWS * FRAMES_OF_A_FLOW;
    while received < total {
        while sent < total && sent - received < WINDOW {
            let (bytes, offload) = frame(kind, sent % FLOWS, sent / FLOWS);
            assert_eq!(from.send(&bytes, &offload).expect("send"), Sent::Sent);
            sent += 1;
        }
        let count = wait_for("frames", || {
            let (count, _) = to.receive_batch(&mut arrivals).expect("receive");
            (count > 0).then_some(count)
        });
        for arrival in &arrivals[..count] {
            assert_eq!(arrival.received, Received::Frame);
            let bytes = arrival.frame.bytes();
            let word = |at: usize| {
                u32::from_be_bytes(*bytes[TCP_HEADERS_LEN + at..].first_chunk().expect("a payload"))
            };
            let (flow, number) = (word(0), word(4));
            let expected = next.entry(flow).or_insert(0);
            assert_eq!(number, *expected, "flow {flow} is out of order");
            assert!(bytes == frame(kind, flow, number).0, "frame {number} of flow {flow} has changed");
            *expected += 1;
            received += 1;
        }
    }
}

/// Sends a long frame, and gives those that come out until all its segments are there.
fn carry_long_frame(
    from: &PacketSocket,
    to: &PacketSocket,
    frame: &[u8],
    offload: &Offload,
) -> Vec<Segments> {
    let wanted = segments(frame, offload).len();
    assert_eq!(from.send(frame, offload).expect("send"), Sent::Sent);
    let (mut arrivals, mut got) = ((0..32).map(|_| Arrival::new()).collect::<Vec<_>>(), Vec::new());
    while got.iter().map(Vec::len).sum::<usize>() < wanted {
        let count = wait_for("segments", || {
            let (count, _) = to.receive_batch(&mut arrivals).expect("receive");
            (count > 0).then_some(count)
        });
        for arrival in &arrivals[..count] {
            assert_eq!(arrival.received, Received::Frame);
            got.push(segments(arrival.frame.bytes(), &arrival.offload));
        }
    }
    got
}

type Segments = Vec<Vec<u8>>;

/// What a device makes of a frame.
fn segments(frame: &[u8], offload: &Offload) -> Segments {
    if offload.gso == GsoKind::None {
        return vec![frame.to_vec()];
    }
    let mut pieces = Vec::new();
    tcp_segments(frame, offload.gso_size, &mut FrameBuf::new(), |piece| pieces.push(piece.bytes().to_vec()))
        .expect("TCP");
    pieces
}

#[test]
fn a_long_frame_that_a_tunnel_has_cut_comes_out_as_it_went_in_for_every_encapsulation() {
    for kind in [Kind::Vxlan, Kind::Geneve, Kind::Gre, Kind::Nvgre] {
        let (left, right) = (Side::new(1), Side::new(2));
        cable((&left.node, "under", 81), (&right.node, "under", 91));
        settle(&[(&left.host, "host"), (&right.host, "host"), (&left.node, "port"), (&right.node, "port")]);
        settle(&[(&left.node, "under"), (&right.node, "under")]);
        left.join(&right, kind);
        right.join(&left, kind);
        let (one, other) = (socket(&left.host), socket(&right.host));
        for port in 1024..1034 {
            let ends = Ends { source_port: port, ..Ends::to(MAC, 80) };
            let (frame, offload) = frames::tcp_super_frame(ends, 40_000, 1350);
            let got = carry_long_frame(&one, &other, &frame, &offload);
            assert!(got.concat() == segments(&frame, &offload), "{kind:?}: in order and unchanged");
            // The device here cuts UDP, so it takes a train whole, and gives it whole.
            if matches!(kind, Kind::Vxlan | Kind::Geneve) {
                assert_eq!(got.len(), 1, "{kind:?}: joined");
            }
        }
        assert_eq!(right.switch.drops().expect("drops"), []);
    }
}

/// Frames in both directions between two hosts whose nodes have tunnels of this kind; and the packets of the underlay.
fn assert_carried(kind: Kind) -> u64 {
    let (left, right) = (Side::new(1), Side::new(2));
    cable((&left.node, "under", 81), (&right.node, "under", 91));
    settle(&[(&left.host, "host"), (&right.host, "host"), (&left.node, "port"), (&right.node, "port")]);
    settle(&[(&left.node, "under"), (&right.node, "under")]);
    for (side, other, before) in [(&left, &right, 4), (&right, &left, 1)] {
        // Whatever the node's device could cut is cut here.
        side.node.command("ethtool -K under tx-tcp-segmentation off tx-udp-segmentation off");
        side.switch.set_threads(before).expect("threads");
        side.join(other, kind);
        side.node.run(|| side.switch.set_threads(4)).expect("threads");
    }
    let (one, other) = (socket(&left.host), socket(&right.host));
    exchange(kind, &one, &other);
    exchange(kind, &other, &one);
    for side in [&left, &right] {
        let counters = side.switch.port_counters().expect("counters");
        let of_ports = [1, 2].map(|port| (counters[&port].rx_packets, counters[&port].tx_packets));
        assert_eq!(of_ports, [(PACKETS, PACKETS); 2], "{counters:?}");
        assert_eq!(side.switch.drops().expect("drops"), []);
    }
    let outer = left.node.output("cat /sys/class/net/under/statistics/rx_packets");
    outer.trim().parse().expect("a number")
}

#[test]
fn cut_frames_come_whole_and_in_order_through_switches_with_four_threads() {
    let outer = assert_carried(Kind::Stt);
    assert!(outer > 5 * PACKETS, "{outer} packets of the underlay: nothing was cut");
}

#[test]
fn every_encapsulation_keeps_the_order_of_flows_with_four_threads() {
    for kind in [Kind::Vxlan, Kind::Geneve, Kind::Gre, Kind::Nvgre] {
        assert_carried(kind);
    }
}
