//! Frames to track, and a tracker to track them with.
#![allow(dead_code)]

pub mod fragments;

use std::net::IpAddr;

use tulle_conntrack::{Config, Conntrack, DropReason, Headers, Nat, Outcome, Packet, Request};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, checksum, finish_checksum, sctp};

pub const SECOND: u64 = 1_000_000_000;
pub const ETHERNET: usize = 14;

pub const ACK: u8 = 0x10;
pub const SYN: u8 = 0x02;
pub const FIN: u8 = 0x01;
pub const RST: u8 = 0x04;

/// What follows the network header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Tcp {
        ports: (u16, u16),
        seq: u32,
        ack: u32,
        flags: u8,
        window: u16,
        scale: Option<u8>,
        payload: Vec<u8>,
    },
    Udp {
        ports: (u16, u16),
        payload: Vec<u8>,
    },
    Echo {
        request: bool,
        id: u16,
    },
    /// Type, code, and the network packet that is quoted.
    Error {
        kind: u8,
        code: u8,
        quoted: Vec<u8>,
    },
    /// A tag, and chunks as they are.
    Sctp {
        ports: (u16, u16),
        tag: u32,
        chunks: Vec<u8>,
    },
    Other {
        protocol: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub body: Body,
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub fn tcp(source: &str, sport: u16, destination: &str, dport: u16, flags: u8, seq: u32, ack: u32) -> Frame {
    let body =
        Body::Tcp { ports: (sport, dport), seq, ack, flags, window: 1000, scale: None, payload: Vec::new() };
    Frame { source: ip(source), destination: ip(destination), body }
}

pub fn udp(source: &str, sport: u16, destination: &str, dport: u16) -> Frame {
    let body = Body::Udp { ports: (sport, dport), payload: b"hello".to_vec() };
    Frame { source: ip(source), destination: ip(destination), body }
}

pub fn echo(source: &str, destination: &str, request: bool, id: u16) -> Frame {
    Frame { source: ip(source), destination: ip(destination), body: Body::Echo { request, id } }
}

/// An error about a frame, which quotes `quoted` bytes of its network packet.
pub fn error(source: &str, destination: &str, about: &[u8], quoted: usize) -> Frame {
    let v6 = ip(source).is_ipv6();
    let quoted = about[ETHERNET..].iter().copied().take(quoted).collect();
    let (kind, code) = if v6 { (1, 4) } else { (3, 3) };
    Frame { source: ip(source), destination: ip(destination), body: Body::Error { kind, code, quoted } }
}

impl Frame {
    pub fn with_payload(mut self, bytes: &[u8]) -> Self {
        match &mut self.body {
            Body::Tcp { payload, .. } | Body::Udp { payload, .. } => *payload = bytes.to_vec(),
            _ => panic!("no payload"),
        }
        self
    }

    pub fn with_scale(mut self, shift: u8) -> Self {
        if let Body::Tcp { scale, .. } = &mut self.body {
            *scale = Some(shift);
        }
        self
    }

    pub fn with_window(mut self, offered: u16) -> Self {
        if let Body::Tcp { window, .. } = &mut self.body {
            *window = offered;
        }
        self
    }

    pub fn v6(&self) -> bool {
        self.source.is_ipv6()
    }

    fn protocol(&self) -> u8 {
        match self.body {
            Body::Tcp { .. } => 6,
            Body::Udp { .. } => 17,
            Body::Echo { .. } | Body::Error { .. } => {
                if self.v6() {
                    58
                } else {
                    1
                }
            }
            Body::Sctp { .. } => 132,
            Body::Other { protocol } => protocol,
        }
    }

    fn transport(&self) -> (Vec<u8>, Option<u16>) {
        match &self.body {
            Body::Tcp { ports, seq, ack, flags, window, scale, payload } => {
                let words = if scale.is_some() { 6 } else { 5 };
                let mut bytes = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
                bytes.extend(seq.to_be_bytes());
                bytes.extend(ack.to_be_bytes());
                bytes.extend([words << 4, *flags]);
                bytes.extend(window.to_be_bytes());
                bytes.extend([0; 4]);
                bytes.extend(scale.map(|scale| [1, 3, 3, scale]).into_iter().flatten());
                bytes.extend(payload);
                (bytes, Some(16))
            }
            Body::Udp { ports, payload } => {
                let mut bytes = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
                bytes.extend((payload.len() as u16 + 8).to_be_bytes());
                bytes.extend([0; 2]);
                bytes.extend(payload);
                (bytes, Some(6))
            }
            Body::Echo { request, id } => {
                let kind = match (self.v6(), request) {
                    (false, true) => 8,
                    (false, false) => 0,
                    (true, true) => 128,
                    (true, false) => 129,
                };
                let mut bytes = vec![kind, 0, 0, 0];
                bytes.extend(id.to_be_bytes());
                bytes.extend([0, 1, b'p', b'i', b'n', b'g']);
                (bytes, Some(2))
            }
            Body::Error { kind, code, quoted } => {
                let mut bytes = vec![*kind, *code, 0, 0, 0, 0, 0, 0];
                bytes.extend(quoted);
                (bytes, Some(2))
            }
            Body::Sctp { ports, tag, chunks } => {
                let mut bytes = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
                bytes.extend(tag.to_be_bytes());
                bytes.extend([0; 4]);
                bytes.extend(chunks);
                sctp::finish_checksum(&mut bytes).expect("room");
                (bytes, None)
            }
            Body::Other { .. } => (vec![1, 2, 3, 4, 5, 6, 7, 8], None),
        }
    }

    /// The frame with all checksums right.
    pub fn bytes(&self) -> Vec<u8> {
        let (mut transport, csum_at) = self.transport();
        if let Some(at) = csum_at.map(usize::from) {
            let icmp = self.protocol() == 1;
            let pseudo = if icmp {
                0
            } else {
                pseudo(self.source, self.destination, self.protocol(), transport.len())
            };
            transport[at..at + 2].copy_from_slice(&pseudo.to_be_bytes());
            finish_checksum(&mut transport, 0, at as u16).expect("room");
        }
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        frame.extend(if self.v6() { [0x86, 0xdd] } else { [8, 0] });
        frame.extend(network(self.source, self.destination, self.protocol(), transport.len()));
        frame.extend(transport);
        frame
    }
}

pub fn pseudo(source: IpAddr, destination: IpAddr, protocol: u8, len: usize) -> u16 {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            checksum::pseudo_v4(source, destination, protocol, len)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            checksum::pseudo_v6(source, destination, protocol, len)
        }
        _ => panic!("two families"),
    }
}

