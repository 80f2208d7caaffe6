//! Super-frames in VXLAN that leave by a TAP device and are cut, or not, by a real veth device.

mod common;

use common::frames::{self, Ends};
use common::{Namespace, Pair, receive};
use tulle_io::{Device, Sent, TunnelTap};
use tulle_wire::checksum;
use tulle_wire::vnet::{GsoKind, Offload, Tunnel};

const PORT: u16 = 4789;
const OUTER_LEN: usize = 50;
const GSO_SIZE: u16 = 1000;
const PAYLOAD_LEN: usize = 30_000;
const FEATURES: &str = "tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off";

/// A TCP super-frame in VXLAN for the right end, and how it is to be cut.
fn super_frame(pair: &Pair, has_checksum: bool) -> (Vec<u8>, Offload, Tunnel) {
    let (inner, undone) = frames::tcp_super_frame(Ends::to([2, 0, 0, 0, 0, 9], 80), PAYLOAD_LEN, GSO_SIZE);
    let ends = Ends { source_mac: pair.left_mac(), ..Ends::to(pair.right_mac(), PORT) };
    let mut frame = frames::udp(ends, &[&[8, 0, 0, 0, 0, 0, 9, 0], &inner[..]].concat());
    if has_checksum {
        let pseudo = checksum::pseudo_v4([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), 17, frame.len() - 34);
        frame[40..42].copy_from_slice(&pseudo.to_be_bytes());
    }
    let (csum_start, hdr_len) = (undone.csum_start + OUTER_LEN as u16, undone.hdr_len + OUTER_LEN as u16);
    let tunnel =
        Tunnel { is_udp: true, is_v4: true, has_checksum, transport: 34, network: OUTER_LEN as u16 + 14 };
    (frame, Offload { csum_start, hdr_len, ..undone }, tunnel)
}

fn open(pair: &Pair) -> TunnelTap {
    let device = pair.left.run(|| Device::open("left")).expect("device");
    pair.left.run(|| TunnelTap::open(device.index())).expect("tap")
}

#[test]
fn a_device_that_cuts_within_tunnels_gets_a_super_frame_whole() {
    for has_checksum in [false, true] {
        let pair = Pair::new();
        let (right, tap) = (pair.right.packet_socket("right"), open(&pair));
        let (frame, offload, tunnel) = super_frame(&pair, has_checksum);
        assert_eq!(tap.send(&frame, &offload, &tunnel).expect("send"), Sent::Sent);
        let (received, undone) = receive(&right);
        assert!(received == frame, "{} of {} bytes", received.len(), frame.len());
        assert_eq!((undone.gso, undone.gso_size), (GsoKind::TcpV4, GSO_SIZE));
        assert_eq!((undone.csum_start, undone.csum_offset), (offload.csum_start, 16));
    }
}

#[test]
fn for_any_other_device_the_kernel_cuts_it_into_packets_with_right_headers() {
    for has_checksum in [false, true] {
        let pair = Pair::new();
        pair.left.command(&format!("ethtool -K left {FEATURES}"));
        let (right, tap) = (pair.right.packet_socket("right"), open(&pair));
        let (frame, offload, tunnel) = super_frame(&pair, has_checksum);
        assert_eq!(tap.send(&frame, &offload, &tunnel).expect("send"), Sent::Sent);
        let mut payload = Vec::new();
        for number in 0..PAYLOAD_LEN as u32 / u32::from(GSO_SIZE) {
            let (packet, undone) = receive(&right);
            assert_eq!(undone.gso, GsoKind::None);
            assert_eq!(checksum::sum(&packet[14..34]), 0xffff, "the outer IP header");
            assert_eq!(usize::from(u16::from_be_bytes([packet[38], packet[39]])), packet.len() - 34);
            let inner = &packet[OUTER_LEN..];
            let sequence = u32::from_be_bytes(inner[38..42].try_into().expect("four bytes"));
            assert_eq!(sequence, 1 + number * u32::from(GSO_SIZE));
            assert_eq!(packet[40..42] != [0, 0], has_checksum);
            payload.extend_from_slice(&inner[54..]);
        }
        assert!(frame[OUTER_LEN + 54..] == payload);
    }
}

#[test]
fn the_device_and_its_program_are_gone_with_the_last_descriptor_and_disturb_nobody() {
    let pair = Pair::with_addresses();
    let devices = || pair.left.run(|| std::fs::read_to_string("/proc/thread-self/net/dev")).expect("devices");
    let before = devices().lines().count();
    let tap = open(&pair);
    assert_eq!(devices().lines().count(), before + 1);
    let addresses = pair.left.run(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6"));
    assert!(!addresses.expect("addresses").contains("tulleup"), "it sends nothing by itself");
    drop(tap);
    assert_eq!(devices().lines().count(), before);
}

#[test]
fn a_device_that_does_not_exist_gets_nothing_and_nobody_is_told() {
    let namespace = Namespace::new();
    let pair = Pair::new();
    let (frame, offload, tunnel) = super_frame(&pair, false);
    let tap = namespace.run(|| TunnelTap::open(4711)).expect("tap");
    assert_eq!(tap.send(&frame, &offload, &tunnel).expect("send"), Sent::Sent);
}

#[test]
fn one_that_somebody_has_set_down_or_deleted_says_so() {
    let pair = Pair::new();
    let tap = open(&pair);
    let (frame, offload, tunnel) = super_frame(&pair, false);
    pair.left.ip("link set tulleup0 down");
    assert_eq!(tap.send(&frame, &offload, &tunnel).expect("send"), Sent::DeviceDown);
    pair.left.ip("link del tulleup0");
    assert!(tap.send(&frame, &offload, &tunnel).is_err());
}
