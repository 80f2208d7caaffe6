//! What happens in the switch and may concern its controllers.

use std::sync::Arc;

use tulle_datapath::{FlowRemoved, PacketInReason};
use tulle_flow::Key;

use tulle_openflow::Port;

/// Something to tell sessions; each decides by its role and its asynchronous configuration.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// A packet for the controllers.
    PacketIn(Arc<PacketNotice>),
    /// A flow went, and its controller wanted to hear of it.
    FlowRemoved(Arc<FlowRemoved>),
    /// A port came, went or changed.
    PortChanged(PortChange, Arc<Port>),
    /// Another session became primary.
    Demoted {
        /// The session that is secondary now.
        session: u64,
    },
}

/// What became of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortChange {
    /// It came.
    Added,
    /// It went.
    Removed,
    /// Its state, configuration or address changed.
    Modified,
}

/// A packet on its way to the controllers.
#[derive(Clone, Debug)]
pub(crate) struct PacketNotice {
    pub frame: Vec<u8>,
    pub total_len: usize,
    pub max_len: u16,
    pub table: u8,
    pub cookie: u64,
    pub reason: PacketInReason,
    pub key: Key,
}

impl Notice {
    /// True where nobody to tell means that a packet is lost.
    pub(crate) fn is_packet(&self) -> bool {
        matches!(self, Notice::PacketIn(_))
    }
}
