//! Devices as ports: every way of receiving and sending carries every kind of frame, in order.

mod common;

use std::os::fd::AsFd;
use std::time::Duration;

use common::frames::{self, Ends, TCP_HEADERS_LEN};
use common::{Pair, wait_for};
use tulle_io::{Arrival, Device, DevicePort, DevicePortOptions, Lost, Outgoing, Poller, Received, Sent};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const LONGEST_PAYLOAD: usize = 65535 - TCP_HEADERS_LEN;
const PLAIN: DevicePortOptions = DevicePortOptions { ring_slots: 0, direct: false };
const FAST: DevicePortOptions = DevicePortOptions { ring_slots: 64, direct: true };
const EVERY_WAY: [DevicePortOptions; 4] = [
    PLAIN,
    DevicePortOptions { ring_slots: 0, direct: true },
    DevicePortOptions { ring_slots: 64, direct: false },
    FAST,
];

type Framed = (Vec<u8>, Offload);

fn ends() -> Ends {
    Ends::to(MAC, 7471)
}

fn plain(frame: Vec<u8>) -> Framed {
    (frame, Offload::default())
}

fn tagged((frame, mut offload): Framed) -> Framed {
    if offload.needs_csum {
        offload.csum_start += 4;
    }
    if offload.hdr_len != 0 {
        offload.hdr_len += 4;
    }
    ([&frame[..12], &[0x81, 0x00, 0x70, 0x64], &frame[12..]].concat(), offload)
}

/// One frame of each kind and length that makes a difference.
fn every_kind() -> Vec<Framed> {
    vec![
        plain(frames::udp(ends(), b"short")),
        frames::tcp(ends(), 10),
        plain(frames::udp(ends(), &[7; 1500 - 28])),
        tagged(plain(frames::udp(ends(), b"tagged"))),
        frames::tcp_super_frame(ends(), LONGEST_PAYLOAD, 1460),
        frames::tcp(ends(), 1400),
        tagged(frames::tcp(ends(), 20)),
        frames::tcp_super_frame(ends(), 1800, 1460),
        tagged(frames::tcp_super_frame(ends(), 9000, 1400)),
        frames::udp_super_frame(ends(), 1400 * 40, 1400),
    ]
}

/// What arrives: the frame and what of its offload concerns the bytes.
fn receive(port: &mut DevicePort) -> Framed {
    let (mut frame, mut offload) = (FrameBuf::new(), Offload::default());
    wait_for("a frame", || match port.receive(&mut frame, &mut offload).expect("receive") {
        Received::Frame => Some((frame.bytes().to_vec(), offload)),
        Received::Nothing => None,
        other => panic!("expected a frame, got {other:?}"),
    })
}

fn assert_same(received: &Framed, sent: &Framed, what: &str) {
    let (lengths, same) = ((received.0.len(), sent.0.len()), received.0 == sent.0);
    assert!(same, "{what}: {} bytes of {} or other bytes", lengths.0, lengths.1);
    let concerning = |offload: &Offload| (offload.needs_csum, offload.gso, offload.gso_size);
    assert_eq!(concerning(&received.1), concerning(&sent.1), "{what}");
    if sent.1.needs_csum {
        assert_eq!(received.1.csum_start, sent.1.csum_start, "{what}");
        assert_eq!(received.1.csum_offset, sent.1.csum_offset, "{what}");
    }
}

#[test]
fn every_kind_of_frame_goes_every_way_and_the_order_stays() {
    for options in EVERY_WAY {
        let pair = Pair::new();
        let (mut left, mut right) = (pair.left.port("left", options), pair.right.port("right", options));
        assert_eq!((left.is_direct(), right.has_ring()), (options.direct, options.ring_slots > 0));
        // Four times round a ring of 64 slots.
        for round in 0..26 {
            for (frame, offload) in every_kind() {
                assert_eq!(left.send(&frame, &offload).expect("send"), Sent::Sent);
            }
            assert_eq!(left.flush(), Lost::default(), "{options:?}");
            for (i, sent) in every_kind().iter().enumerate() {
                assert_same(&receive(&mut right), sent, &format!("{options:?}, round {round}, frame {i}"));
            }
        }
        assert_eq!(right.counters().expect("counters").drops, 0);
    }
}

