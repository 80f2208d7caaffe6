//! Two switches with two tunnels between them, each over a cable of its own: both are seen to work, and when one is
//! cut, packets take the other within the detection time.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use super::MAC;
use super::frames::{self, Ends, UDP_HEADERS_LEN};
use super::network::{Namespace, cable, settle, socket, wait_for};
use tulle_datapath::Command;
use tulle_io::{Arrival, Device, PacketSocket};
use tulle_switch::tulle_bfd::{Settings, State};
use tulle_switch::{DeviceOptions, Event, HealthSettings, Kind, Switch, TunnelConfig, Way};
use tulle_wire::vnet::Offload;

const CABLES: [(&str, u8); 2] = [("first", 1), ("second", 2)];
const TUNNELS: [u32; 2] = [2, 3];
const INTERVAL_MS: u32 = 100;
const DETECTION: Duration = Duration::from_millis(3 * INTERVAL_MS as u64);
/// What a busy machine may add.
const PATIENCE: Duration = Duration::from_millis(500);
const PROBE_EVERY: Duration = Duration::from_millis(5);

/// A host, and the node whose switch it is at.
struct Side {
    number: u8,
    host: Namespace,
    node: Namespace,
    switch: Switch,
}

fn address(cable: u8, side: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, cable, side).into()
}

fn settings() -> HealthSettings {
    let session = Settings { min_rx_ms: INTERVAL_MS, min_tx_ms: INTERVAL_MS, ..Settings::default() };
    HealthSettings { session, ..HealthSettings::default() }
}

impl Side {
    fn new(number: u8) -> Side {
        let (host, node) = (Namespace::new(), Namespace::new());
        cable((&host, "host", 70), (&node, "port", 80));
        let switch = Switch::start("health", u64::from(number), u64::from(number)).expect("a switch");
        Side { number, host, node, switch }
    }

    fn join(&self, other: &Side) {
        let here = CABLES.map(|(_, cable)| address(cable, self.number));
        self.switch.set_underlay_addresses(here.to_vec()).expect("addresses");
        self.node.run(|| self.switch.add_device_with(1, "port", DeviceOptions::default())).expect("port 1");
        for ((device, cable), number) in CABLES.into_iter().zip(TUNNELS) {
            let (local, remote) = (address(cable, self.number), address(cable, other.number));
            let next_hop = other.node.run(|| Device::open(device).expect("a device").mac().expect("a MAC"));
            let way = Way { device: device.to_owned(), local, next_hop, mtu: 1500 };
            self.node.run(|| {
                self.switch.open_underlay(device).expect("an underlay");
                let config = TunnelConfig::new(Kind::Geneve, Some(remote));
                self.switch.add_tunnel(number, device, config).expect("a tunnel");
            });
            self.switch.set_way(remote, Some(way)).expect("a way");
        }
        let spread = "in_port=1,actions=bundle(eth_src,0,active_backup,ofport,members:2,3)";
        let flows = [spread, "in_port=2,actions=output:1", "in_port=3,actions=output:1"];
        let flows = flows.map(|text| text.parse().expect("a flow")).to_vec();
        self.switch.change_flows(Command::Add, flows).expect("room");
    }

    fn watch(&self, settings: Option<HealthSettings>) {
        for number in TUNNELS {
            self.switch.watch_health(number, settings).expect("a tunnel");
        }
    }

    fn forwards(&self) -> [bool; 2] {
        let health = self.switch.health().expect("health");
        TUNNELS.map(|number| health[&number].session.is_forwarding)
    }
}

fn joined(threads: usize) -> [Side; 2] {
    let sides = [Side::new(1), Side::new(2)];
    let [left, right] = &sides;
    for (device, number) in CABLES {
        let index = u32::from(number);
        cable((&left.node, device, 90 + index), (&right.node, device, 100 + index));
        settle(&[(&left.node, device), (&right.node, device)]);
    }
    settle(&[(&left.host, "host"), (&right.host, "host"), (&left.node, "port"), (&right.node, "port")]);
    for (side, other) in [(left, right), (right, left)] {
        side.node.run(|| side.switch.set_threads(threads)).expect("threads");
        side.join(other);
    }
    sides
}

