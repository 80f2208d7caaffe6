//! Several queues of a TAP device: each flow comes by one, and none gets what it should not.

mod common;

use common::frames::{self, Ends, UDP_HEADERS_LEN};
use common::{Namespace, wait_for};
use tulle_io::{PacketSocket, Received, Sent, Tap, TapOptions};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const FLOWS: u8 = 64;

fn shareable(namespace: &Namespace) -> Tap {
    let options = TapOptions { shareable: true, ..TapOptions::named("tap0") };
    namespace.run(|| Tap::open(&options)).expect("tap")
}

fn flow(source_port: u8) -> Vec<u8> {
    let ends = Ends { source_port: 1024 + u16::from(source_port), ..Ends::to(MAC, 7471) };
    frames::udp(ends, &[source_port; 18])
}

/// What the other end of a flow answers.
fn answer(source_port: u8) -> Vec<u8> {
    let there = Ends::to(MAC, 7471);
    let (source, destination) = (there.destination, there.source);
    let ports = (7471, 1024 + u16::from(source_port));
    let back = Ends { source, destination, source_port: ports.0, destination_port: ports.1, ..there };
    frames::udp(back, &[source_port; 18])
}

/// The flows whose frames wait in a queue.
fn taken(tap: &Tap) -> Vec<u8> {
    let (mut frame, mut offload, mut found) = (FrameBuf::new(), Offload::default(), Vec::new());
    loop {
        match tap.receive(&mut frame, &mut offload).expect("receive") {
            Received::Frame if frame.bytes()[12..14] == [8, 0] => found.push(frame.bytes()[UDP_HEADERS_LEN]),
            Received::Nothing => return found,
            _ => {}
        }
    }
}

/// Sends a frame of every flow.
fn send_all(socket: &PacketSocket, frame: impl Fn(u8) -> Vec<u8>) {
    for port in 0..FLOWS {
        assert_eq!(socket.send(&frame(port), &Offload::default()).expect("send"), Sent::Sent);
    }
}

/// The same, of two queues, once every flow has come.
fn dealt(socket: &PacketSocket, queues: [&Tap; 2], frame: fn(u8) -> Vec<u8>) -> [Vec<u8>; 2] {
    send_all(socket, frame);
    let mut found = [Vec::new(), Vec::new()];
    wait_for("every flow", || {
        found.iter_mut().zip(queues).for_each(|(flows, tap)| flows.extend(taken(tap)));
        (found[0].len() + found[1].len() >= usize::from(FLOWS)).then_some(())
    });
    found
}

#[test]
fn each_flow_comes_by_one_queue_in_both_directions_and_whatever_is_written() {
    let namespace = Namespace::new();
    let first = shareable(&namespace);
    let second = first.open_share(1).expect("a share");
    let socket = namespace.packet_socket("tap0");
    let alone = dealt(&socket, [&first, &second], flow);
    assert_eq!((alone[0].len(), alone[1].len()), (usize::from(FLOWS), 0), "not before it is told");
    first.steer(2).expect("a program");
    let before = dealt(&socket, [&first, &second], flow);
    assert!(before.iter().all(|flows| flows.len() > 16), "{before:?}");
    // A kernel that is left to itself would send each flow to where its other direction was written.
    for port in 0..FLOWS {
        first.send(&answer(port), &Offload::default()).expect("send");
    }
    assert_eq!(dealt(&socket, [&first, &second], flow), before);
    assert_eq!(dealt(&socket, [&first, &second], answer), before);
}

#[test]
fn what_waits_in_a_queue_that_gets_no_more_can_be_received() {
    let namespace = Namespace::new();
    let first = shareable(&namespace);
    let second = first.open_share(1).expect("a share");
    let socket = namespace.packet_socket("tap0");
    first.steer(2).expect("a program");
    send_all(&socket, flow);
    first.steer(1).expect("a program");
    let waiting = wait_for("frames", || Some(taken(&second)).filter(|flows| !flows.is_empty()));
    assert_eq!(waiting.len() + taken(&first).len(), usize::from(FLOWS));
    drop(second);
    send_all(&socket, flow);
    assert_eq!(taken(&first).len(), usize::from(FLOWS));
}

#[test]
fn all_fragments_of_a_datagram_come_by_one_queue() {
    let namespace = Namespace::new();
    let first = shareable(&namespace);
    let second = first.open_share(1).expect("a share");
    let socket = namespace.packet_socket("tap0");
    first.steer(2).expect("a program");
    let fragment = |port: u8| {
        let mut frame = flow(port);
        // More fragments, or the place of this one.
        let field = if port == 0 { 0x2000_u16 } else { u16::from(port) };
        frame[20..22].copy_from_slice(&field.to_be_bytes());
        frame
    };
    send_all(&socket, fragment);
    let found = [taken(&first).len(), taken(&second).len()];
    assert!(found == [usize::from(FLOWS), 0] || found == [0, usize::from(FLOWS)], "{found:?}");
}

#[test]
fn a_share_finds_a_device_that_has_moved_and_been_renamed() {
    let (home, away) = (Namespace::new(), Namespace::new());
    let first = shareable(&home);
    home.ip(&format!("link set tap0 netns {} name eth0", away.path()));
    away.ip("link set eth0 up");
    // One of the name that it had is none of its business.
    home.ip("tuntap add tap0 mode tap multi_queue");
    let second = first.open_share(1).expect("a share");
    first.steer(2).expect("a program");
    let found = dealt(&away.packet_socket("eth0"), [&first, &second], flow);
    assert!(found.iter().all(|flows| flows.len() > 16), "{found:?}");
    assert_eq!((second.tcp_segmentation(), second.name()), (first.tcp_segmentation(), "tap0"));
    drop(first);
    assert!(away.run(|| tulle_io::Device::open("eth0")).is_ok(), "the other still has it");
    drop(second);
    assert!(away.run(|| tulle_io::Device::open("eth0")).is_err());
}

#[test]
fn a_tap_of_one_queue_stays_what_it_is() {
    let namespace = Namespace::new();
    namespace.ip("tuntap add tap0 mode tap vnet_hdr");
    let options = TapOptions { shareable: true, ..TapOptions::named("tap0") };
    let tap = namespace.run(|| Tap::open(&options)).expect("tap");
    assert!(!tap.is_shareable());
    assert_eq!(tap.open_share(1).expect_err("one queue").kind(), std::io::ErrorKind::Unsupported);
    let error = namespace.run(|| Tap::open(&options)).expect_err("open");
    assert_eq!(error.raw_os_error(), Some(libc::EBUSY));
}

#[test]
fn a_tap_of_several_queues_is_nobody_elses_but_by_its_descriptor() {
    let namespace = Namespace::new();
    let tap = shareable(&namespace);
    let options = TapOptions { shareable: true, ..TapOptions::named("tap0") };
    assert!(
        namespace.run(|| Tap::open(&options)).is_err(),
        "frames would go to two that know not of each other"
    );
    let copied = std::os::fd::AsFd::as_fd(&tap).try_clone_to_owned().expect("a copy");
    let adopted = Tap::adopt(copied, "tap0").expect("the same");
    drop(tap);
    assert!(adopted.is_shareable());
    adopted.open_share(1).expect("a share");
}