#[test]
fn more_frames_than_are_collected_go_without_a_flush() {
    for options in EVERY_WAY {
        let pair = Pair::new();
        let mut left = pair.left.port("left", options);
        let mut right = pair.right.port("right", DevicePortOptions { ring_slots: 1024, ..options });
        let sent: Vec<Framed> = (0..300_u16).map(|i| plain(frames::udp(ends(), &i.to_be_bytes()))).collect();
        for (frame, offload) in &sent {
            assert_eq!(left.send(frame, offload).expect("send"), Sent::Sent);
        }
        assert!(!left.is_flushed());
        assert_eq!(left.flush(), Lost::default());
        assert!(left.is_flushed());
        for frame in &sent {
            assert_same(&receive(&mut right), frame, &format!("{options:?}"));
        }
    }
}

#[test]
fn ports_without_a_ring_receive_in_batches() {
    let pair = Pair::new();
    let (mut left, mut right) = (pair.left.port("left", FAST), pair.right.port("right", PLAIN));
    for (frame, offload) in every_kind() {
        assert_eq!(left.send(&frame, &offload).expect("send"), Sent::Sent);
    }
    left.flush();
    let mut arrivals: Vec<Arrival> = (0..4).map(|_| Arrival::new()).collect();
    let mut received = Vec::new();
    wait_for("all frames", || {
        let (count, _) = right.receive_batch(&mut arrivals).expect("receive");
        received.extend(arrivals[..count].iter().map(|one| (one.frame.bytes().to_vec(), one.offload)));
        (received.len() == every_kind().len()).then_some(())
    });
    for (received, sent) in received.iter().zip(&every_kind()) {
        assert_same(received, sent, "batch");
    }
}

#[test]
fn frames_that_the_device_cannot_take_are_refused_and_the_others_go() {
    for options in EVERY_WAY {
        let pair = Pair::new();
        let (mut left, mut right) = (pair.left.port("left", options), pair.right.port("right", options));
        let good = plain(frames::udp(ends(), b"good"));
        assert_eq!(left.send(&good.0, &good.1).expect("send"), Sent::Sent);
        let long = frames::udp(ends(), &[0; 1700]);
        assert_eq!(left.send(&long, &Offload::default()).expect("send"), Sent::TooLong);
        let mut senseless = frames::tcp(ends(), 10);
        senseless.1.csum_offset = 500;
        assert_eq!(left.send(&senseless.0, &senseless.1).expect("send"), Sent::Refused);
        assert_eq!(left.send(&[0; 5], &Offload::default()).expect("send"), Sent::Refused);
        assert_eq!(left.send(&good.0, &good.1).expect("send"), Sent::Sent);
        assert_eq!(left.flush(), Lost::default());
        for _ in 0..2 {
            assert_same(&receive(&mut right), &good, &format!("{options:?}"));
        }
    }
}

#[test]
fn frames_for_a_device_that_is_down_are_counted_and_later_ones_go() {
    for options in EVERY_WAY {
        let pair = Pair::new();
        let (mut left, mut right) = (pair.left.port("left", options), pair.right.port("right", options));
        let frame = plain(frames::udp(ends(), b"frame"));
        pair.left.run(|| Device::open("left").and_then(|device| device.set_down())).expect("down");
        for _ in 0..3 {
            assert_eq!(left.send(&frame.0, &frame.1).expect("send"), Sent::Sent);
        }
        let bytes = 3 * frame.0.len() as u64;
        assert_eq!(left.flush(), Lost { frames: 3, bytes, reason: Sent::DeviceDown }, "{options:?}");
        pair.left.run(|| Device::open("left").and_then(|device| device.set_up())).expect("up");
        pair.settle();
        // Both ends have gone down; whoever waits for them is told once.
        assert_told_once(&mut left);
        assert_eq!(left.send(&frame.0, &frame.1).expect("send"), Sent::Sent);
        assert_eq!(left.flush(), Lost::default(), "{options:?}");
        assert_same(&receive(&mut right), &frame, &format!("{options:?}"));
    }
}

