//! Several threads at the same ports: nothing twice, each flow in order, and everything counted.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::frames::{self, Ends, UDP_HEADERS_LEN};
use super::network::{Network, wait_for};
use super::{EVERY_WAY, MAC, WINDOW, add_ports, forwarding_switch};
use tulle_io::{Arrival, PacketSocket, Received, Sent};
use tulle_switch::{DeviceOptions, PortCounters, Switch};
use tulle_wire::vnet::Offload;

pub const FLOWS: u32 = 100;
const FRAMES_OF_A_FLOW: u32 = 100;

/// The frame of a number within a flow.
pub fn frame(flow: u32, number: u32) -> Vec<u8> {
    let source_port = 1024 + flow as u16;
    let mut payload = vec![0x5a; 18 + (number % 5) as usize * 300];
    payload[..4].copy_from_slice(&flow.to_be_bytes());
    payload[4..8].copy_from_slice(&number.to_be_bytes());
    frames::udp(Ends { source_port, source: [192, 0, 2, flow as u8], ..Ends::to(MAC, 7471) }, &payload)
}

/// Flow and number of a frame.
fn told(frame: &[u8]) -> (u32, u32) {
    let word = |at: usize| {
        let bytes = frame.get(UDP_HEADERS_LEN + at..UDP_HEADERS_LEN + at + 4).expect("a payload");
        u32::from_be_bytes(bytes.try_into().expect("four bytes"))
    };
    (word(0), word(4))
}

/// The frames that have come to a host since the last call.
pub fn received(socket: &PacketSocket, arrivals: &mut [Arrival]) -> Vec<(u32, u32)> {
    let (count, _) = socket.receive_batch(arrivals).expect("receive");
    let frames = arrivals[..count].iter().inspect(|arrival| assert_eq!(arrival.received, Received::Frame));
    frames.map(|arrival| told(arrival.frame.bytes())).collect()
}

/// Counts how often each frame has come to a host, until no more are there.
fn count_received(socket: &PacketSocket, arrivals: &mut [Arrival], seen: &mut HashMap<(u32, u32), u32>) {
    loop {
        let some = received(socket, arrivals);
        if some.is_empty() {
            return;
        }
        some.into_iter().for_each(|one| *seen.entry(one).or_insert(0) += 1);
    }
}

pub fn arrivals() -> Vec<Arrival> {
    (0..32).map(|_| Arrival::new()).collect()
}

/// Sends the frames of all flows in turn and receives them, no more than a window at once; each flow in order.
pub fn exchange(from: &PacketSocket, to: &PacketSocket) {
    let (mut arrivals, mut next, mut count) = (arrivals(), HashMap::new(), 0);
    let total = FLOWS * FRAMES_OF_A_FLOW;
    let mut sent = 0;
    while count < total {
        while sent < total && sent - count < WINDOW {
            let bytes = frame(sent % FLOWS, sent / FLOWS);
            assert_eq!(from.send(&bytes, &Offload::default()).expect("send"), Sent::Sent);
            sent += 1;
        }
        let some = wait_for("frames", || Some(received(to, &mut arrivals)).filter(|some| !some.is_empty()));
        for (flow, number) in some {
            let expected = next.entry(flow).or_insert(0);
            assert_eq!(number, *expected, "flow {flow} is out of order");
            *expected += 1;
            count += 1;
        }
    }
}

/// How often each thread of a switch has gone to sleep, by its name (proc(5), `/proc/pid/status`).
pub fn sleeps(name: &str) -> HashMap<String, u64> {
    let tasks = fs::read_dir("/proc/self/task").expect("tasks").flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let value = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default().trim().to_owned()
    };
    let threads = texts.map(|text| (value(&text, "Name:"), value(&text, "voluntary_ctxt_switches:")));
    let ours = threads.filter(|(thread, _)| thread == name || thread.starts_with(&format!("{name}/")));
    ours.map(|(thread, count)| (thread, count.parse().expect("a number"))).collect()
}

fn total_bytes() -> u64 {
    let lengths = (0..FRAMES_OF_A_FLOW).map(|number| frame(0, number).len() as u64);
    u64::from(FLOWS) * lengths.sum::<u64>()
}

