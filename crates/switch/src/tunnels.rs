//! Tunnel ports, and the underlay that carries them.
//!
//! A port with a fixed remote keeps its headers ready ([`port`]); one whose flows choose the remote keeps those of
//! the latest peers ([`peers`]).  Where packets leave is told from outside, as the kernel routes them: a [`Way`] for
//! each remote, a packet socket for each device that has one ([`underlay`]).
//!
//! Bridges of one process share the numbers of protocols and ports in a network namespace ([`registry`]), and every
//! bridge sees the packets of all of them.  So each knows all tunnels ([`directory`]): a packet is taken by the bridge
//! that has the most specific tunnel for it, and one that nobody wants is counted by one of them.

mod config;
mod directory;
mod inbound;
mod kind;
mod peers;
mod port;
mod receive;
mod registry;
mod uncut;
mod underlay;
mod uplink;

pub use config::{LocalAddress, TunnelConfig, TunnelNumber};
pub use kind::Kind;
pub use underlay::Way;

pub(crate) use directory::{Directory, Owner};
pub(crate) use inbound::{Inbound, Inner};
pub(crate) use port::{Leaving, Lost, Tunnel};
pub(crate) use receive::Membership;
pub(crate) use registry::Registry;
pub(crate) use uncut::Uncut;
pub(crate) use underlay::{Carrier, Underlay};
pub(crate) use uplink::Uplink;

/// Bits of `tun_flags`.
pub(crate) mod flag {
    /// The packet is for the far end's control plane.
    pub(crate) const OAM: u16 = 0x01;
    /// The outer UDP or GRE header had a checksum.
    pub(super) const CHECKSUM: u16 = 0x04;
    /// There was a key.
    pub(super) const KEY: u16 = 0x08;
}
