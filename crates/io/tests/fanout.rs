//! Several sockets that share a device's frames.

mod common;

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use common::frames::{self, Ends};
use common::{Pair, wait_for};
use tulle_io::{Device, DevicePort, DevicePortOptions, Received, Sent};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const PLAIN: DevicePortOptions = DevicePortOptions { ring_slots: 0, direct: false };
const RING: DevicePortOptions = DevicePortOptions { ring_slots: 1024, direct: false };
const FLOWS: u16 = 100;
/// Longer than frames are on their way.
const MOMENT: Duration = Duration::from_millis(100);

fn of_flow(flow: u16) -> Vec<u8> {
    let ends = Ends { source_port: 1024 + flow, ..Ends::to(MAC, 7471) };
    frames::udp(ends, &flow.to_be_bytes())
}

/// The other direction of a flow.
fn answer(frame: &[u8]) -> Vec<u8> {
    let mut answer = frame.to_vec();
    answer[26..30].copy_from_slice(&frame[30..34]);
    answer[30..34].copy_from_slice(&frame[26..30]);
    answer[34..36].copy_from_slice(&frame[36..38]);
    answer[36..38].copy_from_slice(&frame[34..36]);
    answer
}

/// Makes a frame the fragment of a datagram: `flags` with the offset in units of 8 bytes (RFC 791 section 3.1).
fn fragment(mut frame: Vec<u8>, flags: u16) -> Vec<u8> {
    frame[20..22].copy_from_slice(&flags.to_be_bytes());
    frame[24..26].fill(0);
    let checksum = !frames::sum(&frame[14..34]);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// Sends a frame; which of the ports it comes to, and only to that one.
fn taker(sender: &mut DevicePort, ports: &mut [DevicePort], frame: &[u8]) -> usize {
    assert_eq!(sender.send(frame, &Offload::default()).expect("send"), Sent::Sent);
    sender.flush();
    let (mut buffer, mut offload) = (FrameBuf::new(), Offload::default());
    let mut receive = |port: &mut DevicePort| port.receive(&mut buffer, &mut offload).expect("receive");
    let found = wait_for("the frame", || ports.iter_mut().position(|port| receive(port) == Received::Frame));
    // A veth delivers to all sockets before it goes on.
    assert!(ports.iter_mut().all(|port| receive(port) == Received::Nothing), "it came twice");
    found
}

#[test]
fn each_flow_comes_to_one_of_the_shares_in_both_directions() {
    for options in [PLAIN, RING] {
        let pair = Pair::new();
        let mut sender = pair.left.port("left", PLAIN);
        let mut ports = vec![pair.right.port("right", options)];
        for _ in 1..4 {
            let share = pair.right.run(|| ports[0].open_share(options)).expect("a share");
            ports.push(share);
        }
        let mut frames = [0; 4];
        for flow in 0..FLOWS {
            let frame = of_flow(flow);
            let first = taker(&mut sender, &mut ports, &frame);
            assert_eq!(taker(&mut sender, &mut ports, &frame), first, "flow {flow}");
            assert_eq!(taker(&mut sender, &mut ports, &answer(&frame)), first, "flow {flow}");
            frames[first] += 1;
        }
        assert!(frames.iter().all(|count| *count > FLOWS / 10), "{frames:?}");
        ports.truncate(1);
        wait_for("all flows", || all_come(&mut sender, &mut ports[0]).then_some(()));
    }
}

/// Whether each flow comes to this port now, within a moment.
///
/// What is closed takes its flows along until its last descriptor is gone.  A program that is just being started, as
/// by a test beside this one, has copies of all descriptors until it runs.
fn all_come(sender: &mut DevicePort, port: &mut DevicePort) -> bool {
    for flow in 0..FLOWS {
        assert_eq!(sender.send(&of_flow(flow), &Offload::default()).expect("send"), Sent::Sent);
    }
    sender.flush();
    let (mut buffer, mut offload) = (FrameBuf::new(), Offload::default());
    let mut missing: HashSet<Vec<u8>> = (0..FLOWS).map(of_flow).collect();
    let end = Instant::now() + MOMENT;
    while !missing.is_empty() && Instant::now() < end {
        match port.receive(&mut buffer, &mut offload).expect("receive") {
            Received::Frame => drop(missing.remove(buffer.bytes())),
            _ => std::thread::yield_now(),
        }
    }
    missing.is_empty()
}

#[test]
fn fragments_of_one_datagram_come_to_one_share_and_as_they_are() {
    let pair = Pair::new();
    let mut sender = pair.left.port("left", PLAIN);
    let mut ports = vec![pair.right.port("right", PLAIN)];
    for _ in 1..4 {
        let share = pair.right.run(|| ports[0].open_share(PLAIN)).expect("a share");
        ports.push(share);
    }
    for flow in 0..FLOWS {
        let first = taker(&mut sender, &mut ports, &fragment(of_flow(flow), 0x2000));
        let last = taker(&mut sender, &mut ports, &fragment(of_flow(flow), 0x0002));
        assert_eq!(first, last, "flow {flow}");
    }
}

#[test]
fn a_port_that_goes_on_with_anothers_socket_is_shared_in_the_same_group() {
    let pair = Pair::new();
    let mut sender = pair.left.port("left", PLAIN);
    let (copy, share) = {
        let mut port = pair.right.port("right", PLAIN);
        let share = pair.right.run(|| port.open_share(PLAIN)).expect("a share");
        (port.as_fd().try_clone_to_owned().expect("a copy"), share)
    };
    let adopted = pair.right.run(|| DevicePort::adopt(&Device::open("right").expect("device"), copy, 0));
    let mut ports = vec![adopted.expect("its socket"), share];
    let third = pair.right.run(|| ports[0].open_share(PLAIN)).expect("a third share");
    ports.push(third);
    let takers: HashSet<usize> =
        (0..FLOWS).map(|flow| taker(&mut sender, &mut ports, &of_flow(flow))).collect();
    assert_eq!(takers.len(), 3);
}

#[test]
fn a_device_is_not_shared_from_another_namespace() {
    let pair = Pair::new();
    let mut port = pair.right.port("right", PLAIN);
    let error = pair.left.run(|| port.open_share(PLAIN)).expect_err("it means another device there");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
