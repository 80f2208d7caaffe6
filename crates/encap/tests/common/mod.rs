//! Frames to push, and an encapsulation to push them with.
#![allow(dead_code)]

pub mod tunnel;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tulle_encap::{DropReason, Encap, Endpoints, Outers, Passage, Popped, Pushed, TunnelOptions};
use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, checksum, ethernet, ipv4, ipv6, protocol, tcp};

pub const MTU: u16 = 1500;
pub const ENDS: Endpoints = Endpoints {
    local: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    remote: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
    local_mac: [2, 0, 0, 0, 10, 1],
    remote_mac: [2, 0, 0, 0, 10, 2],
};

pub const ENDS_V6: Endpoints = Endpoints {
    local: IpAddr::V6(Ipv6Addr::new(0xfd00, 0xa, 0, 0, 0, 0, 0, 1)),
    remote: IpAddr::V6(Ipv6Addr::new(0xfd00, 0xa, 0, 0, 0, 0, 0, 2)),
    ..ENDS
};

/// What an inner frame is made of.
#[derive(Clone, Copy, Debug)]
pub struct Inner {
    pub v6: bool,
    pub vlan: Option<u16>,
    pub ecn: u8,
    pub payload_len: usize,
}

impl Inner {
    pub const PLAIN: Self = Self { v6: false, vlan: None, ecn: 0, payload_len: 100 };

    fn headers_len(&self) -> usize {
        let network = if self.v6 { ipv6::HEADER_LEN } else { ipv4::HEADER_LEN };
        ethernet::HEADER_LEN + self.vlan.map_or(0, |_| 4) + network
    }

    /// A TCP frame with a right checksum.
    pub fn frame(&self) -> Vec<u8> {
        let segment = tcp::Repr {
            source_port: 40000,
            destination_port: 80,
            sequence: 0xffff_ff00,
            acknowledgment: 7,
            flags: tcp::flag::ACK | tcp::flag::PSH | tcp::flag::FIN,
            window: 502,
            payload_len: self.payload_len,
        };
        let at = self.headers_len();
        let mut frame = vec![0; at];
        frame.resize(at + tcp::HEADER_LEN, 0);
        frame.extend((0..self.payload_len).map(|i| (i * 7 + i / 251) as u8));
        let pseudo = self.emit_network(&mut frame, segment.buffer_len());
        segment.emit(&mut frame[at..], pseudo).expect("room");
        frame
    }

    /// The same with its checksum left undone, to be cut if `gso_size` is not 0.
    pub fn undone(&self, gso_size: u16) -> (Vec<u8>, Offload) {
        let mut frame = self.frame();
        let at = self.headers_len();
        let segment_len = frame.len() - at;
        let pseudo = self.emit_network(&mut frame, segment_len);
        frame[at + 16..at + 18].copy_from_slice(&pseudo.to_be_bytes());
        let offload = Offload {
            needs_csum: true,
            csum_start: at as u16,
            csum_offset: 16,
            gso: match (gso_size, self.v6) {
                (0, _) => GsoKind::None,
                (_, false) => GsoKind::TcpV4,
                (_, true) => GsoKind::TcpV6,
            },
            gso_size,
            hdr_len: if gso_size == 0 { 0 } else { (at + tcp::HEADER_LEN) as u16 },
            ..Offload::default()
        };
        (frame, offload)
    }

    fn emit_network(&self, frame: &mut [u8], payload_len: usize) -> u16 {
        let (source, destination) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let ether_type = if self.v6 { 0x86dd } else { 0x0800 };
        let link = ethernet::Repr { source, destination, vlan: self.vlan, ether_type };
        link.emit(frame).expect("room");
        let network = &mut frame[link.buffer_len()..];
        if self.v6 {
            let (source, destination) = (Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), Ipv6Addr::LOCALHOST);
            let (next_header, traffic_class) = (protocol::TCP, self.ecn);
            let repr = ipv6::Repr {
                source,
                destination,
                next_header,
                payload_len,
                hop_limit: 64,
                traffic_class,
                flow_label: 5,
            };
            repr.emit(network).expect("room");
            return checksum::pseudo_v6(source, destination, protocol::TCP, payload_len);
        }
        let (source, destination) = (Ipv4Addr::new(192, 168, 1, 1), Ipv4Addr::new(192, 168, 1, 2));
        let repr = ipv4::Repr {
            source,
            destination,
            protocol: protocol::TCP,
            payload_len,
            ttl: 64,
            tos: self.ecn,
            id: 9,
            dont_fragment: true,
        };
        repr.emit(network).expect("room");
        checksum::pseudo_v4(source, destination, protocol::TCP, payload_len)
    }
}