/// A poller reports the failure until it is taken, and then nothing.
fn assert_told_once(port: &mut DevicePort) {
    let (poller, mut events) = (Poller::new().expect("epoll"), Vec::new());
    poller.add(port.as_fd(), 1).expect("add");
    poller.wait(&mut events, Some(Duration::ZERO)).expect("wait");
    assert!(events.iter().any(|event| event.failed), "{events:?}");
    assert_eq!(port.take_failure().expect("a value"), Some(Received::DeviceDown));
    assert_eq!(port.take_failure().expect("a value"), None);
    poller.wait(&mut events, Some(Duration::ZERO)).expect("wait");
    assert_eq!(events, []);
}

#[test]
fn a_poller_reports_a_ring_until_it_is_empty() {
    let pair = Pair::new();
    let (mut left, mut right) = (pair.left.port("left", FAST), pair.right.port("right", FAST));
    let (poller, mut events) = (Poller::new().expect("epoll"), Vec::new());
    poller.add(right.as_fd(), 7).expect("add");
    for (frame, offload) in every_kind() {
        left.send(&frame, &offload).expect("send");
    }
    left.flush();
    for frame in every_kind() {
        poller.wait(&mut events, Some(common::DEADLINE)).expect("wait");
        assert_eq!(events.iter().map(|event| event.token).collect::<Vec<_>>(), [7]);
        assert_same(&receive(&mut right), &frame, "polled");
    }
    poller.wait(&mut events, Some(Duration::ZERO)).expect("wait");
    assert_eq!(events, []);
}

#[test]
fn frames_that_find_the_ring_full_are_counted_and_those_before_are_whole() {
    let pair = Pair::new();
    let (mut left, mut right) = (pair.left.port("left", FAST), pair.right.port("right", FAST));
    for i in 0..200_u8 {
        left.send(&frames::udp(ends(), &[i; 20]), &Offload::default()).expect("send");
    }
    assert_eq!(left.flush(), Lost::default());
    for i in 0..64_u8 {
        assert_eq!(receive(&mut right).0, frames::udp(ends(), &[i; 20]));
    }
    let counters = right.counters().expect("counters");
    assert_eq!((counters.frames, counters.drops), (200, 136));
}

#[test]
fn a_port_that_changes_how_it_sends_keeps_the_order() {
    let pair = Pair::new();
    let (mut left, mut right) = (pair.left.port("left", PLAIN), pair.right.port("right", FAST));
    let ifindex = left.ifindex();
    for round in 0..6_u8 {
        for number in 0..4 {
            left.send(&frames::udp(ends(), &[round, number]), &Offload::default()).expect("send");
        }
        let other = if round % 2 == 0 {
            // The kernel frees a device's queue some time after the socket is closed.
            wait_for("the queue", || pair.left.run(|| Outgoing::direct(ifindex)).ok())
        } else {
            Outgoing::by_messages().expect("memory")
        };
        drop(left.replace_outgoing(other));
        assert_eq!(left.is_direct(), round % 2 == 0);
    }
    assert_eq!(left.flush(), Lost::default());
    for round in 0..6_u8 {
        for number in 0..4 {
            assert_eq!(receive(&mut right).0, frames::udp(ends(), &[round, number]));
        }
    }
}

/// A second holder of what a port receives by, as another process is handed it.
fn handed_over(pair: &Pair, port: &DevicePort) -> DevicePort {
    let descriptor = port.as_fd().try_clone_to_owned().expect("a copy");
    let slots = port.ring_slots();
    pair.right.run(|| {
        let device = Device::open("right").expect("a device");
        DevicePort::adopt(&device, descriptor, slots).expect("adopted")
    })
}

