//! What collectors are told of packets: sFlow version 5, NetFlow version 5 and IPFIX.
//!
//! Packets go in, datagrams come out, by a function that the caller hands in.  Memory is bounded whatever the packets
//! are, and is taken when an exporter is made: a sample allocates nothing.
//!
//! What it is not: it does no I/O and reads no clock; who sends the datagrams, and where to, is the owner's business.

mod datagram;
mod flows;
mod hashing;
mod headers;
mod ipfix;
mod moment;
mod netflow;
mod packet;
mod sampler;
mod sflow;

pub use headers::{Address, Headers, Transport};
pub use ipfix::{Direction, Ipfix, IpfixConfig, IpfixCounts, Observation};
pub use moment::Clock;
pub use netflow::{IDLE_NS, Netflow, NetflowConfig, NetflowCounts};
pub use packet::{Outputs, Packet, TunnelInfo};
pub use sampler::Sampler;
pub use sflow::{PortReport, Sflow, SflowConfig};
