//! The outer headers for one peer, filled but for what differs from frame to frame.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tulle_wire::{Layers, checksum, ethernet, ipv4, ipv6};

use crate::{Checksum, Endpoints, MixedFamilies, Passage, TunnelOptions, ecn};

/// Outer Ethernet and IPv6, the longer of the two.
const MOST_NETWORK_LEN: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN;
/// Outer Ethernet and IPv4.
const V4_LEN: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;

/// What the outer network headers of one inner frame say beside addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    tos: u8,
    ttl: u8,
    /// IPv6: the flow label comes from it.
    entropy: u32,
}

/// Headers up to IPv4 or IPv6 with sums of what is constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    network: [u8; MOST_NETWORK_LEN],
    header_sum: u16,
    pseudo_sum: u16,
    v4: bool,
    checksum: bool,
    pub(crate) options: TunnelOptions,
}

impl Template {
    pub(crate) fn new(
        ends: &Endpoints,
        options: &TunnelOptions,
        protocol: u8,
    ) -> Result<Self, MixedFamilies> {
        let mut network = [0; MOST_NETWORK_LEN];
        network[..6].copy_from_slice(&ends.remote_mac);
        network[6..12].copy_from_slice(&ends.local_mac);
        let (link, header) = network.split_at_mut(ethernet::HEADER_LEN);
        let (ether_type, pseudo_sum) = match (ends.local, ends.remote) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                fill_v4(header, local, remote, protocol, options.dont_fragment);
                (ethernet::ether_type::IPV4, checksum::pseudo_v4(local, remote, protocol, 0))
            }
            (IpAddr::V6(local), IpAddr::V6(remote)) => {
                fill_v6(header, local, remote, protocol);
                (ethernet::ether_type::IPV6, checksum::pseudo_v6(local, remote, protocol, 0))
            }
            (local, remote) => return Err(MixedFamilies { local, remote }),
        };
        link[12..].copy_from_slice(&ether_type.to_be_bytes());
        let header_sum = checksum::sum(&header[..ipv4::HEADER_LEN]);
        let v4 = ends.local.is_ipv4();
        let options = TunnelOptions { dscp: options.dscp & 63, ..*options };
        let checksum = match options.checksum {
            Checksum::Usual => !v4 && protocol == tulle_wire::protocol::UDP,
            Checksum::Always => true,
            Checksum::Never => false,
        };
        Ok(Self { network, header_sum, pseudo_sum, v4, checksum, options })
    }

    /// Whether the outer packet is IPv4.
    #[inline]
    pub(crate) fn is_v4(&self) -> bool {
        self.v4
    }

    /// Whether UDP and GRE headers carry a checksum.
    #[inline]
    pub(crate) fn has_checksum(&self) -> bool {
        self.checksum
    }

    /// Length of the outer IP header.
    #[inline]
    pub(crate) fn ip_len(&self) -> usize {
        if self.v4 { ipv4::HEADER_LEN } else { ipv6::HEADER_LEN }
    }

    /// Length of Ethernet and IP headers: where the transport header begins.
    #[inline]
    pub(crate) fn network_len(&self) -> usize {
        ethernet::HEADER_LEN + self.ip_len()
    }

    /// What is left of the path MTU for an inner frame behind IP and so many bytes of headers.
    pub(crate) fn room(&self, headers_len: usize) -> usize {
        usize::from(self.options.mtu).saturating_sub(self.ip_len() + headers_len)
    }

    /// How the outer header looks for a frame: what the passage says of it, else what the tunnel says.
    #[inline]
    pub(crate) fn look(&self, passage: &Passage<'_>, frame: &[u8], inner: Option<&Layers>) -> Look {
        let options = &self.options;
        let dscp = match (passage.dscp, inner) {
            (Some(dscp), _) => dscp & 63,
            (None, Some(inner)) if options.inherit_dscp => inner.tos >> 2,
            _ => options.dscp,
        };
        let ttl = match (passage.ttl, inner) {
            (Some(ttl), _) => ttl,
            (None, Some(inner)) if options.inherit_ttl => inner_ttl(frame, inner),
            _ => options.ttl,
        };
        Look { tos: ecn::outer_tos(dscp, inner), ttl, entropy: passage.entropy }
    }

    /// Writes Ethernet and IP headers to the front of `bytes`, for `payload_len` bytes behind them;
    /// `id` is IPv4's identification.
    #[inline]
    pub(crate) fn emit_network(&self, bytes: &mut [u8], payload_len: u16, id: u16, look: Look) {
        if self.v4 {
            self.emit_v4(bytes, payload_len, id, look);
        } else {
            self.emit_v6(bytes, payload_len, look);
        }
    }

    #[inline]
    fn emit_v4(&self, bytes: &mut [u8], payload_len: u16, id: u16, look: Look) {
        let Look { tos, ttl, .. } = look;
        let total_len = payload_len + ipv4::HEADER_LEN as u16;
        // Of known lengths, which saves checks.
        let Some(bytes) = bytes.first_chunk_mut::<V4_LEN>() else { return };
        bytes.copy_from_slice(&self.network[..V4_LEN]);
        let Some(header) = bytes.last_chunk_mut::<{ ipv4::HEADER_LEN }>() else { return };
        header[1] = tos;
        header[2..4].copy_from_slice(&total_len.to_be_bytes());
        header[4..6].copy_from_slice(&id.to_be_bytes());
        header[ipv4::TTL_AT] = ttl;
        let changed = checksum::add(checksum::add(total_len, id), u16::from(tos));
        let changed = checksum::add(changed, u16::from(ttl) << 8);
        let checksum = !checksum::add(self.header_sum, changed);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
    }

    #[inline]
    fn emit_v6(&self, bytes: &mut [u8], payload_len: u16, look: Look) {
        let Look { tos, ttl, entropy } = look;
        let Some(bytes) = bytes.first_chunk_mut::<MOST_NETWORK_LEN>() else { return };
        bytes.copy_from_slice(&self.network);
        let Some(header) = bytes.last_chunk_mut::<{ ipv6::HEADER_LEN }>() else { return };
        let first = 6 << 28 | u32::from(tos) << 20 | flow_label(entropy);
        header[..4].copy_from_slice(&first.to_be_bytes());
        header[4..6].copy_from_slice(&payload_len.to_be_bytes());
        header[ipv6::HOP_LIMIT_AT] = ttl;
    }

    /// The sum of the pseudo header for `len` bytes of transport header and payload.
    #[inline]
    pub(crate) fn pseudo(&self, len: u16) -> u16 {
        checksum::add(self.pseudo_sum, len)
    }
}

