//! Packet sockets over a veth pair: super-frames, VLAN tags, batches and the failures to count.

mod common;

use common::frames::{self, Ends, TCP_HEADERS_LEN};
use common::{Pair, receive, wait_for};
use tulle_io::{Arrival, Device, PacketSocket, Received, Sent};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::{GsoKind, Offload};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// The kernel cuts what is longer than a device's gso_max_size (65536), Ethernet header included.
const LONGEST_PAYLOAD: usize = 65535 - TCP_HEADERS_LEN;

fn ends() -> Ends {
    Ends::to(MAC, 7471)
}

fn sockets(pair: &Pair) -> (PacketSocket, PacketSocket) {
    (pair.left.packet_socket("left"), pair.right.packet_socket("right"))
}

fn send(socket: &PacketSocket, frame: &[u8], offload: &Offload) {
    assert_eq!(socket.send(frame, offload).expect("send"), Sent::Sent);
}

/// A frame with a tag behind its MAC addresses.
fn tagged(frame: &[u8], tag: [u8; 4]) -> Vec<u8> {
    [&frame[..12], &tag, &frame[12..]].concat()
}

#[test]
fn a_64_kb_super_frame_crosses_whole() {
    let pair = Pair::new();
    let (left, right) = sockets(&pair);
    let (frame, offload) = frames::tcp_super_frame(ends(), LONGEST_PAYLOAD, 1460);
    send(&left, &frame, &offload);
    let (received, received_offload) = receive(&right);
    assert_eq!(received.len(), frame.len());
    assert!(received == frame, "the bytes differ");
    assert_eq!(received_offload.gso, GsoKind::TcpV4);
    assert_eq!(received_offload.gso_size, 1460);
    assert!(received_offload.needs_csum, "{received_offload:?}");
    assert_eq!((received_offload.csum_start, received_offload.csum_offset), (34, 16));
}

#[test]
fn a_udp_super_frame_crosses_whole() {
    let pair = Pair::new();
    let (left, right) = sockets(&pair);
    let (frame, offload) = frames::udp_super_frame(ends(), 1400 * 40, 1400);
    send(&left, &frame, &offload);
    let (received, received_offload) = receive(&right);
    assert!(received == frame, "{} bytes of {} or other bytes", received.len(), frame.len());
    assert_eq!((received_offload.gso, received_offload.gso_size), (GsoKind::UdpL4, 1400));
}

#[test]
fn a_device_without_segmentation_gets_the_udp_super_frame_as_datagrams() {
    let pair = Pair::new();
    pair.left.command("ethtool -K left tx-udp-segmentation off gso off");
    let (left, right) = sockets(&pair);
    let (frame, offload) = frames::udp_super_frame(ends(), 3000, 1400);
    send(&left, &frame, &offload);
    let lengths = [(); 3].map(|()| receive(&right).0.len() - frames::UDP_HEADERS_LEN);
    assert_eq!(lengths, [1400, 1400, 200]);
}

#[test]
fn a_device_without_segmentation_gets_the_super_frame_cut_and_checksummed() {
    let pair = Pair::new();
    pair.left.command("ethtool -K left tso off gso off tx off");
    let (left, right) = sockets(&pair);
    let (frame, offload) = frames::tcp_super_frame(ends(), 3000, 1460);
    send(&left, &frame, &offload);
    let mut payload = Vec::new();
    for expected_len in [1460, 1460, 80] {
        let (segment, offload) = receive(&right);
        assert_eq!(segment.len(), TCP_HEADERS_LEN + expected_len);
        assert_eq!((offload.gso, offload.needs_csum), (GsoKind::None, false));
        assert_eq!(tcp_checksum_sum(&segment), 0xffff, "{segment:02x?}");
        payload.extend_from_slice(&segment[TCP_HEADERS_LEN..]);
    }
    assert!(payload == frame[TCP_HEADERS_LEN..], "the payload differs");
}

/// 0xffff if the checksum is right (RFC 1071).
fn tcp_checksum_sum(segment: &[u8]) -> u16 {
    let mut bytes = segment[26..34].to_vec();
    bytes.extend([0, frames::TCP]);
    bytes.extend(((segment.len() - 34) as u16).to_be_bytes());
    bytes.extend_from_slice(&segment[34..]);
    frames::sum(&bytes)
}

#[test]
fn past_the_queueing_discipline_a_super_frame_that_must_be_cut_is_refused() {
    let pair = Pair::new();
    pair.left.command("ethtool -K left tso off gso off");
    let left = pair.left.packet_socket_with("left", |options| options.qdisc_bypass = true);
    let (frame, offload) = frames::tcp_super_frame(ends(), 3000, 1460);
    assert_eq!(left.send(&frame, &offload).expect("send"), Sent::QueueFull);
    let (small, offload) = frames::tcp(ends(), 100);
    send(&left, &small, &offload);
}

#[test]
fn a_vlan_tag_that_the_kernel_strips_is_put_back() {
    let pair = Pair::new();
    let (left, right) = sockets(&pair);
    for tag in [[0x81, 0x00, 0x70, 0x64], [0x88, 0xa8, 0x00, 0x05]] {
        let frame = tagged(&frames::udp(ends(), b"tagged"), tag);
        send(&left, &frame, &Offload::default());
        assert_eq!(receive(&right).0, frame);
    }
}

