//! What is known of a packet besides its bytes.

use std::net::Ipv4Addr;

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
}

impl TunnelKey {
    /// The tunnel fields of a key, or nothing where all of them are zero.
    pub fn of_key(key: &Key) -> Option<TunnelKey> {
        let address = |field| Ipv4Addr::from(key.field(field) as u32);
        let (src, dst) = (address(Field::TunSrc), address(Field::TunDst));
        let id = key.field(Field::TunId) as u64;
        (id != 0 || !src.is_unspecified() || !dst.is_unspecified()).then_some(TunnelKey { id, src, dst })
    }
}

impl Metadata {
    #[inline]
    pub(crate) fn write(&self, key: &mut Key) {
        key.set(Field::InPort, u128::from(self.in_port));
        if let Some(tunnel) = self.tunnel {
            key.set(Field::TunId, u128::from(tunnel.id));
            key.set(Field::TunSrc, u128::from(u32::from(tunnel.src)));
            key.set(Field::TunDst, u128::from(u32::from(tunnel.dst)));
        }
    }
}