fn network(source: IpAddr, destination: IpAddr, protocol: u8, payload_len: usize) -> Vec<u8> {
    let mut header;
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            header = vec![0; 20];
            let repr = tulle_wire::ipv4::Repr {
                source,
                destination,
                protocol,
                payload_len,
                ttl: 64,
                tos: 0,
                id: 7,
                dont_fragment: false,
            };
            repr.emit(&mut header).expect("room");
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            header = vec![0; 40];
            let repr = tulle_wire::ipv6::Repr {
                source,
                destination,
                next_header: protocol,
                payload_len,
                hop_limit: 64,
                traffic_class: 0,
                flow_label: 0,
            };
            repr.emit(&mut header).expect("room");
        }
        _ => panic!("two families"),
    }
    header
}

/// Bytes, and what a datapath knows of them.
pub fn untracked(bytes: &[u8]) -> Packet {
    Packet::untracked(Headers::find(bytes).expect("an IP frame"), Offload::default())
}

pub fn tracker() -> Conntrack {
    Conntrack::new(Config::default(), 0x1234_5678_9abc_def0)
}

pub fn committing() -> Request {
    Request { commit: true, ..Request::default() }
}

pub fn looking() -> Request {
    Request::default()
}

pub fn with_nat(nat: Nat) -> Request {
    Request { commit: true, nat, ..Request::default() }
}

/// Tracks a frame that has not been tracked.  Gives what is said of it, and what it has become.
pub fn send(
    tracker: &mut Conntrack,
    frame: &Frame,
    request: &Request,
    now_ns: u64,
) -> (Result<Outcome, DropReason>, Vec<u8>) {
    send_bytes(tracker, &frame.bytes(), request, now_ns)
}

pub fn send_bytes(
    tracker: &mut Conntrack,
    bytes: &[u8],
    request: &Request,
    now_ns: u64,
) -> (Result<Outcome, DropReason>, Vec<u8>) {
    let mut buffer = FrameBuf::copied(bytes);
    let outcome = tracker.track(&mut buffer, &untracked(bytes), request, now_ns);
    (outcome, buffer.bytes().to_vec())
}

