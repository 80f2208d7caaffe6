//! Bytes of packets: buffers, header views, checksums, segmentation, the virtio-net header.
//!
//! Each protocol has a `Packet` (a checked view over bytes) and a `Repr` (its plain value) with the
//! same verbs: `parse`, `emit`, `buffer_len`. Nothing here panics whatever the bytes are, reads a
//! clock or does I/O; nothing here knows what a tunnel or a flow is.

pub mod arp;
mod buffer;
mod bytes;
pub mod checksum;
mod drop_reasons;
mod error;
pub mod ethernet;
mod hash;
mod icmp_error;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
mod layers;
mod merge;
pub mod ndp;
pub mod sctp;
mod segment;
pub mod tcp;
pub mod udp;
pub mod vnet;

pub use buffer::{FrameBuf, HEADROOM};
pub use checksum::finish_checksum;
pub use error::WireError;
pub use hash::flow_hash;
pub use icmp_error::{IcmpErrorKind, icmp_error};
pub use layers::Layers;
pub use merge::TcpMerger;
pub use segment::{TcpCutter, tcp_segments, tcp_segments_within};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// IP protocol numbers.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// Generic Routing Encapsulation.
    pub const GRE: u8 = 47;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}
