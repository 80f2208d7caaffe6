//! What is known of a packet besides its bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tulle_flow::{Field, Key};

/// Where a packet came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The ingress port.
    pub in_port: u32,
    /// The tunnel's key, for a packet out of a tunnel.
    pub tunnel: Option<TunnelKey>,
}

/// What a tunnel carries about a packet, or is to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TunnelKey {
    /// The context (`tun_id`).
    pub id: u64,
    /// The outer source address; unspecified lets the tunnel port choose.
    pub src: Ipv4Addr,
    /// The outer destination address; unspecified lets the tunnel port choose.
    pub dst: Ipv4Addr,
    /// The outer IPv6 source address; unspecified where the tunnel runs over IPv4, or lets the port choose.
    pub ipv6_src: Ipv6Addr,
    /// The outer IPv6 destination address.
    pub ipv6_dst: Ipv6Addr,
    /// Outer type of service; on the way out 0 lets the tunnel port choose.
    pub tos: u8,
    /// Outer TTL; on the way out 0 lets the tunnel port choose.
    pub ttl: u8,
    /// `tun_flags`.
    pub flags: u16,
    /// Group policy of VXLAN.
    pub gbp_id: u16,
    /// Its flags.
    pub gbp_flags: u8,
}

impl Default for TunnelKey {
    fn default() -> Self {
        TunnelKey {
            id: 0,
            src: Ipv4Addr::UNSPECIFIED,
            dst: Ipv4Addr::UNSPECIFIED,
            ipv6_src: Ipv6Addr::UNSPECIFIED,
            ipv6_dst: Ipv6Addr::UNSPECIFIED,
            tos: 0,
            ttl: 0,
            flags: 0,
            gbp_id: 0,
            gbp_flags: 0,
        }
    }
}

/// The fields that a tunnel writes on the way in and reads on the way out.  What it reads of the last three is only
/// what actions have written: a packet that passes from one tunnel to another gets the other one's.
pub(crate) const TUNNEL_FIELDS: [Field; 10] = [
    Field::TunId,
    Field::TunSrc,
    Field::TunDst,
    Field::TunIpv6Src,
    Field::TunIpv6Dst,
    Field::TunGbpId,
    Field::TunGbpFlags,
    Field::TunTos,
    Field::TunTtl,
    Field::TunFlags,
];
/// How many of them a packet takes from tunnel to tunnel.
pub(crate) const TUNNEL_KEPT: usize = 7;

impl TunnelKey {
    /// The tunnel fields of a key, or nothing where all of them are zero.
    pub fn of_key(key: &Key) -> Option<TunnelKey> {
        if TUNNEL_FIELDS.iter().all(|field| key.field(*field) == 0) {
            return None;
        }
        let address = |field| Ipv4Addr::from(key.field(field) as u32);
        Some(TunnelKey {
            id: key.field(Field::TunId) as u64,
            src: address(Field::TunSrc),
            dst: address(Field::TunDst),
            ipv6_src: Ipv6Addr::from(key.field(Field::TunIpv6Src)),
            ipv6_dst: Ipv6Addr::from(key.field(Field::TunIpv6Dst)),
            tos: key.field(Field::TunTos) as u8,
            ttl: key.field(Field::TunTtl) as u8,
            flags: key.field(Field::TunFlags) as u16,
            gbp_id: key.field(Field::TunGbpId) as u16,
            gbp_flags: key.field(Field::TunGbpFlags) as u8,
        })
    }

    #[inline]
    fn write(&self, key: &mut Key) {
        // One by one, so that each place in the key is known beforehand.
        key.set(Field::TunId, u128::from(self.id));
        key.set(Field::TunSrc, u128::from(u32::from(self.src)));
        key.set(Field::TunDst, u128::from(u32::from(self.dst)));
        key.set(Field::TunIpv6Src, u128::from(self.ipv6_src));
        key.set(Field::TunIpv6Dst, u128::from(self.ipv6_dst));
        key.set(Field::TunGbpId, u128::from(self.gbp_id));
        key.set(Field::TunGbpFlags, u128::from(self.gbp_flags));
        key.set(Field::TunTos, u128::from(self.tos));
        key.set(Field::TunTtl, u128::from(self.ttl));
        key.set(Field::TunFlags, u128::from(self.flags));
    }
}

impl Metadata {
    #[inline]
    pub(crate) fn write(&self, key: &mut Key) {
        key.set(Field::InPort, u128::from(self.in_port));
        if let Some(tunnel) = &self.tunnel {
            tunnel.write(key);
        }
    }
}

/// What the tracker has said of a packet, as it stands in the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tracked {
    pub state: u32,
    pub zone: u16,
    mark: u32,
    label: u128,
    original: Option<tulle_conntrack::Endpoints>,
}

impl Tracked {
    /// What `ct_state` is where nobody but the state has been told.
    pub fn assumed(state: u32, zone: u16) -> Tracked {
        Tracked { state, zone, ..Tracked::default() }
    }

    #[inline]
    pub fn write(&self, key: &mut Key) {
        if self.state == 0 {
            return;
        }
        key.set(Field::CtState, u128::from(self.state));
        key.set(Field::CtZone, u128::from(self.zone));
        key.set(Field::CtMark, u128::from(self.mark));
        key.set(Field::CtLabel, self.label);
        let Some(original) = &self.original else { return };
        key.set(Field::CtProto, u128::from(original.protocol));
        key.set(Field::CtTpSrc, u128::from(original.source_port));
        key.set(Field::CtTpDst, u128::from(original.destination_port));
        match (original.source, original.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                key.set(Field::CtIpSrc, u128::from(u32::from(source)));
                key.set(Field::CtIpDst, u128::from(u32::from(destination)));
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                key.set(Field::CtIpv6Src, u128::from(source));
                key.set(Field::CtIpv6Dst, u128::from(destination));
            }
            _ => {}
        }
    }
}

impl From<tulle_conntrack::Outcome> for Tracked {
    #[inline]
    fn from(outcome: tulle_conntrack::Outcome) -> Self {
        let tulle_conntrack::Outcome { state, zone, mark, label, original, .. } = outcome;
        Tracked { state, zone, mark, label, original }
    }
}