#[test]
fn whoever_is_handed_a_port_goes_on_after_the_last_frame_of_the_one_before() {
    for options in EVERY_WAY {
        let pair = Pair::new();
        let (mut left, mut right) = (pair.left.port("left", options), pair.right.port("right", options));
        let mut number = 0_u16;
        // The places of a hand-over go more than once round a ring of 64 slots, and there is one of a full ring.
        for (taken, waiting) in [(0, 3), (5, 0), (60, 10), (7, 64), (64, 1), (1, 40)] {
            let mut send = |count: u16, left: &mut DevicePort| {
                for _ in 0..count {
                    let frame = frames::udp(ends(), &number.to_be_bytes());
                    assert_eq!(left.send(&frame, &Offload::default()).expect("send"), Sent::Sent);
                    number += 1;
                }
                assert_eq!(left.flush(), Lost::default());
                number - count
            };
            let first = send(taken, &mut left);
            for i in 0..taken {
                let frame = plain(frames::udp(ends(), &(first + i).to_be_bytes()));
                assert_same(&receive(&mut right), &frame, &format!("{options:?}, before"));
            }
            let first = send(waiting, &mut left);
            let mut next = handed_over(&pair, &right);
            next.catch_up();
            for i in 0..waiting {
                let frame = plain(frames::udp(ends(), &(first + i).to_be_bytes()));
                assert_same(&receive(&mut next), &frame, &format!("{options:?}, after {taken}, {waiting}"));
            }
            right = next;
        }
        assert_eq!(right.counters().expect("counters").drops, 0, "{options:?}");
    }
}

#[test]
fn long_frames_that_wait_are_handed_over_in_their_places() {
    let pair = Pair::new();
    let (mut left, mut right) = (pair.left.port("left", FAST), pair.right.port("right", FAST));
    for (frame, offload) in every_kind() {
        assert_eq!(left.send(&frame, &offload).expect("send"), Sent::Sent);
    }
    left.flush();
    for sent in &every_kind()[..5] {
        assert_same(&receive(&mut right), sent, "before");
    }
    let mut next = handed_over(&pair, &right);
    next.catch_up();
    for sent in &every_kind()[5..] {
        assert_same(&receive(&mut next), sent, "after");
    }
}

#[test]
fn a_descriptor_of_another_device_or_another_ring_is_not_adopted() {
    let pair = Pair::new();
    let port = pair.right.port("right", FAST);
    let descriptor = || port.as_fd().try_clone_to_owned().expect("a copy");
    let adopted = |name: &str, descriptor, slots| {
        pair.right
            .run(|| DevicePort::adopt(&Device::open(name).expect("a device"), descriptor, slots).map(drop))
    };
    let code = |result: std::io::Result<()>| result.expect_err("refused").raw_os_error();
    assert_eq!(code(adopted("lo", descriptor(), port.ring_slots())), Some(libc::ENODEV));
    assert_eq!(code(adopted("right", descriptor(), port.ring_slots() + 32)), Some(libc::EINVAL));
    let no_packet_socket = std::os::unix::net::UnixStream::pair().expect("sockets").0.into();
    assert_eq!(code(adopted("right", no_packet_socket, 0)), Some(libc::ENODEV));
    pair.right.ip("link del right");
    pair.right.ip("link add right type veth peer name other");
    assert_eq!(code(adopted("right", descriptor(), port.ring_slots())), Some(libc::ENODEV));
}

#[test]
fn two_direct_ways_to_one_device_are_refused() {
    let pair = Pair::new();
    let left = pair.left.port("left", FAST);
    let ifindex = left.ifindex();
    let error = pair.left.run(|| Outgoing::direct(ifindex)).expect_err("the queue is taken");
    assert_eq!(error.raw_os_error(), Some(libc::EBUSY));
}