/// Tracks a frame that must pass.
pub fn pass(tracker: &mut Conntrack, frame: &Frame, request: &Request, now_ns: u64) -> (Outcome, Vec<u8>) {
    let (outcome, bytes) = send(tracker, frame, request, now_ns);
    (outcome.expect("a frame that passes"), bytes)
}

/// The state of a frame, in words.
pub fn state_of(tracker: &mut Conntrack, frame: &Frame, request: &Request, now_ns: u64) -> String {
    match send(tracker, frame, request, now_ns).0 {
        Ok(outcome) => words(outcome.state),
        Err(reason) => reason.name().to_string(),
    }
}

pub fn words(state: u32) -> String {
    let names = ["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"];
    let set: Vec<_> = (0..8).filter(|bit| state >> bit & 1 == 1).map(|bit| names[bit]).collect();
    set.join("|")
}

/// Source and destination with port or identifier, after all checksums have been computed anew and found
/// to be what they are.
pub fn ends(bytes: &[u8]) -> String {
    assert_sound(bytes);
    ends_of(&bytes[ETHERNET..])
}

/// The same of a network packet, which may be cut short.
pub fn ends_of(network: &[u8]) -> String {
    let v6 = network[0] >> 4 == 6;
    let (addresses, l4, protocol) = if v6 { (8, 40, network[6]) } else { (12, 20, network[9]) };
    let len = if v6 { 16 } else { 4 };
    let at = |at: usize| match v6 {
        true => IpAddr::from(<[u8; 16]>::try_from(&network[at..at + len]).expect("16 bytes")),
        false => IpAddr::from(<[u8; 4]>::try_from(&network[at..at + len]).expect("4 bytes")),
    };
    let (source, destination) = (at(addresses), at(addresses + len));
    let half = |at: usize| u16::from_be_bytes([network[l4 + at], network[l4 + at + 1]]);
    match protocol {
        6 | 17 | 132 => format!("{source} {} > {destination} {}", half(0), half(2)),
        1 | 58 if matches!(network[l4], 0 | 8 | 128 | 129) => {
            format!("{source} > {destination} id {}", half(4))
        }
        _ => format!("{source} > {destination}"),
    }
}

/// Checks every checksum of a frame against one computed from scratch, to the bit.
pub fn assert_sound(bytes: &[u8]) {
    let headers = Headers::find(bytes).expect("an IP frame");
    let mut fresh = bytes.to_vec();
    let (source, destination);
    if bytes[ETHERNET] >> 4 == 4 {
        let packet = tulle_wire::ipv4::Packet::new_checked(&bytes[ETHERNET..]).expect("a packet");
        (source, destination) = (IpAddr::V4(packet.source()), IpAddr::V4(packet.destination()));
        fresh[ETHERNET + 10..ETHERNET + 12].fill(0);
        let sum = !checksum::sum(&fresh[ETHERNET..ETHERNET + packet.header_len()]);
        fresh[ETHERNET + 10..ETHERNET + 12].copy_from_slice(&sum.to_be_bytes());
    } else {
        let packet = tulle_wire::ipv6::Packet::new_checked(&bytes[ETHERNET..]).expect("a packet");
        (source, destination) = (IpAddr::V6(packet.source()), IpAddr::V6(packet.destination()));
    }
    if headers.protocol == 132 {
        let packet = sctp::Packet::new_checked(&bytes[headers.l4..headers.end]).expect("a header");
        assert!(packet.verify_checksum());
    }
    let offset = match headers.protocol {
        6 => 16,
        17 => 6,
        1 | 58 => 2,
        _ => return,
    };
    let segment = &mut fresh[headers.l4..headers.end];
    let len = segment.len();
    let pseudo = if headers.protocol == 1 { 0 } else { pseudo(source, destination, headers.protocol, len) };
    if headers.protocol == 17 && segment[6..8] == [0, 0] {
        return;
    }
    segment[offset..offset + 2].copy_from_slice(&pseudo.to_be_bytes());
    finish_checksum(segment, 0, offset as u16).expect("room");
    assert_eq!(bytes, fresh, "checksums as computed from scratch");
}

/// The network packet that an ICMP error quotes.
pub fn quoted(bytes: &[u8]) -> &[u8] {
    let headers = Headers::find(bytes).expect("an IP frame");
    &bytes[headers.l4 + 8..headers.end]
}
