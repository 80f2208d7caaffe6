//! Super-frames in GRE that leave by a TAP device and are cut, or not, by a real veth device.

mod common;

use common::frames::{self, Ends};
use common::{Pair, receive};
use tulle_io::{Device, Sent, TunnelTap};
use tulle_wire::checksum;
use tulle_wire::vnet::{GsoKind, Offload, Tunnel};

const GSO_SIZE: u16 = 1000;
const PAYLOAD_LEN: usize = 30_000;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const TCP: u8 = 6;
const GRE: u8 = 47;

/// Families of the outer and the inner packet, and whether there is a key.
#[derive(Clone, Copy, Debug)]
struct Case {
    outer_v4: bool,
    inner_v4: bool,
    has_key: bool,
}

impl Case {
    fn all() -> impl Iterator<Item = Case> {
        (0..8).map(|bits| Case { outer_v4: bits & 1 == 0, inner_v4: bits & 2 == 0, has_key: bits & 4 == 0 })
    }

    /// All in front of the inner frame.
    fn outer_len(self) -> usize {
        14 + ip_len(self.outer_v4) + if self.has_key { 8 } else { 4 }
    }

    /// All in front of the payload.
    fn headers_len(self) -> usize {
        self.outer_len() + 14 + ip_len(self.inner_v4) + 20
    }

    fn super_frame(self, pair: &Pair) -> (Vec<u8>, Offload, Tunnel) {
        let ends = Ends { source_mac: pair.left_mac(), ..Ends::to(pair.right_mac(), 0) };
        let inner = in_ip(Ends::to([2, 0, 0, 0, 0, 9], 80), self.inner_v4, TCP, &tcp(self.inner_v4));
        let header = [if self.has_key { 0x20 } else { 0 }, 0, 0x65, 0x58];
        let key = if self.has_key { &[0, 0, 0, 9][..] } else { &[] };
        let frame = in_ip(ends, self.outer_v4, GRE, &[&header, key, &inner].concat());
        let offload = Offload {
            needs_csum: true,
            csum_start: (self.headers_len() - 20) as u16,
            csum_offset: 16,
            gso: if self.inner_v4 { GsoKind::TcpV4 } else { GsoKind::TcpV6 },
            gso_size: GSO_SIZE,
            hdr_len: self.headers_len() as u16,
            ..Offload::default()
        };
        let (transport, network) = (14 + ip_len(self.outer_v4), self.outer_len() + 14);
        let (transport, network) = (transport as u16, network as u16);
        let tunnel = Tunnel { is_udp: false, is_v4: self.outer_v4, has_checksum: false, transport, network };
        (frame, offload, tunnel)
    }
}

fn ip_len(is_v4: bool) -> usize {
    if is_v4 { 20 } else { 40 }
}

/// A long segment, its checksum not yet made.
fn tcp(is_v4: bool) -> Vec<u8> {
    let (frame, _) = frames::tcp_super_frame(Ends::to([0; 6], 80), PAYLOAD_LEN, GSO_SIZE);
    let mut segment = frame[34..].to_vec();
    let len = segment.len();
    let pseudo = match is_v4 {
        true => checksum::pseudo_v4([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), TCP, len),
        false => checksum::pseudo_v6(address(1).into(), address(2).into(), TCP, len),
    };
    segment[16..18].copy_from_slice(&pseudo.to_be_bytes());
    segment
}

fn address(host: u8) -> [u8; 16] {
    [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]
}

/// The packet in an Ethernet frame.
fn in_ip(ends: Ends, is_v4: bool, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let ethertype = if is_v4 { IPV4 } else { IPV6 };
    let mut frame = [&ends.destination_mac[..], &ends.source_mac, &ethertype].concat();
    if is_v4 {
        let len = (20 + payload.len() as u16).to_be_bytes();
        let mut header = [0x45, 0, len[0], len[1], 0, 7, 0x40, 0, 64, protocol, 0, 0];
        let addresses = [192, 0, 2, 1, 192, 0, 2, 2];
        let sum = !checksum::sum(&[&header[..], &addresses].concat());
        header[10..].copy_from_slice(&sum.to_be_bytes());
        frame.extend(header.into_iter().chain(addresses));
    } else {
        let len = (payload.len() as u16).to_be_bytes();
        frame.extend([0x60, 0, 0, 0, len[0], len[1], protocol, 64]);
        frame.extend(address(1).into_iter().chain(address(2)));
    }
    frame.extend(payload);
    frame
}

fn open(pair: &Pair) -> TunnelTap {
    let device = pair.left.run(|| Device::open("left")).expect("device");
    pair.left.run(|| TunnelTap::open(device.index())).expect("tap")
}

#[test]
fn a_device_that_cuts_within_gre_gets_a_super_frame_whole() {
    let pair = Pair::new();
    let (right, tap) = (pair.right.packet_socket("right"), open(&pair));
    for case in Case::all() {
        let (frame, offload, tunnel) = case.super_frame(&pair);
        assert_eq!(tap.send(&frame, &offload, &tunnel).expect("send"), Sent::Sent);
        let (received, undone) = receive(&right);
        assert!(received == frame, "{case:?}: {} of {} bytes", received.len(), frame.len());
        assert_eq!((undone.gso, undone.gso_size), (offload.gso, GSO_SIZE), "{case:?}");
        assert_eq!((undone.csum_start, undone.csum_offset), (offload.csum_start, 16), "{case:?}");
    }
}

#[test]
fn for_any_other_device_the_kernel_cuts_it_into_packets_with_right_headers() {
    let pair = Pair::new();
    pair.left.command("ethtool -K left tx-gre-segmentation off");
    let (right, tap) = (pair.right.packet_socket("right"), open(&pair));
    for case in Case::all() {
        let (frame, offload, tunnel) = case.super_frame(&pair);
        assert_eq!(tap.send(&frame, &offload, &tunnel).expect("send"), Sent::Sent);
        let (outer_len, headers_len) = (case.outer_len(), case.headers_len());
        let mut payload = Vec::new();
        for number in 0..PAYLOAD_LEN as u32 / u32::from(GSO_SIZE) {
            let (packet, undone) = receive(&right);
            assert_eq!((undone.gso, packet.len()), (GsoKind::None, headers_len + usize::from(GSO_SIZE)));
            if case.outer_v4 {
                assert_eq!(checksum::sum(&packet[14..34]), 0xffff, "{case:?}: the outer IP header");
            }
            let gre_at = 14 + ip_len(case.outer_v4);
            assert_eq!(packet[gre_at..outer_len], frame[gre_at..outer_len], "{case:?}");
            let segment = &packet[headers_len - 20..];
            let sequence = u32::from_be_bytes(segment[4..8].try_into().expect("four bytes"));
            assert_eq!(sequence, 1 + number * u32::from(GSO_SIZE), "{case:?}");
            payload.extend_from_slice(&segment[20..]);
        }
        assert!(frame[headers_len..] == payload, "{case:?}");
    }
}
