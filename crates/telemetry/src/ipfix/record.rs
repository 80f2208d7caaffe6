//! What is known of a flow: what all its packets have in common, and what they add up to.

use super::Observation;
use crate::headers::{Address, Ip, Transport};
use crate::packet::{Packet, TunnelInfo};

// Reasons of the end of a flow (IANA, `flowEndReason`).
pub(super) const ACTIVE_TIMEOUT: u8 = 2;
pub(super) const FORCED_END: u8 = 4;
pub(super) const LACK_OF_RESOURCES: u8 = 5;

/// Which way a packet is observed on (IANA, `flowDirection`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Direction {
    /// As it comes in.
    Ingress = 0,
    /// As it leaves.
    Egress = 1,
}

/// What all packets of a flow have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub domain: u32,
    pub point: u32,
    pub direction: Direction,
    pub in_ifindex: u32,
    pub out_ifindex: u32,
    pub mac_src: [u8; 6],
    pub mac_dst: [u8; 6],
    pub ethertype: u16,
    pub ethernet_len: u8,
    pub vlan: Option<u16>,
    pub network: Option<Network>,
    pub transport: Transport,
    pub tunnel: Option<TunnelInfo>,
}

/// What all of them have in common in the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Network {
    pub src: Address,
    pub dst: Address,
    pub protocol: u8,
    pub tos: u8,
    pub ttl: u8,
    pub flow_label: u32,
}

impl From<Ip> for Network {
    fn from(ip: Ip) -> Network {
        let Ip { src, dst, protocol, tos, ttl, flow_label, .. } = ip;
        Network { src, dst, protocol, tos, ttl, flow_label }
    }
}

impl Key {
    pub fn new(packet: &Packet<'_>, tunnel: Option<TunnelInfo>, at: &Observation) -> Key {
        let headers = &packet.headers;
        Key {
            domain: at.domain,
            point: at.point,
            direction: at.direction,
            in_ifindex: packet.in_ifindex,
            out_ifindex: at.out_ifindex,
            mac_src: headers.mac_src,
            mac_dst: headers.mac_dst,
            ethertype: headers.ethertype,
            ethernet_len: headers.ethernet_len,
            vlan: headers.vlan,
            network: headers.ip.map(Network::from),
            transport: headers.transport,
            tunnel,
        }
    }

    pub fn has_ipv4(&self) -> bool {
        matches!(self.network, Some(Network { src: Address::V4(_), .. }))
    }
}

/// What its packets add up to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub packets: u64,
    /// Of whole frames.
    pub frame_octets: u64,
    /// Of IP packets.
    pub octets: u64,
    pub octets_squared: u64,
    pub shortest: u64,
    pub longest: u64,
    pub tcp_flags: u8,
    pub first_ns: u64,
    pub last_ns: u64,
}

impl Flow {
    pub fn new(packet: &Packet<'_>) -> Flow {
        let length = packet.headers.ip.map_or(0, |ip| u64::from(ip.length));
        Flow {
            packets: 1,
            frame_octets: packet.frame.len() as u64,
            octets: length,
            octets_squared: length * length,
            shortest: length,
            longest: length,
            tcp_flags: packet.headers.tcp_flags,
            first_ns: packet.now_ns,
            last_ns: packet.now_ns,
        }
    }

    pub fn add(&mut self, more: &Flow) {
        self.packets += more.packets;
        self.frame_octets += more.frame_octets;
        self.octets += more.octets;
        self.octets_squared = self.octets_squared.wrapping_add(more.octets_squared);
        self.shortest = self.shortest.min(more.shortest);
        self.longest = self.longest.max(more.longest);
        self.tcp_flags |= more.tcp_flags;
        self.last_ns = self.last_ns.max(more.last_ns);
    }
}
