//! The virtio-net header (10 bytes, legacy layout, host byte order) and what it says of a frame.
//!
//! Source: virtio 1.2 section 5.1.6, linux/virtio_net.h. TAP devices and packet sockets read and
//! write it in front of each frame.

use crate::WireError;

/// Length of the header in bytes.
pub const VNET_HDR_LEN: usize = 10;
/// Length of the header that also says where a tunnel over UDP is (`virtio_net_hdr_v1_hash_tunnel`, Linux 6.17).
pub const TUNNEL_HDR_LEN: usize = 24;
/// Flag: the checksum at `csum_start + csum_offset` holds only the pseudo-header sum.
pub const NEEDS_CSUM: u8 = 1;
/// Flag: the checksum has been verified.
pub const DATA_VALID: u8 = 2;
/// Flag: so does the checksum of the UDP header of a tunnel.
pub const TUNNEL_CSUM: u8 = 8;
/// `gso_type`: not to be segmented.
pub const GSO_NONE: u8 = 0;
/// `gso_type`: TCP over IPv4.
pub const GSO_TCPV4: u8 = 1;
/// `gso_type`: TCP over IPv6.
pub const GSO_TCPV6: u8 = 4;
/// `gso_type`: UDP cut into datagrams.
pub const GSO_UDP_L4: u8 = 5;
/// Bit of `gso_type`: in a tunnel over UDP and IPv4.
pub const GSO_TUNNEL_IPV4: u8 = 0x20;
/// Bit of `gso_type`: in a tunnel over UDP and IPv6.
pub const GSO_TUNNEL_IPV6: u8 = 0x40;
/// Bit of `gso_type`: the TCP segment carries CWR.
pub const GSO_ECN: u8 = 0x80;

/// What a long frame is to be cut into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GsoKind {
    /// It stays whole.
    #[default]
    None,
    /// TCP segments over IPv4.
    TcpV4,
    /// TCP segments over IPv6.
    TcpV6,
    /// UDP datagrams of equal length.
    UdpL4,
}

/// What is left undone on a frame, and what is already known of it. Offsets count from its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Offload {
    /// The checksum field holds the uncomplemented pseudo-header sum: it is to be completed.
    pub needs_csum: bool,
    /// The transport checksum has been verified.
    pub data_valid: bool,
    /// Where the checksummed range begins; it reaches to the end of the frame.
    pub csum_start: u16,
    /// Where the checksum field is, from `csum_start`.
    pub csum_offset: u16,
    /// What the frame is to be cut into.
    pub gso: GsoKind,
    /// Transport payload bytes of each piece; 0 without GSO.
    pub gso_size: u16,
    /// The TCP segment to cut carries CWR.
    pub ecn: bool,
    /// Length of all headers in front of the transport payload, 0 if unknown; only a hint.
    pub hdr_len: u16,
}

impl Offload {
    /// Whether the offsets lie inside a frame of `len` bytes and sizes make sense.
    #[must_use]
    pub fn fits(&self, len: usize) -> bool {
        let field_end = usize::from(self.csum_start) + usize::from(self.csum_offset) + 2;
        let csum_ok = !self.needs_csum || field_end <= len;
        csum_ok && (self.gso == GsoKind::None || self.gso_size != 0)
    }
}

/// The tunnel over UDP or GRE that a TCP super-frame is in, which is to be cut within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Whether it is over UDP, and not GRE, for which the header has no words.
    pub is_udp: bool,
    /// Whether the outer packet is IPv4, and not IPv6.
    pub is_v4: bool,
    /// Whether the outer UDP header has a checksum, which holds the pseudo-header sum so far.
    pub has_checksum: bool,
    /// Where the outer UDP or GRE header begins.
    pub transport: u16,
    /// Where the inner IP header begins.
    pub network: u16,
}

/// Reads a header. Errors: a `gso_type` that has not been asked for (old UFO, tunnels), too few bytes.
pub fn parse(header: &[u8]) -> Result<Offload, WireError> {
    let header: &[u8; VNET_HDR_LEN] = header.first_chunk().ok_or(WireError::Truncated)?;
    let word = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
    Ok(Offload {
        needs_csum: header[0] & NEEDS_CSUM != 0,
        data_valid: header[0] & DATA_VALID != 0,
        csum_start: word(6),
        csum_offset: word(8),
        gso: parse_gso(header[1] & !GSO_ECN)?,
        gso_size: word(4),
        ecn: header[1] & GSO_ECN != 0,
        hdr_len: word(2),
    })
}

