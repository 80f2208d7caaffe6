//! Frames for tests, built by hand: Ethernet, IPv4, then TCP or UDP.

use tulle_wire::vnet::{GsoKind, Offload};

pub const ETHERNET_LEN: usize = 14;
pub const TCP_HEADERS_LEN: usize = ETHERNET_LEN + 20 + 20;
pub const UDP_HEADERS_LEN: usize = ETHERNET_LEN + 20 + 8;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ACK: u8 = 0x10;

/// Who sends what to whom.
#[derive(Clone, Copy)]
pub struct Ends {
    pub source_mac: [u8; 6],
    pub destination_mac: [u8; 6],
    pub source: [u8; 4],
    pub destination: [u8; 4],
    pub source_port: u16,
    pub destination_port: u16,
}

impl Ends {
    /// From 192.0.2.1 port 50000 to 192.0.2.2.
    pub fn to(destination_mac: [u8; 6], destination_port: u16) -> Self {
        Self {
            source_mac: [2, 0, 0, 0, 0, 1],
            destination_mac,
            source: [192, 0, 2, 1],
            destination: [192, 0, 2, 2],
            source_port: 50000,
            destination_port,
        }
    }
}

/// A TCP segment (ACK) whose checksum is left to the kernel, and its offload.
pub fn tcp(ends: Ends, payload_len: usize) -> (Vec<u8>, Offload) {
    let mut frame = ipv4(ends, TCP, 20 + payload_len);
    let pseudo_sum = pseudo_sum(ends, TCP, 20 + payload_len);
    frame.extend(ends.source_port.to_be_bytes());
    frame.extend(ends.destination_port.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, ACK, 0xff, 0xff]);
    frame.extend(pseudo_sum.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend((0..payload_len).map(|i| i as u8));
    let offload = Offload {
        needs_csum: true,
        csum_start: (ETHERNET_LEN + 20) as u16,
        csum_offset: 16,
        ..Offload::default()
    };
    (frame, offload)
}

/// As [`tcp`], to be cut into segments of `gso_size` bytes of payload.
pub fn tcp_super_frame(ends: Ends, payload_len: usize, gso_size: u16) -> (Vec<u8>, Offload) {
    let (frame, mut offload) = tcp(ends, payload_len);
    offload.gso = GsoKind::TcpV4;
    offload.gso_size = gso_size;
    offload.hdr_len = TCP_HEADERS_LEN as u16;
    (frame, offload)
}

/// A UDP datagram without a checksum, as VXLAN has it.
pub fn udp(ends: Ends, payload: &[u8]) -> Vec<u8> {
    let mut frame = ipv4(ends, UDP, 8 + payload.len());
    frame.extend(ends.source_port.to_be_bytes());
    frame.extend(ends.destination_port.to_be_bytes());
    frame.extend(((8 + payload.len()) as u16).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// A UDP datagram to be cut into datagrams of `gso_size` bytes of payload.
pub fn udp_super_frame(ends: Ends, payload_len: usize, gso_size: u16) -> (Vec<u8>, Offload) {
    let mut frame = udp(ends, &vec![0x5a; payload_len]);
    frame[40..42].copy_from_slice(&pseudo_sum(ends, UDP, 8 + payload_len).to_be_bytes());
    let offload = Offload {
        needs_csum: true,
        csum_start: 34,
        csum_offset: 6,
        gso: GsoKind::UdpL4,
        gso_size,
        hdr_len: UDP_HEADERS_LEN as u16,
        ..Offload::default()
    };
    (frame, offload)
}

/// Makes an IPv4 frame one of another protocol.
pub fn set_protocol(frame: &mut [u8], protocol: u8) {
    frame[23] = protocol;
    frame[24..26].copy_from_slice(&[0, 0]);
    let checksum = !sum(&frame[ETHERNET_LEN..ETHERNET_LEN + 20]);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
}

fn ipv4(ends: Ends, protocol: u8, payload_len: usize) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(((20 + payload_len) as u16).to_be_bytes());
    header.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
    header.extend(ends.source);
    header.extend(ends.destination);
    let checksum = !sum(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = Vec::new();
    frame.extend(ends.destination_mac);
    frame.extend(ends.source_mac);
    frame.extend([0x08, 0x00]);
    frame.extend(header);
    frame
}

fn pseudo_sum(ends: Ends, protocol: u8, length: usize) -> u16 {
    let mut pseudo = Vec::new();
    pseudo.extend(ends.source);
    pseudo.extend(ends.destination);
    pseudo.extend([0, protocol]);
    pseudo.extend((length as u16).to_be_bytes());
    sum(&pseudo)
}

/// One's complement sum, not complemented (RFC 1071).
pub fn sum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let mut total: u32 = words.sum();
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}
