//! What VXLAN and Geneve have in common: datagrams, one for each frame.

mod receive;
mod send;

pub(crate) use receive::{Head, Receiver};
pub(crate) use send::Datagrams;