fn inner_ttl(frame: &[u8], inner: &Layers) -> u8 {
    frame[inner.network + if inner.is_v4() { ipv4::TTL_AT } else { ipv6::HOP_LIMIT_AT }]
}

fn fill_v4(header: &mut [u8], local: Ipv4Addr, remote: Ipv4Addr, protocol: u8, dont_fragment: bool) {
    header[0] = 0x45;
    let fragment = if dont_fragment { ipv4::DONT_FRAGMENT } else { 0 };
    header[6..8].copy_from_slice(&fragment.to_be_bytes());
    header[9] = protocol;
    header[12..16].copy_from_slice(&local.octets());
    header[16..20].copy_from_slice(&remote.octets());
}

fn fill_v6(header: &mut [u8], local: Ipv6Addr, remote: Ipv6Addr, protocol: u8) {
    header[6] = protocol;
    header[8..24].copy_from_slice(&local.octets());
    header[24..40].copy_from_slice(&remote.octets());
}

/// The outer source port: 49152..=65535 (RFC 7348 section 5).
#[inline]
pub(crate) fn source_port(entropy: u32) -> u16 {
    0xc000 | ((entropy ^ (entropy >> 16)) as u16 & 0x3fff)
}

/// The outer flow label: constant in a flow and not 0 (RFC 6438 section 3).
#[inline]
fn flow_label(entropy: u32) -> u32 {
    ((entropy ^ (entropy >> 12)) & 0xf_ffff).max(1)
}
