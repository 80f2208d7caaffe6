//! A packet as exporters see it.

use std::net::Ipv4Addr;

use crate::headers::Headers;

/// A packet at the place where it is observed.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The bytes, from the Ethernet header on.
    pub frame: &'a [u8],
    /// What its headers say.
    pub headers: Headers,
    /// The OpenFlow number of the port.
    pub in_port: u32,
    /// Its index in the kernel; 0 where it has none.
    pub in_ifindex: u32,
    /// Where it came out of a tunnel.
    pub tunnel: Option<TunnelInfo>,
    /// When, on the monotonic clock.
    pub now_ns: u64,
}

/// What is known of the tunnel that a packet uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TunnelInfo {
    /// Source address of the outer header.
    pub src: Ipv4Addr,
    /// Destination address of the outer header.
    pub dst: Ipv4Addr,
    /// The protocol of the outer header.
    pub protocol: u8,
    /// The port that the encapsulation is known by.
    pub port: u16,
    /// The VNI, or whatever the encapsulation has in its place.
    pub id: u64,
    /// What the encapsulation is (`tunnelType` of Open vSwitch's IPFIX elements).
    pub kind: u8,
}

/// By how many ports a packet left, and by which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    count: u32,
    port: u32,
    ifindex: u32,
    vlan: u16,
}

impl Outputs {
    /// The packet, or a copy of it, leaves by a port with this VLAN tag; 0 is none.
    #[inline]
    pub fn add(&mut self, port: u32, ifindex: u32, vlan: u16) {
        self.count += 1;
        (self.port, self.ifindex, self.vlan) = (port, ifindex, vlan);
    }

    /// The VLAN tag with which it left last.
    pub(crate) fn vlan(&self) -> Option<u16> {
        (self.count > 0).then_some(self.vlan)
    }

    /// As sFlow has it: an interface, nothing (dropped, for an unknown reason), or how many.
    pub(crate) fn sflow(&self) -> u32 {
        const DROPPED_UNKNOWN: u32 = 1 << 30 | 256;
        const SEVERAL: u32 = 2 << 30;
        match self.count {
            0 => DROPPED_UNKNOWN,
            1 => self.ifindex & ((1 << 30) - 1),
            several => SEVERAL | several.min((1 << 30) - 1),
        }
    }

    /// As Open vSwitch's NetFlow has it: a port number, or a special one.
    pub(crate) fn netflow(&self) -> u16 {
        const SEVERAL: u16 = u16::MAX - 1;
        const DROPPED: u16 = u16::MAX - 2;
        match self.count {
            0 => DROPPED,
            1 => self.port as u16,
            _ => SEVERAL,
        }
    }
}
