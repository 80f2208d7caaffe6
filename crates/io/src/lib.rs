//! Packets in and out of the kernel: TAP devices, packet sockets, devices as ports, port guards,
//! polling and the clock; and files that outlive a killed process, through memory shared with the kernel.
//!
//! The only crate with `unsafe`. It moves frames and knows nothing of what is in them, apart from
//! the virtio-net header, the VLAN tag that the kernel strips, and the fields that its socket
//! filters match on. Nothing here blocks except [`Poller::wait`] and what
//! opens, closes or looks at devices, or gives a file more room.

mod append;
mod bpf;
pub mod capabilities;
pub mod clock;
pub mod descriptor;
pub mod device;
mod direct;
pub mod egress;
pub mod features;
pub mod filter;
pub mod guard;
mod header;
mod instruction;
mod mapping;
pub mod outcome;
mod outgoing;
pub mod packet;
pub mod pcap;
pub mod poll;
pub mod port;
mod queue;
mod relabel;
pub mod steering;
mod sys;
pub mod tap;
pub mod thread;
pub mod tunnel_tap;

pub use append::{AppendFile, HEAD_LEN as APPEND_HEAD_LEN};
pub use capabilities::Capabilities;
pub use device::Device;
pub use egress::{Egress, Listeners, Way};
pub use features::Features;
pub use filter::{Filter, TunnelPackets};
pub use guard::{Guarded, PortGuard};
pub use outcome::{Received, Sent};
pub use outgoing::{Lost, Outgoing};
pub use packet::{Arrival, Fanout, PacketOptions, PacketSocket};
pub use pcap::PcapWriter;
pub use poll::{Event, Poller, Waker};
pub use port::{DevicePort, DevicePortOptions};
pub use tap::{Tap, TapOptions};
pub use tunnel_tap::TunnelTap;