fn wait_until_both_forward(sides: &[Side; 2]) {
    wait_for("both tunnels at both ends", || {
        sides.iter().all(|side| side.forwards() == [true; 2]).then_some(())
    });
}

/// Sends numbered frames for a while, and gives the longest time without one at the other host.
fn longest_gap(
    from: &PacketSocket,
    to: &PacketSocket,
    time: Duration,
    mut meanwhile: impl FnMut(u32),
) -> Duration {
    let mut arrivals: Vec<Arrival> = (0..32).map(|_| Arrival::new()).collect();
    let (start, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    let mut number = 0u32;
    while start.elapsed() < time {
        let mut frame = frames::udp(Ends::to(MAC, 9), &[0; 18]);
        frame[UDP_HEADERS_LEN..UDP_HEADERS_LEN + 4].copy_from_slice(&number.to_be_bytes());
        from.send(&frame, &Offload::default()).expect("send");
        meanwhile(number);
        std::thread::sleep(PROBE_EVERY);
        let (count, _) = to.receive_batch(&mut arrivals).expect("receive");
        if count > 0 {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        number += 1;
    }
    longest.max(last.elapsed())
}

fn fails_over(threads: usize) {
    let sides = joined(threads);
    let [left, right] = &sides;
    sides.iter().for_each(|side| side.watch(Some(settings())));
    wait_until_both_forward(&sides);
    let (one, other) = (socket(&left.host), socket(&right.host));
    let before = left.switch.port_counters().expect("counters");
    let gap = longest_gap(&one, &other, 2 * DETECTION + 2 * PATIENCE, |number| {
        if number == 20 {
            left.node.command("ip link set first down");
        }
    });
    assert!(gap < DETECTION + PATIENCE, "{gap:?} without a packet");
    assert_eq!(left.forwards(), [false, true]);
    let after = left.switch.port_counters().expect("counters");
    assert!(after[&3].tx_packets > before[&3].tx_packets + 50, "{after:?}");
    let events = left.switch.events();
    assert!(events.contains(&Event::HealthChanged { port: 2 }), "{events:?}");
    left.node.command("ip link set first up");
    wait_until_both_forward(&sides);
    let flaps = left.switch.health().expect("health")[&2].session.flaps;
    assert_eq!(flaps, 3, "up, down, up");
}

#[test]
fn packets_take_another_tunnel_when_one_is_cut() {
    fails_over(1);
}

#[test]
fn packets_take_another_tunnel_when_one_is_cut_with_several_threads() {
    fails_over(3);
}

#[test]
fn a_tunnel_that_nobody_watches_is_live_and_others_cannot_be_watched() {
    let sides = joined(1);
    let [left, _] = &sides;
    left.watch(Some(settings()));
    assert_eq!(left.forwards(), [false; 2], "the other end does not answer");
    left.switch.force_forwarding(Some(2), Some(true)).expect("a session");
    assert_eq!(left.forwards(), [true, false]);
    left.switch.force_forwarding(None, Some(false)).expect("sessions");
    assert_eq!(left.forwards(), [false; 2]);
    left.switch.force_forwarding(None, None).expect("sessions");
    left.watch(None);
    assert!(left.switch.health().expect("health").is_empty());
    assert!(left.switch.force_forwarding(Some(2), None).is_err());
    assert!(left.switch.watch_health(1, Some(settings())).is_err(), "a device");
    assert!(left.switch.watch_health(9, Some(settings())).is_err(), "no port");
}

#[test]
fn a_session_stays_up_while_whoever_configures_the_switch_does_nothing() {
    let sides = joined(1);
    sides.iter().for_each(|side| side.watch(Some(settings())));
    wait_until_both_forward(&sides);
    std::thread::sleep(5 * DETECTION);
    for side in &sides {
        for status in side.switch.health().expect("health").values() {
            assert_eq!((status.session.local.state, status.session.flaps), (State::Up, 1));
        }
    }
}
