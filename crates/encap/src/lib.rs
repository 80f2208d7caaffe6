//! Encapsulations: what a tunnel puts around a frame, and how the far end takes it off again.
//!
//! Every encapsulation is an [`Encap`]: `template` once for each peer, `push` and `pop` once for each
//! frame. The context that travels along is an opaque number; nobody here knows what it means. No
//! clock, no sockets: time is an argument, frames come and go in the caller's buffers.

mod drop_reason;
mod ecn;
mod encap;
pub mod geneve;
pub mod gre;
mod inner;
pub mod lisp;
pub mod nvgre;
mod options;
mod outer;
mod send;
pub mod stt;
mod template;
mod udp;
pub mod vxlan;

pub use drop_reason::DropReason;
pub use encap::{Encap, Gbp, Outers, Passage, Popped, Pushed};
pub use geneve::Geneve;
pub use gre::Gre;
pub use lisp::Lisp;
pub use nvgre::Nvgre;
pub use options::{Checksum, Endpoints, MixedFamilies, TunnelOptions};
pub use stt::Stt;
pub use template::Template;
pub use vxlan::Vxlan;
