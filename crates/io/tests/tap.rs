//! TAP devices against the kernel's own IP stack.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::frames::{self, Ends, UDP_HEADERS_LEN};
use common::{DEADLINE, Namespace, Pair, wait_for};
use tulle_io::{Device, PacketSocket, Received, Sent, Tap, TapOptions};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::{GsoKind, Offload};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const OTHER_MAC: &str = "02:00:00:00:00:02";

fn open(namespace: &Namespace, name: &str, mac: [u8; 6]) -> Tap {
    let options = TapOptions { mac: Some(mac), ..TapOptions::named(name) };
    namespace.run(|| Tap::open(&options)).expect("tap")
}

/// Gives the device 192.0.2.2 and makes 192.0.2.1 known.
fn configure(namespace: &Namespace, name: &str) {
    namespace.ip(&format!("link set {name} up"));
    namespace.ip(&format!("address add 192.0.2.2/24 dev {name}"));
    namespace.ip(&format!("neigh replace 192.0.2.1 dev {name} lladdr {OTHER_MAC}"));
}

/// The next frame from the workload that is UDP over IPv4; IPv6 chatter is passed over.
fn receive_udp(tap: &Tap) -> (Vec<u8>, Offload) {
    wait_for("a UDP frame", || {
        let (mut frame, mut offload) = (FrameBuf::new(), Offload::default());
        match tap.receive(&mut frame, &mut offload).expect("receive") {
            Received::Frame => {
                let bytes = frame.bytes();
                (bytes[12..14] == [8, 0] && bytes[23] == frames::UDP).then(|| (bytes.to_vec(), offload))
            }
            Received::Nothing => None,
            other => panic!("expected a frame, got {other:?}"),
        }
    })
}

