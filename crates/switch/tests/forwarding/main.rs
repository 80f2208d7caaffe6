//! Real packets through a running switch: what comes out is what went in, in order, and all is counted.

#[path = "../../../io/tests/common/frames.rs"]
#[allow(dead_code, reason = "shared with the tests of tulle-io")]
mod frames;
mod health;
mod network;
mod taps;
mod threads;
mod too_big;
mod tunnels;

use frames::{Ends, TCP_HEADERS_LEN, UDP_HEADERS_LEN};
use network::{Network, wait_for};
use tulle_datapath::Command;
use tulle_io::{Arrival, PacketSocket, Received, Sent};
use tulle_switch::{DeviceOptions, PortCounters, Switch};
use tulle_wire::vnet::Offload;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const FRAMES: u32 = 10_000;
/// Frames on the way at once: with the longest, less than the socket's buffers hold.
const WINDOW: u32 = 250;
const EVERY_WAY: [DeviceOptions; 4] = [
    DeviceOptions { ring: true, direct: true },
    DeviceOptions { ring: true, direct: false },
    DeviceOptions { ring: false, direct: true },
    DeviceOptions { ring: false, direct: false },
];

/// A switch on the node that forwards between both ports.
fn forwarding_switch(network: &Network, options: DeviceOptions) -> Switch {
    let switch = Switch::start("forwarding", 1, 1).expect("a switch");
    add_ports(&switch, network, options);
    switch
}

fn add_ports(switch: &Switch, network: &Network, options: DeviceOptions) {
    network.node.run(|| switch.add_device_with(1, "port1", options)).expect("port 1");
    network.node.run(|| switch.add_device_with(2, "port2", options)).expect("port 2");
    forwarding_flows(switch);
}

/// Flows that let ports 1 and 2 send to each other.
fn forwarding_flows(switch: &Switch) {
    let flows = ["in_port=1,actions=output:2", "in_port=2,actions=output:1"];
    let flows = flows.map(|text| text.parse().expect("a flow")).to_vec();
    switch.change_flows(Command::Add, flows).expect("room");
}

/// The frame of a number: kinds and lengths take turns, the payload tells one from another.
fn frame(number: u32) -> (Vec<u8>, Offload) {
    let ends = Ends::to(MAC, 7471);
    let small = (number % 1400) as usize + 4;
    let (mut frame, offload) = match number % 7 {
        0 | 1 => (frames::udp(ends, &[0; 18]), Offload::default()),
        2 => frames::tcp(ends, 10),
        3 => frames::tcp_super_frame(ends, 65535 - TCP_HEADERS_LEN, 1460),
        4 => (frames::udp(ends, &vec![0x55; small]), Offload::default()),
        5 => frames::tcp_super_frame(ends, 1461 + small, 1460),
        _ => frames::tcp(ends, small),
    };
    let at = if frame[23] == frames::UDP { UDP_HEADERS_LEN } else { TCP_HEADERS_LEN };
    frame[at..at + 4].copy_from_slice(&number.to_be_bytes());
    (frame, offload)
}

/// Sends all frames and receives them at the other host, no more than a window at once.
fn exchange(from: &PacketSocket, to: &PacketSocket) {
    let mut arrivals: Vec<Arrival> = (0..32).map(|_| Arrival::new()).collect();
    let (mut sent, mut received) = (0, 0);
    while received < FRAMES {
        while sent < FRAMES && sent - received < WINDOW {
            let (frame, offload) = frame(sent);
            assert_eq!(from.send(&frame, &offload).expect("send"), Sent::Sent);
            sent += 1;
        }
        received += wait_for(&format!("frame {received}"), || {
            let (count, _) = to.receive_batch(&mut arrivals).expect("receive");
            (count > 0).then_some(count as u32)
        });
        let count = arrivals.iter().take_while(|arrival| arrival.received != Received::Nothing).count();
        for (i, arrival) in arrivals[..count].iter_mut().enumerate() {
            assert_frame(arrival, received - count as u32 + i as u32);
            arrival.received = Received::Nothing;
        }
    }
}

fn assert_frame(arrival: &Arrival, number: u32) {
    let (expected, offload) = frame(number);
    assert_eq!(arrival.received, Received::Frame, "frame {number}");
    let (bytes, len) = (arrival.frame.bytes(), expected.len());
    assert!(bytes == expected, "frame {number}: {} bytes of {len} or others", bytes.len());
    let concerning = |offload: &Offload| (offload.needs_csum, offload.gso, offload.gso_size);
    assert_eq!(concerning(&arrival.offload), concerning(&offload), "frame {number}");
}

#[test]
fn ten_thousand_frames_of_all_lengths_pass_unchanged_and_in_order() {
    let total_bytes: u64 = (0..FRAMES).map(|number| frame(number).0.len() as u64).sum();
    let network = Network::new();
    for options in EVERY_WAY {
        let switch = forwarding_switch(&network, options);
        let (left, right) = (network.socket(&network.left), network.socket(&network.right));
        exchange(&left, &right);
        exchange(&right, &left);
        let counters = switch.port_counters().expect("counters");
        let packets = u64::from(FRAMES);
        let expected = PortCounters {
            rx_packets: packets,
            rx_bytes: total_bytes,
            tx_packets: packets,
            tx_bytes: total_bytes,
            ..PortCounters::default()
        };
        assert_eq!((counters[&1], counters[&2]), (expected, expected), "{options:?}");
        assert_eq!(switch.drops().expect("drops"), [], "{options:?}");
    }
}

