//! What a tunnel's user chooses: its ends, and how its packets look.

use std::net::IpAddr;

use tulle_wire::Mac;

const TTL: u8 = 64;

/// The two ends of a tunnel on the underlay, both IPv4 or both IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// This end.
    pub local: IpAddr,
    /// The far end.
    pub remote: IpAddr,
    /// Ethernet address of this end's device.
    pub local_mac: Mac,
    /// Ethernet address of the next hop.
    pub remote_mac: Mac,
}

/// Why there are no headers for these ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ends of a tunnel are both IPv4 or both IPv6, not {local} and {remote}")]
pub struct MixedFamilies {
    /// This end.
    pub local: IpAddr,
    /// The far end.
    pub remote: IpAddr,
}

/// Whether UDP and GRE headers carry a checksum. STT always has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// As the standards have it: UDP over IPv6 only (RFC 6935, RFC 7348 section 5, RFC 8926 section 3.3).
    #[default]
    Usual,
    /// Always, be it left to the device.
    Always,
    /// Never. Over IPv6 the far end must allow it (RFC 6936).
    Never,
}

/// How packets of a tunnel look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelOptions {
    /// The longest IP packet that the path takes, its header included.
    pub mtu: u16,
    /// Outer time to live or hop limit.
    pub ttl: u8,
    /// Take the inner one instead, where the frame is IP.
    pub inherit_ttl: bool,
    /// Outer DSCP, 6 bits. The outer ECN always follows the inner one.
    pub dscp: u8,
    /// Take the inner one instead, where the frame is IP.
    pub inherit_dscp: bool,
    /// Outer IPv4 only: routers may not cut the packet.
    pub dont_fragment: bool,
    /// UDP and GRE: whether there is a checksum.
    pub checksum: Checksum,
    /// GRE: whether the context travels as a key; without one it must be 0.
    pub key: bool,
    /// GRE: whether packets are numbered, from [`Passage::frame_id`](crate::Passage::frame_id).
    pub sequence: bool,
    /// Destination port of TCP and UDP.
    pub dst_port: u16,
}

impl TunnelOptions {
    /// Usual values: TTL 64, DSCP 0, not to be fragmented, a key and no sequence numbers.
    #[must_use]
    pub fn new(mtu: u16, dst_port: u16) -> Self {
        Self {
            mtu,
            ttl: TTL,
            inherit_ttl: false,
            dscp: 0,
            inherit_dscp: false,
            dont_fragment: true,
            checksum: Checksum::Usual,
            key: true,
            sequence: false,
            dst_port,
        }
    }
}