pub fn assert_counted(switch: &Switch, case: impl std::fmt::Debug) {
    let counters = switch.port_counters().expect("counters");
    let (packets, bytes) = (u64::from(FLOWS * FRAMES_OF_A_FLOW), total_bytes());
    let (rx_packets, tx_packets, rx_bytes, tx_bytes) = (packets, packets, bytes, bytes);
    let expected = PortCounters { rx_packets, rx_bytes, tx_packets, tx_bytes, ..PortCounters::default() };
    assert_eq!((counters[&1], counters[&2]), (expected, expected), "{case:?}");
    assert_eq!(switch.drops().expect("drops"), [], "{case:?}");
    let flows = switch.flows().expect("flows");
    assert!(flows.iter().all(|flow| flow.packets == packets && flow.bytes == bytes), "{flows:?}");
}

#[test]
fn four_threads_forward_every_frame_once_and_each_flow_in_order() {
    let network = Network::new();
    for options in EVERY_WAY {
        let switch = Switch::start("four", 1, 1).expect("a switch");
        add_ports(&switch, &network, options);
        network.node.run(|| switch.set_threads(4)).expect("threads");
        let before = wait_for("names of threads", || Some(sleeps("four")).filter(|found| found.len() == 4));
        let (left, right) = (network.socket(&network.left), network.socket(&network.right));
        exchange(&left, &right);
        exchange(&right, &left);
        assert_counted(&switch, options);
        let after = sleeps("four");
        assert!(before.iter().all(|(name, count)| after[name] > count + 2), "{before:?} {after:?}");
    }
}

#[test]
fn ports_that_come_when_there_are_several_threads_are_shared_too() {
    let network = Network::new();
    let switch = Switch::start("forwarding", 1, 1).expect("a switch");
    switch.set_threads(3).expect("threads");
    for options in EVERY_WAY {
        add_ports(&switch, &network, options);
        let (left, right) = (network.socket(&network.left), network.socket(&network.right));
        exchange(&left, &right);
        assert_eq!(switch.drops().expect("drops"), [], "{options:?}");
        for number in [1, 2] {
            switch.remove_port(number).expect("there is one");
        }
    }
}

#[test]
fn while_threads_come_and_go_no_frame_comes_twice() {
    let network = Network::new();
    let switch = forwarding_switch(&network, DeviceOptions::default());
    let (left, right) = (network.socket(&network.left), network.socket(&network.right));
    let (mut arrivals, mut seen) = (arrivals(), HashMap::new());
    for round in 0..20 {
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| {
                for sent in 0..2000 {
                    left.send(&frame(sent % FLOWS, round * 2000 + sent), &Offload::default()).expect("send");
                }
            });
            network.node.run(|| switch.set_threads([4, 2, 3, 1][round as usize % 4])).expect("threads");
            sending.join().expect("sent");
        });
        // All of them each time: 40,000 frames are more than a receive buffer holds.
        count_received(&right, &mut arrivals, &mut seen);
    }
    wait_for("the last of them", || {
        count_received(&right, &mut arrivals, &mut seen);
        let sent = switch.port_counters().expect("counters")[&2].tx_packets;
        (seen.len() as u64 >= sent).then_some(())
    });
    assert_eq!(right.counters().expect("counters").drops, 0, "the receiver was too slow");
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty() && seen.len() > 1000, "{} frames, twice: {twice:?}", seen.len());
}

#[test]
fn threads_end_soon_while_packets_flow() {
    const SLEEP: Duration = Duration::from_millis(240);
    let network = Network::new();
    let switch = forwarding_switch(&network, DeviceOptions::default());
    let (left, is_over) = (network.socket(&network.left), AtomicBool::new(false));
    let times: Vec<Duration> = std::thread::scope(|scope| {
        scope.spawn(|| {
            let end = Instant::now() + Duration::from_secs(60);
            for sent in (0..).take_while(|_| !is_over.load(Ordering::Relaxed) && Instant::now() < end) {
                left.send(&frame(sent % FLOWS, sent), &Offload::default()).expect("send");
            }
        });
        let mut times = Vec::new();
        // The machine may be busy: it is enough that they once did not sleep first.
        while times.len() < 50 && times.iter().all(|time| *time >= SLEEP) {
            network.node.run(|| switch.set_threads(4)).expect("threads");
            let start = Instant::now();
            switch.set_threads(1).expect("threads");
            times.push(start.elapsed());
        }
        is_over.store(true, Ordering::Relaxed);
        times
    });
    assert!(times.iter().any(|time| *time < SLEEP), "{times:?}");
}