#[test]
fn long_frames_behind_labels_and_service_tags_are_cut_before_they_leave() {
    let network = Network::new();
    let switch = forwarding_switch(&network, EVERY_WAY[0]);
    let (left, right) = (network.socket(&network.left), network.socket(&network.right));
    let mut arrivals: Vec<Arrival> = (0..32).map(|_| Arrival::new()).collect();
    for (push, headers_len) in [("push_mpls:0x8847", 4), ("push_pbb:0x88e7", 18)] {
        let flow = format!("in_port=1,actions={push},output:2").parse().expect("a flow");
        switch.change_flows(Command::Add, vec![flow]).expect("room");
        let (frame, offload) = frames::tcp_super_frame(Ends::to(MAC, 7471), 3000, 1400);
        assert_eq!(left.send(&frame, &offload).expect("send"), Sent::Sent);
        let mut got = Vec::new();
        while got.len() < 3 {
            let count = wait_for("pieces", || {
                let (count, _) = right.receive_batch(&mut arrivals).expect("receive");
                (count > 0).then_some(count)
            });
            got.extend(arrivals[..count].iter().map(|arrival| arrival.frame.bytes().len()));
        }
        let headers_len = TCP_HEADERS_LEN + headers_len;
        assert_eq!(got, [headers_len + 1400, headers_len + 1400, headers_len + 200], "{push}");
    }
    assert_eq!(switch.drops().expect("drops"), []);
}

#[test]
fn frames_for_a_device_that_is_down_are_counted_as_lost_and_not_as_sent() {
    for options in EVERY_WAY {
        let network = Network::new();
        let switch = forwarding_switch(&network, options);
        let left = network.socket(&network.left);
        network.node.command("ip link set port2 down");
        let (frame, offload) = frame(0);
        for _ in 0..40 {
            assert_eq!(left.send(&frame, &offload).expect("send"), Sent::Sent);
        }
        let counters = wait_for("40 frames", || {
            let counters = switch.port_counters().expect("counters");
            (counters[&1].rx_packets == 40).then_some(counters)
        });
        assert_eq!((counters[&2].tx_packets, counters[&2].tx_bytes, counters[&2].tx_dropped), (0, 0, 40));
        let drops = switch.drops().expect("drops");
        let listed: Vec<_> = drops.iter().map(|drop| (drop.port, drop.reason, drop.packets)).collect();
        assert_eq!(listed, [(2, "device-down", 40)], "{options:?}");
    }
}

#[test]
fn a_port_whose_device_was_down_forwards_again() {
    for options in EVERY_WAY {
        let network = Network::new();
        let _switch = forwarding_switch(&network, options);
        let (left, right) = (network.socket(&network.left), network.socket(&network.right));
        for port in ["port1", "port2"] {
            network.node.command(&format!("ip link set {port} down"));
            network.node.command(&format!("ip link set {port} up"));
        }
        network.settle();
        // The hosts' sockets have seen their devices without carrier, which is no failure.
        exchange(&left, &right);
    }
}

#[test]
fn frames_that_come_faster_than_they_are_taken_are_counted_by_reason() {
    let network = Network::new();
    let switch = forwarding_switch(&network, DeviceOptions::default());
    let left = network.socket(&network.left);
    let (frame, offload) = frame(0);
    let sent = 200_000_u64;
    for _ in 0..sent {
        assert_eq!(left.send(&frame, &offload).expect("send"), Sent::Sent);
    }
    wait_for("every frame to be counted", || {
        let received = switch.port_counters().expect("counters")[&1];
        (received.rx_packets + received.rx_dropped == sent).then_some(())
    });
    let counters = switch.port_counters().expect("counters");
    assert_eq!(counters[&2].tx_packets + counters[&2].tx_dropped, counters[&1].rx_packets);
    let drops = switch.drops().expect("drops");
    let lost: u64 = drops.iter().map(|drop| drop.packets).sum();
    assert_eq!(lost, counters[&1].rx_dropped + counters[&2].tx_dropped);
    let mut missed = drops.iter().filter(|drop| drop.port == 1);
    assert!(missed.all(|drop| drop.reason == "device-queue-overflow"), "{drops:?}");
}

/// Sends a frame every now and then until the condition holds.
fn send_until(socket: &PacketSocket, what: &str, mut condition: impl FnMut() -> bool) {
    let (frame, offload) = frame(0);
    wait_for(what, || {
        socket.send(&frame, &offload).expect("send");
        condition().then_some(())
    });
}

#[test]
fn whoever_listens_on_a_port_sees_what_the_switch_sends() {
    let network = Network::new();
    let _switch = forwarding_switch(&network, DeviceOptions::default());
    let left = network.socket(&network.left);
    let (mut tcpdump, output) = network.tcpdump(&network.node, "port2");
    send_until(&left, "tcpdump to see a frame", || output.try_recv().is_ok());
    tcpdump.wait().expect("tcpdump ends");
}

#[test]
fn a_discipline_that_is_put_on_a_port_is_not_passed_by() {
    let network = Network::new();
    let _switch = forwarding_switch(&network, DeviceOptions::default());
    let left = network.socket(&network.left);
    network.node.command("tc qdisc add dev port2 root pfifo");
    let passed = || !network.node.output("tc -s qdisc show dev port2").contains("Sent 0 bytes");
    assert!(!passed());
    send_until(&left, "a frame through the discipline", passed);
}
