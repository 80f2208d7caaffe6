//! What a tunnel port is asked to be (ovs-vswitchd.conf.db(5), table Interface, tunnel options).

use std::net::IpAddr;

use tulle_datapath::TunnelKey;
use tulle_encap::{Checksum, TunnelOptions};
use tulle_io::Guarded;

use super::Kind;

/// A key (`in_key`, `out_key`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelNumber {
    /// There is none, which is as 0.
    Absent,
    /// Always this one.
    Fixed(u64),
    /// In: any, for flows to look at.  Out: the one that flows set.
    Flow,
}

/// This end's address (`local_ip`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocalAddress {
    /// The one that the kernel's route says; in packets that arrive, any.
    Any,
    /// Always this one.
    Fixed(IpAddr),
    /// The one that flows set; in packets that arrive, any.
    Flow,
}

/// A tunnel port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelConfig {
    /// The encapsulation.
    pub kind: Kind,
    /// The far end; `None`: flows choose it, and packets of anybody are taken.
    pub remote: Option<IpAddr>,
    /// This end.
    pub local: LocalAddress,
    /// The key of packets that are taken.
    pub in_key: TunnelNumber,
    /// The key of packets that are sent.
    pub out_key: TunnelNumber,
    /// Destination port; 0 for encapsulations without ports.
    pub dst_port: u16,
    /// Outer type of service, of which the DSCP counts; `None`: as inside.
    pub tos: Option<u8>,
    /// Outer time to live; `None`: as inside.
    pub ttl: Option<u8>,
    /// Set "don't fragment" (`df_default`).
    pub dont_fragment: bool,
    /// Outer UDP or GRE checksums (`csum`); `None`: as is usual.
    pub checksum: Option<bool>,
    /// The group policy of VXLAN (`exts=gbp`).
    pub gbp: bool,
    /// Sequence numbers of GRE (`seq`).
    pub sequence: bool,
}

/// What makes a tunnel another one than the rest, and packets belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub wire: Guarded,
    pub remote: Option<IpAddr>,
    pub local: LocalAddress,
    /// `None`: any.
    pub key: Option<u64>,
}

impl TunnelConfig {
    /// With usual values, as Open vSwitch has them.
    #[must_use]
    pub fn new(kind: Kind, remote: Option<IpAddr>) -> TunnelConfig {
        TunnelConfig {
            kind,
            remote,
            local: LocalAddress::Any,
            in_key: TunnelNumber::Absent,
            out_key: TunnelNumber::Absent,
            dst_port: kind.standard_port(),
            tos: Some(0),
            ttl: Some(64),
            dont_fragment: true,
            checksum: None,
            gbp: false,
            sequence: false,
        }
    }

    pub(crate) fn wire(&self) -> Guarded {
        self.kind.wire(self.dst_port)
    }

    pub(crate) fn identity(&self) -> Identity {
        let key = match self.in_key {
            TunnelNumber::Absent => Some(0),
            TunnelNumber::Fixed(key) => Some(key),
            TunnelNumber::Flow => None,
        };
        Identity { wire: self.wire(), remote: self.remote, local: self.local, key }
    }

    /// The key of a packet that leaves.
    #[inline]
    pub(crate) fn context(&self, key: Option<&TunnelKey>) -> u64 {
        match self.out_key {
            TunnelNumber::Absent => 0,
            TunnelNumber::Fixed(fixed) => fixed,
            TunnelNumber::Flow => key.map_or(0, |key| key.id),
        }
    }

    /// How its packets look on a path of `mtu` bytes.
    pub(crate) fn options(&self, mtu: u16) -> TunnelOptions {
        let mut options = TunnelOptions::new(mtu, self.dst_port);
        options.dscp = self.tos.unwrap_or(0) >> 2;
        options.inherit_dscp = self.tos.is_none();
        options.ttl = self.ttl.unwrap_or(options.ttl);
        options.inherit_ttl = self.ttl.is_none();
        options.dont_fragment = self.dont_fragment;
        options.checksum = match self.checksum {
            None => Checksum::Usual,
            Some(true) => Checksum::Always,
            Some(false) => Checksum::Never,
        };
        options.key = self.out_key != TunnelNumber::Absent;
        options.sequence = self.sequence;
        options
    }
}