fn parse_gso(gso_type: u8) -> Result<GsoKind, WireError> {
    match gso_type {
        GSO_NONE => Ok(GsoKind::None),
        GSO_TCPV4 => Ok(GsoKind::TcpV4),
        GSO_TCPV6 => Ok(GsoKind::TcpV6),
        GSO_UDP_L4 => Ok(GsoKind::UdpL4),
        _ => Err(WireError::Unsupported),
    }
}

/// Writes a header.
pub fn emit(offload: &Offload, header: &mut [u8; VNET_HDR_LEN]) {
    header[0] =
        if offload.needs_csum { NEEDS_CSUM } else { 0 } | if offload.data_valid { DATA_VALID } else { 0 };
    header[1] = gso_type(offload.gso) | if offload.ecn { GSO_ECN } else { 0 };
    header[2..4].copy_from_slice(&offload.hdr_len.to_ne_bytes());
    header[4..6].copy_from_slice(&offload.gso_size.to_ne_bytes());
    header[6..8].copy_from_slice(&offload.csum_start.to_ne_bytes());
    header[8..10].copy_from_slice(&offload.csum_offset.to_ne_bytes());
}

/// Writes the header of a super-frame in a tunnel; the offload's offsets are those of the inner headers, counted from
/// the first byte of the outer frame.
pub fn emit_in_tunnel(offload: &Offload, tunnel: &Tunnel, header: &mut [u8; TUNNEL_HDR_LEN]) {
    *header = [0; TUNNEL_HDR_LEN];
    if let Some(plain) = header.first_chunk_mut() {
        emit(offload, plain);
    }
    if !tunnel.is_udp {
        return;
    }
    header[0] |= if tunnel.has_checksum { TUNNEL_CSUM } else { 0 };
    header[1] |= if tunnel.is_v4 { GSO_TUNNEL_IPV4 } else { GSO_TUNNEL_IPV6 };
    // These two are little-endian everywhere, and stand behind the fields of a hash that nobody fills.
    header[20..22].copy_from_slice(&tunnel.transport.to_le_bytes());
    header[22..24].copy_from_slice(&tunnel.network.to_le_bytes());
}

fn gso_type(kind: GsoKind) -> u8 {
    match kind {
        GsoKind::None => GSO_NONE,
        GsoKind::TcpV4 => GSO_TCPV4,
        GsoKind::TcpV6 => GSO_TCPV6,
        GsoKind::UdpL4 => GSO_UDP_L4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_emitted_parses_to_the_same() {
        let offload = Offload {
            needs_csum: true,
            data_valid: false,
            csum_start: 34,
            csum_offset: 16,
            gso: GsoKind::TcpV4,
            gso_size: 1460,
            ecn: true,
            hdr_len: 54,
        };
        let mut header = [0; VNET_HDR_LEN];
        emit(&offload, &mut header);
        assert_eq!(parse(&header), Ok(offload));
    }

    #[test]
    fn a_tunnel_stands_behind_the_plain_header() {
        let offload = Offload { needs_csum: true, csum_start: 84, gso: GsoKind::TcpV4, ..Offload::default() };
        let tunnel = Tunnel { is_udp: true, is_v4: true, has_checksum: true, transport: 34, network: 64 };
        let mut header = [0xff; TUNNEL_HDR_LEN];
        emit_in_tunnel(&offload, &tunnel, &mut header);
        assert_eq!(header[..2], [NEEDS_CSUM | TUNNEL_CSUM, GSO_TCPV4 | GSO_TUNNEL_IPV4]);
        assert_eq!(header[10..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 34, 0, 64, 0]);
        let tunnel = Tunnel { is_v4: false, has_checksum: false, ..tunnel };
        emit_in_tunnel(&offload, &tunnel, &mut header);
        assert_eq!(header[..2], [NEEDS_CSUM, GSO_TCPV4 | GSO_TUNNEL_IPV6]);
        emit_in_tunnel(&offload, &Tunnel { is_udp: false, ..tunnel }, &mut header);
        assert_eq!((&header[..2], &header[10..]), (&[NEEDS_CSUM, GSO_TCPV4][..], &[0; 14][..]), "GRE");
    }

    #[test]
    fn unknown_segmentation_and_short_headers_are_errors() {
        assert_eq!(parse(&[0, 3, 0, 0, 0, 0, 0, 0, 0, 0]), Err(WireError::Unsupported));
        assert_eq!(parse(&[0; 9]), Err(WireError::Truncated));
    }
}