/// A datagram in and a datagram out.
fn exchange(namespace: &Namespace, tap: &Tap) {
    let socket = namespace.run(|| UdpSocket::bind("192.0.2.2:4000")).expect("socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("timeout");
    socket.send_to(b"from the workload", "192.0.2.1:50000").expect("send");
    let (frame, offload) = receive_udp(tap);
    assert_eq!(&frame[UDP_HEADERS_LEN..], b"from the workload");
    assert!(offload.needs_csum, "the kernel leaves the checksum to us: {offload:?}");
    let frame = frames::udp(Ends::to(MAC, 4000), b"to the workload");
    assert_eq!(tap.send(&frame, &Offload::default()).expect("send"), Sent::Sent);
    let mut received = [0; 64];
    let length = socket.recv(&mut received).expect("a datagram");
    assert_eq!(&received[..length], b"to the workload");
}

#[test]
fn frames_go_both_ways_between_a_tap_and_the_kernel() {
    let namespace = Namespace::new();
    let tap = open(&namespace, "tap0", MAC);
    configure(&namespace, "tap0");
    exchange(&namespace, &tap);
}

#[test]
fn a_tap_that_moves_to_another_namespace_keeps_working() {
    let (home, away) = (Namespace::new(), Namespace::new());
    let tap = open(&home, "tap0", MAC);
    home.ip(&format!("link set tap0 netns {} name eth0", away.path()));
    configure(&away, "eth0");
    exchange(&away, &tap);
    away.ip(&format!("link set eth0 netns {} name tap0", home.path()));
    configure(&home, "tap0");
    exchange(&home, &tap);
}

#[test]
fn a_new_tap_is_up_with_the_mac_and_mtu_asked_for() {
    let namespace = Namespace::new();
    let options =
        TapOptions { mac: Some(MAC), mtu: 1400, udp_segmentation: true, ..TapOptions::named("tap0") };
    let tap = namespace.run(|| Tap::open(&options)).expect("tap");
    let device = namespace.run(|| Device::open("tap0")).expect("device");
    assert_eq!(device.mac().expect("mac"), MAC);
    assert_eq!(device.mtu().expect("mtu"), 1400);
    assert!(device.is_up().expect("flags"));
    assert!(tap.tcp_segmentation() && tap.udp_segmentation(), "{tap:?}");
    assert_eq!(tap.name(), "tap0");
}

#[test]
fn a_dropped_tap_takes_its_device_along() {
    let namespace = Namespace::new();
    drop(open(&namespace, "tap0", MAC));
    assert!(namespace.run(|| Device::open("tap0")).is_err());
}

#[test]
fn a_tap_that_is_open_or_no_tap_is_refused() {
    let namespace = Namespace::new();
    let _tap = open(&namespace, "tap0", MAC);
    let error = |name| namespace.run(|| Tap::open(&TapOptions::named(name))).expect_err(name);
    assert_eq!(error("tap0").raw_os_error(), Some(libc::EBUSY));
    assert_eq!(error("lo").raw_os_error(), Some(libc::EINVAL));
    assert_eq!(error("").kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn a_tap_that_is_down_or_deleted_says_so() {
    let namespace = Namespace::new();
    let tap = open(&namespace, "tap0", MAC);
    let frame = frames::udp(Ends::to(MAC, 4000), b"lost");
    namespace.ip("link set tap0 down");
    assert_eq!(tap.send(&frame, &Offload::default()).expect("send"), Sent::DeviceDown);
    namespace.ip("link delete tap0");
    let error = tap.send(&frame, &Offload::default()).expect_err("deleted");
    assert_eq!(error.raw_os_error(), Some(libc::EBADFD));
    let (mut frame, mut offload) = (FrameBuf::new(), Offload::default());
    assert!(tap.receive(&mut frame, &mut offload).is_err());
}

#[test]
fn frames_that_the_kernel_cannot_take_are_refused() {
    let namespace = Namespace::new();
    let tap = open(&namespace, "tap0", MAC);
    let (frame, mut offload) = frames::tcp_super_frame(Ends::to(MAC, 80), 3000, 1460);
    offload.gso_size = 0;
    assert_eq!(tap.send(&frame, &offload).expect("send"), Sent::Refused);
    assert_eq!(tap.send(&[0; 5], &Offload::default()).expect("send"), Sent::Refused);
}

/// Two workloads: TAP `near`, wire left - right, TAP `far`.
struct Chain {
    pair: Pair,
    near: Tap,
    far: Tap,
    longest_on_wire: AtomicUsize,
    done: AtomicBool,
}

impl Chain {
    fn new() -> Self {
        let pair = Pair::new();
        let near = open(&pair.left, "near", [2, 0, 0, 0, 0, 3]);
        let far = open(&pair.right, "far", MAC);
        configure(&pair.right, "far");
        pair.left.ip("address add 192.0.2.1/24 dev near");
        pair.left.ip("neigh replace 192.0.2.2 dev near lladdr 02:00:00:00:00:01");
        pair.right.ip("neigh replace 192.0.2.1 dev far lladdr 02:00:00:00:00:03");
        Self { pair, near, far, longest_on_wire: AtomicUsize::new(0), done: AtomicBool::new(false) }
    }

    /// Forwards until it is told to stop.
    fn forward(&self, left: &PacketSocket, right: &PacketSocket) {
        let (mut frame, mut offload) = (FrameBuf::new(), Offload::default());
        while !self.done.load(Ordering::Relaxed) {
            if self.near.receive(&mut frame, &mut offload).expect("near") == Received::Frame {
                left.send(frame.bytes(), &offload).expect("left");
            }
            if right.receive(&mut frame, &mut offload).expect("right") == Received::Frame {
                if offload.gso == GsoKind::TcpV4 {
                    self.longest_on_wire.fetch_max(frame.len(), Ordering::Relaxed);
                }
                self.far.send(frame.bytes(), &offload).expect("far");
            }
            if self.far.receive(&mut frame, &mut offload).expect("far") == Received::Frame {
                right.send(frame.bytes(), &offload).expect("right");
            }
            if left.receive(&mut frame, &mut offload).expect("left") == Received::Frame {
                self.near.send(frame.bytes(), &offload).expect("near");
            }
        }
    }
}

#[test]
fn a_tcp_stream_crosses_taps_and_wire_in_64_kb_frames() {
    let chain = Chain::new();
    let left = chain.pair.left.packet_socket("left");
    let right = chain.pair.right.packet_socket("right");
    let listener = chain.pair.right.run(|| TcpListener::bind("192.0.2.2:5000")).expect("listen");
    let sent: Vec<u8> = (0..16_000_000_u32).map(|i| (i / 7) as u8).collect();
    let received = std::thread::scope(|scope| {
        scope.spawn(|| chain.forward(&left, &right));
        let reader = scope.spawn(|| read_all(&listener));
        let stream = chain.pair.left.run(|| TcpStream::connect("192.0.2.2:5000"));
        let written = stream.and_then(|mut stream| stream.write_all(&sent));
        let received = written.and_then(|()| reader.join().expect("reader"));
        chain.done.store(true, Ordering::Relaxed);
        received.expect("the stream")
    });
    assert!(received == sent, "{} bytes of {} or other bytes", received.len(), sent.len());
    let longest = chain.longest_on_wire.load(Ordering::Relaxed);
    assert!(longest > 60_000, "the longest frame on the wire had {longest} bytes");
}

fn read_all(listener: &TcpListener) -> std::io::Result<Vec<u8>> {
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received)?;
    Ok(received)
}