/// The outer frames that a frame becomes.
pub fn push(
    encap: &dyn Encap,
    port: u16,
    context: u64,
    frame: &[u8],
    offload: &Offload,
) -> Result<Vec<(Vec<u8>, Offload)>, DropReason> {
    push_over(encap, &ENDS, &TunnelOptions::new(MTU, port), context, frame, offload)
}

/// The same between other ends, by a tunnel with other options.
pub fn push_over(
    encap: &dyn Encap,
    ends: &Endpoints,
    options: &TunnelOptions,
    context: u64,
    frame: &[u8],
    offload: &Offload,
) -> Result<Vec<(Vec<u8>, Offload)>, DropReason> {
    let template = encap.template(ends, options).expect("one family");
    let (mut buffer, mut scratch, mut outers) = (FrameBuf::copied(frame), FrameBuf::new(), Vec::new());
    let mut frame_id = 77;
    let passage = Passage::new(context, 5, &mut frame_id);
    let pushed = encap.push(&template, passage, &mut buffer, offload, &mut scratch, &mut |given| {
        assert!((1..=Outers::MOST).contains(&given.frames().len()));
        outers.extend(given.frames().map(|outer| (outer.to_vec(), *given.offload)));
    })?;
    match pushed {
        Pushed::Whole(outer) => outers.push((buffer.bytes().to_vec(), outer)),
        Pushed::Cut(count) => assert_eq!(count, outers.len()),
    }
    assert_eq!(frame_id, 77 + outers.len() as u32, "each outer frame has an id of its own");
    Ok(outers)
}

/// The inner frames and losses that an outer frame becomes.
pub fn pop(
    encap: &mut dyn Encap,
    frame: &[u8],
    offload: &Offload,
) -> Vec<Result<(Popped, Vec<u8>), DropReason>> {
    let mut results = Vec::new();
    encap.pop(&mut FrameBuf::copied(frame), offload, 0, &mut |result, inner| {
        results.push(result.map(|popped| (popped, inner.bytes().to_vec())));
    });
    results
}

/// What a frame becomes on a wire without offloads: cut, and with all checksums.
pub fn wire(outer: &[u8], undone: &Offload) -> Vec<Vec<u8>> {
    let mut frames = match undone.gso {
        GsoKind::None => vec![outer.to_vec()],
        GsoKind::UdpL4 => datagrams(outer, undone),
        GsoKind::TcpV4 | GsoKind::TcpV6 => return cut(outer, undone.gso_size),
    };
    if undone.needs_csum {
        for frame in &mut frames {
            tulle_wire::finish_checksum(frame, undone.csum_start, undone.csum_offset).expect("room");
        }
    }
    frames
}

/// A train of datagrams, each on its own, as a kernel or a network card would cut it.
fn datagrams(outer: &[u8], undone: &Offload) -> Vec<Vec<u8>> {
    let udp_at = usize::from(undone.csum_start);
    let (headers, payload) = outer.split_at(udp_at + 8);
    let datagram = |payload: &[u8]| {
        let mut frame = [headers, payload].concat();
        let (len, old) = ((payload.len() + 8) as u16, (outer.len() - udp_at) as u16);
        frame[udp_at + 4..udp_at + 6].copy_from_slice(&len.to_be_bytes());
        let sum = u16::from_be_bytes([headers[udp_at + 6], headers[udp_at + 7]]);
        let sum = checksum::add(checksum::subtract(sum, old), len);
        frame[udp_at + 6..udp_at + 8].copy_from_slice(&sum.to_be_bytes());
        if udp_at == 34 {
            checksum::rewrite_word(&mut frame[14..34], 10, 2, len + 20);
        } else {
            frame[18..20].copy_from_slice(&len.to_be_bytes());
        }
        frame
    };
    payload.chunks(usize::from(undone.gso_size)).map(datagram).collect()
}

/// The pieces of a long TCP frame, as a network card would make them.
pub fn cut(frame: &[u8], size: u16) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    tulle_wire::tcp_segments(frame, size, &mut FrameBuf::new(), |piece| pieces.push(piece.bytes().to_vec()))
        .expect("TCP");
    pieces
}
