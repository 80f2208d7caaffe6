//! Where the headers of a frame begin: tags, network and transport, in one walk.

use crate::bytes::u16_at;
use crate::ethernet::{HEADER_LEN, MACS_LEN, TAG_LEN, ether_type};
use crate::{ipv4, ipv6};

const MOST_TAGS: usize = 2;
/// From the Ethernet type of a provider backbone to the customer's: type, service tag, the customer's addresses.
const TO_CUSTOMER_TYPE: usize = 2 + 4 + MACS_LEN;
const LABEL_LEN: usize = 4;

/// Offsets of the headers of an IPv4 or IPv6 frame, from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// Ethernet type behind all tags: IPv4 or IPv6.
    pub ether_type: u16,
    /// Where the network header begins.
    pub network: usize,
    /// Where the transport header begins, or a later fragment's data.
    pub transport: usize,
    /// Where the network packet ends; the rest of the frame is padding.
    pub end: usize,
    /// Protocol of the transport header.
    pub protocol: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// Whether it is a fragment, first or later.
    pub fragment: bool,
    /// Whether it is a fragment without the transport header.
    pub later_fragment: bool,
}

impl Layers {
    /// Walks up to two VLAN tags and the network header; `None` for anything but a well-formed IPv4 or
    /// IPv6 packet. Checksums are not verified.
    #[inline]
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let mut at = MACS_LEN;
        for _ in 0..=MOST_TAGS {
            match u16::from_be_bytes(*frame.get(at..)?.first_chunk()?) {
                ether_type::VLAN | ether_type::SERVICE_VLAN => at += TAG_LEN,
                ether_type::IPV4 => return Self::parse_v4(frame, at + 2),
                ether_type::IPV6 => return Self::parse_v6(frame, at + 2),
                _ => return None,
            }
        }
        None
    }

    /// The same behind any number of VLAN tags, MPLS labels and provider backbone service tags, in whose frame or
    /// under whose last label the packet lies.
    #[cold]
    #[must_use]
    pub fn parse_within(frame: &[u8]) -> Option<Self> {
        let mut at = MACS_LEN;
        loop {
            match u16::from_be_bytes(*frame.get(at..)?.first_chunk()?) {
                ether_type::VLAN | ether_type::SERVICE_VLAN => at += TAG_LEN,
                ether_type::BACKBONE => at += TO_CUSTOMER_TYPE,
                ether_type::MPLS | ether_type::MPLS_UPSTREAM => return Self::parse_labelled(frame, at + 2),
                ether_type::IPV4 => return Self::parse_v4(frame, at + 2),
                ether_type::IPV6 => return Self::parse_v6(frame, at + 2),
                _ => return None,
            }
        }
    }

    /// Nothing says what is under the last label, but that IP begins with its version.
    fn parse_labelled(frame: &[u8], mut at: usize) -> Option<Self> {
        loop {
            let label: &[u8; LABEL_LEN] = frame.get(at..)?.first_chunk()?;
            at += LABEL_LEN;
            if label[2] & 1 != 0 {
                break;
            }
        }
        match frame.get(at)? >> 4 {
            4 => Self::parse_v4(frame, at),
            6 => Self::parse_v6(frame, at),
            _ => None,
        }
    }

    #[inline]
    fn parse_v4(frame: &[u8], network: usize) -> Option<Self> {
        let packet = ipv4::Packet::new_checked(frame.get(network..)?).ok()?;
        Some(Self {
            ether_type: ether_type::IPV4,
            network,
            transport: network + packet.header_len(),
            end: network + packet.total_len(),
            protocol: packet.protocol(),
            tos: packet.tos(),
            fragment: packet.is_fragment(),
            later_fragment: packet.is_later_fragment(),
        })
    }

    #[inline]
    fn parse_v6(frame: &[u8], network: usize) -> Option<Self> {
        let packet = ipv6::Packet::new_checked(frame.get(network..)?).ok()?;
        let upper = packet.upper().ok()?;
        Some(Self {
            ether_type: ether_type::IPV6,
            network,
            transport: network + upper.offset,
            end: network + ipv6::HEADER_LEN + packet.payload_len(),
            protocol: upper.protocol,
            tos: packet.traffic_class(),
            fragment: upper.fragment,
            later_fragment: upper.later_fragment,
        })
    }

    /// Whether the network header is IPv4.
    #[inline]
    #[must_use]
    pub fn is_v4(&self) -> bool {
        self.ether_type == ether_type::IPV4
    }

    /// Source and destination address as they stand in `frame`, 8 or 32 bytes.
    #[inline]
    #[must_use]
    pub fn addresses<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        let range = if self.is_v4() { 12..20 } else { 8..40 };
        frame.get(self.network + range.start..self.network + range.end).unwrap_or_default()
    }

    /// Source and destination port of a TCP or UDP packet, if it holds them.
    #[inline]
    #[must_use]
    pub fn ports(&self, frame: &[u8]) -> Option<(u16, u16)> {
        let known = matches!(self.protocol, crate::protocol::TCP | crate::protocol::UDP);
        if !known || self.later_fragment || self.end < self.transport + 4 {
            return None;
        }
        let ports = frame.get(self.transport..self.transport + 4)?;
        Some((u16_at(ports, 0), u16_at(ports, 2)))
    }
}

const _: () = assert!(HEADER_LEN == MACS_LEN + 2);
