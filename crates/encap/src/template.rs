//! The outer headers for one peer, filled but for what differs from frame to frame.

use std::net::Ipv4Addr;

use tulle_wire::{Mac, checksum, ethernet, ipv4};

/// Outer Ethernet and IPv4.
pub(crate) const NETWORK_LEN: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;
const TTL: u8 = 64;

/// The two ends of a tunnel on the underlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// This end.
    pub local: Ipv4Addr,
    /// The far end.
    pub remote: Ipv4Addr,
    /// Ethernet address of this end's device.
    pub local_mac: Mac,
    /// Ethernet address of the next hop.
    pub remote_mac: Mac,
}

/// How packets of a tunnel look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelOptions {
    /// The longest IPv4 packet that the path takes.
    pub mtu: u16,
    /// Outer time to live.
    pub ttl: u8,
    /// Outer DSCP, 6 bits.
    pub dscp: u8,
    /// Destination port.
    pub dst_port: u16,
}

impl TunnelOptions {
    /// Usual values: TTL 64, DSCP 0.
    #[must_use]
    pub fn new(mtu: u16, dst_port: u16) -> Self {
        Self { mtu, ttl: TTL, dscp: 0, dst_port }
    }
}

/// Headers up to IPv4 with sums of what is constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    network: [u8; NETWORK_LEN],
    header_sum: u16,
    pseudo_sum: u16,
    pub(crate) options: TunnelOptions,
}

impl Template {
    pub(crate) fn new(ends: &Endpoints, options: &TunnelOptions, protocol: u8) -> Self {
        let options = TunnelOptions { dscp: options.dscp & 63, ..*options };
        let mut network = [0; NETWORK_LEN];
        network[..6].copy_from_slice(&ends.remote_mac);
        network[6..12].copy_from_slice(&ends.local_mac);
        network[12..14].copy_from_slice(&ethernet::ether_type::IPV4.to_be_bytes());
        let header = &mut network[ethernet::HEADER_LEN..];
        header[0] = 0x45;
        header[6..8].copy_from_slice(&ipv4::DONT_FRAGMENT.to_be_bytes());
        header[8] = options.ttl;
        header[9] = protocol;
        header[12..16].copy_from_slice(&ends.local.octets());
        header[16..20].copy_from_slice(&ends.remote.octets());
        let header_sum = checksum::sum(header);
        let pseudo_sum = checksum::pseudo_v4(ends.local, ends.remote, protocol, 0);
        Self { network, header_sum, pseudo_sum, options }
    }

    /// Writes Ethernet and IPv4 headers for a packet of `total_len` bytes to the front of `bytes`.
    #[inline]
    pub(crate) fn emit_network(&self, bytes: &mut [u8], total_len: u16, id: u16, tos: u8) {
        bytes[..NETWORK_LEN].copy_from_slice(&self.network);
        let header = &mut bytes[ethernet::HEADER_LEN..NETWORK_LEN];
        header[1] = tos;
        header[2..4].copy_from_slice(&total_len.to_be_bytes());
        header[4..6].copy_from_slice(&id.to_be_bytes());
        let changed = checksum::add(checksum::add(total_len, id), u16::from(tos));
        let checksum = !checksum::add(self.header_sum, changed);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
    }

    /// The sum of the pseudo header for `len` bytes of transport header and payload.
    #[inline]
    pub(crate) fn pseudo(&self, len: u16) -> u16 {
        checksum::add(self.pseudo_sum, len)
    }
}

/// The outer source port: 49152..=65535 (RFC 7348 section 5).
#[inline]
pub(crate) fn source_port(entropy: u32) -> u16 {
    0xc000 | ((entropy ^ (entropy >> 16)) as u16 & 0x3fff)
}