#[test]
fn the_offload_of_a_tagged_super_frame_counts_the_tag() {
    let pair = Pair::new();
    let (left, right) = sockets(&pair);
    let (frame, mut offload) = frames::tcp_super_frame(ends(), 9000, 1400);
    let frame = tagged(&frame, [0x81, 0x00, 0x00, 0x07]);
    offload.csum_start += 4;
    offload.hdr_len += 4;
    send(&left, &frame, &offload);
    let (received, received_offload) = receive(&right);
    assert!(received == frame, "the bytes differ");
    assert_eq!(received_offload.csum_start, 38);
    assert_eq!(received_offload.gso_size, 1400);
}

#[test]
fn batches_keep_the_order_and_say_what_ended_them() {
    let pair = Pair::new();
    let (left, right) = sockets(&pair);
    let frames: Vec<Vec<u8>> = (0..40_u8).map(|i| frames::udp(ends(), &[i; 20])).collect();
    let batch: Vec<(&[u8], Offload)> =
        frames.iter().map(|frame| (frame.as_slice(), Offload::default())).collect();
    assert_eq!(left.send_batch(&batch).expect("send"), (32, Sent::Sent));
    assert_eq!(left.send_batch(&batch[32..]).expect("send"), (8, Sent::Sent));
    let mut arrivals: Vec<Arrival> = (0..8).map(|_| Arrival::new()).collect();
    let mut received = Vec::new();
    wait_for("40 frames", || {
        let (count, end) = right.receive_batch(&mut arrivals).expect("receive");
        assert_eq!(end == Received::Frame, count == arrivals.len());
        for arrival in &arrivals[..count] {
            assert_eq!(arrival.received, Received::Frame);
            received.push(arrival.frame.bytes().to_vec());
        }
        (received.len() >= frames.len()).then_some(())
    });
    assert_eq!(received, frames);
    assert_eq!(right.receive_batch(&mut arrivals).expect("receive"), (0, Received::Nothing));
}

#[test]
fn a_batch_stops_at_the_frame_that_does_not_go() {
    let pair = Pair::new();
    let (left, _right) = sockets(&pair);
    let good = frames::udp(ends(), b"good");
    let long = frames::udp(ends(), &[0; 2000]);
    let none = Offload::default();
    let batch = [(&good[..], none), (&long[..], none), (&good[..], none)];
    assert_eq!(left.send_batch(&batch).expect("send"), (1, Sent::TooLong));
    assert_eq!(left.send_batch(&batch[1..]).expect("send"), (0, Sent::TooLong));
    assert_eq!(left.send_batch(&batch[2..]).expect("send"), (1, Sent::Sent));
    assert_eq!(left.send_batch(&[]).expect("send"), (0, Sent::Sent));
}

#[test]
fn an_offload_that_makes_no_sense_is_refused() {
    let pair = Pair::new();
    let (left, _right) = sockets(&pair);
    let (frame, mut offload) = frames::tcp_super_frame(ends(), 3000, 1460);
    offload.gso_size = 0;
    assert_eq!(left.send(&frame, &offload).expect("send"), Sent::Refused);
    assert_eq!(left.send(&[], &Offload::default()).expect("send"), Sent::Refused);
}

#[test]
fn a_device_that_goes_down_and_up_is_reported_and_then_works_again() {
    let pair = Pair::new();
    let (left, right) = sockets(&pair);
    pair.left.run(|| Device::open("left").and_then(|device| device.set_down())).expect("down");
    let frame = frames::udp(ends(), b"again");
    assert_eq!(left.send(&frame, &Offload::default()).expect("send"), Sent::DeviceDown);
    let (mut buffer, mut offload) = (FrameBuf::new(), Offload::default());
    let received = left.receive(&mut buffer, &mut offload).expect("receive");
    assert_eq!(received, Received::DeviceDown);
    pair.left.run(|| Device::open("left").and_then(|device| device.set_up())).expect("up");
    pair.settle();
    assert_eq!(left.receive(&mut buffer, &mut offload).expect("receive"), Received::Nothing);
    send(&left, &frame, &Offload::default());
    assert_eq!(receive(&right).0, frame);
    send(&right, &frame, &Offload::default());
    assert_eq!(receive(&left).0, frame);
}

#[test]
fn frames_that_this_host_sends_are_not_received() {
    let pair = Pair::new();
    let (left, right) = sockets(&pair);
    let watcher = pair.left.packet_socket("left");
    send(&left, &frames::udp(ends(), b"out"), &Offload::default());
    let back = frames::udp(ends(), b"back");
    receive(&right);
    send(&right, &back, &Offload::default());
    assert_eq!(receive(&watcher).0, back);
}

#[test]
fn frames_that_find_the_receive_buffer_full_are_counted() {
    let pair = Pair::new();
    let left = pair.left.packet_socket("left");
    let right = pair.right.packet_socket_with("right", |options| options.receive_buffer_bytes = 4096);
    for _ in 0..100 {
        send(&left, &frames::udp(ends(), &[0; 1000]), &Offload::default());
    }
    let counters = right.counters().expect("counters");
    assert_eq!(counters.frames, 100, "{counters:?}");
    assert!(counters.drops > 0 && counters.drops < 100, "{counters:?}");
    assert_eq!(right.counters().expect("counters").frames, 0);
}
