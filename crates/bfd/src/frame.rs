//! Control packets in frames: Ethernet, IPv4 and UDP inside the tunnel, as Open vSwitch sends them.

use std::net::Ipv4Addr;

use tulle_wire::checksum::pseudo_v4;
use tulle_wire::ethernet::ether_type;
use tulle_wire::{Mac, WireError, ethernet, ipv4, protocol, udp};

use crate::packet::{ControlPacket, PACKET_LEN};

/// The destination port of control packets over one hop (RFC 5881 section 4).
pub const DESTINATION_PORT: u16 = 3784;
/// Where frames go, unless told otherwise: an address that Open vSwitch has made up.
pub const MAC: Mac = [0x00, 0x23, 0x20, 0x00, 0x00, 0x01];
/// Length of a frame.
pub const FRAME_LEN: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN + udp::HEADER_LEN + PACKET_LEN;

/// The one time to live that says that no router was on the way (RFC 5881 section 5).
const TTL: u8 = 255;
/// Internetwork control (RFC 791 section 3.1).
const TOS: u8 = 0xc0;
/// The first source port that may be used (RFC 5881 section 4).
const FIRST_SOURCE_PORT: u16 = 49152;

/// The headers of a session's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encapsulation {
    /// Ethernet source.
    pub source_mac: Mac,
    /// Ethernet destination.
    pub destination_mac: Mac,
    /// IP source.
    pub source: Ipv4Addr,
    /// IP destination.
    pub destination: Ipv4Addr,
    /// The Ethernet destination of frames that are taken; `None`: any.
    pub accepted_mac: Option<Mac>,
}

impl Default for Encapsulation {
    fn default() -> Encapsulation {
        Encapsulation {
            source_mac: [0; 6],
            destination_mac: MAC,
            source: Ipv4Addr::new(169, 254, 1, 1),
            destination: Ipv4Addr::new(169, 254, 1, 0),
            accepted_mac: None,
        }
    }
}

impl Encapsulation {
    /// Whether a frame is one of a session's, by its headers; it may still be a wrong one.
    #[inline]
    #[must_use]
    pub fn recognizes(&self, frame: &[u8]) -> bool {
        // Most packets differ here already: no IPv4, no UDP, another port.
        let is_bfd = frame.get(12..14) == Some(&[0x08, 0x00]) && frame.get(23) == Some(&protocol::UDP) && {
            let at = ethernet::HEADER_LEN + 4 * usize::from(frame[14] & 15) + 2;
            let is_first = frame[20] & 0x1f == 0 && frame[21] == 0;
            is_first && frame.get(at..at + 2) == Some(&DESTINATION_PORT.to_be_bytes())
        };
        is_bfd && self.accepted_mac.is_none_or(|mac| frame[..6] == mac)
    }

    /// The frame of a packet; sessions differ in the source port.
    #[must_use]
    pub fn emit(&self, packet: &ControlPacket) -> [u8; FRAME_LEN] {
        let mut frame = [0; FRAME_LEN];
        frame[FRAME_LEN - PACKET_LEN..].copy_from_slice(&packet.emit());
        // It fits: all lengths are fixed.
        let _ = self.emit_headers(packet.my_discriminator, &mut frame);
        frame
    }

    fn emit_headers(&self, discriminator: u32, frame: &mut [u8]) -> Result<(), WireError> {
        let Encapsulation { source, destination, .. } = *self;
        let link = ethernet::Repr {
            source: self.source_mac,
            destination: self.destination_mac,
            vlan: None,
            ether_type: ether_type::IPV4,
        };
        link.emit(frame)?;
        let payload_len = udp::HEADER_LEN + PACKET_LEN;
        let network = ipv4::Repr {
            source,
            destination,
            protocol: protocol::UDP,
            payload_len,
            ttl: TTL,
            tos: TOS,
            id: 0,
            dont_fragment: true,
        };
        let (_, rest) = frame.split_at_mut(ethernet::HEADER_LEN);
        network.emit(rest)?;
        let source_port = FIRST_SOURCE_PORT | discriminator as u16 & !FIRST_SOURCE_PORT;
        let transport =
            udp::Repr { source_port, destination_port: DESTINATION_PORT, payload_len: PACKET_LEN };
        let pseudo = pseudo_v4(source, destination, protocol::UDP, payload_len);
        transport.emit(&mut rest[ipv4::HEADER_LEN..], pseudo)
    }
}

/// The control packet in a frame; `None` where a header is wrong, or the frame has crossed a router.
#[must_use]
pub fn payload(frame: &[u8]) -> Option<&[u8]> {
    let rest = frame.get(ethernet::HEADER_LEN..)?;
    let network = ipv4::Packet::new_checked(rest).ok()?;
    if !network.verify_checksum() || network.ttl() != TTL || network.is_fragment() {
        return None;
    }
    let header_len = network.header_len();
    let payload_len = network.payload().len();
    let datagram = &rest[header_len..header_len + payload_len];
    let pseudo = pseudo_v4(network.source(), network.destination(), protocol::UDP, payload_len);
    let transport = udp::Packet::new_checked(datagram).ok()?;
    if !transport.verify_checksum(pseudo) {
        return None;
    }
    datagram.get(udp::HEADER_LEN..transport.total_len())
}
