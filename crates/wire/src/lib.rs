//! Bytes of packets: buffers, header views, checksums, segmentation, the virtio-net header.
//!
//! Each protocol has a `Packet` (a checked view over bytes) and a `Repr` (its plain value) with the
//! same verbs: `parse`, `emit`, `buffer_len`. Nothing here panics whatever the bytes are, reads a
//! clock or does I/O; nothing here knows what a tunnel or a flow is.

mod buffer;
mod error;
pub mod vnet;

pub use buffer::{FrameBuf, HEADROOM};
pub use error::WireError;
