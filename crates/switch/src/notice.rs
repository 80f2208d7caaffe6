//! What happens in the switch and may concern its controllers.

use std::sync::Arc;

use tulle_datapath::{Continuation, FlowEvent, FlowRemoved, PacketInReason};
use tulle_flow::{Key, OptionValue};
use tulle_openflow::{Message, Port, RoleStatusReason, Xid};

/// Something to tell sessions; each decides by its role and its asynchronous configuration.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// A packet for the controllers.
    PacketIn(Arc<PacketNotice>),
    /// A flow went, and its controller wanted to hear of it.
    FlowRemoved(Arc<FlowRemoved>),
    /// Flows came, changed or went.
    FlowsChanged(Arc<FlowChange>),
    /// A port came, went or changed.
    PortChanged(PortChange, Arc<Port>),
    /// A session has another role now, which it has not asked for.
    RoleChanged {
        /// The session.
        session: u64,
        /// Why.
        reason: RoleStatusReason,
        /// The present election.
        generation: u64,
    },
    /// A session changed a group or a meter.
    RequestForwarded {
        /// The session.
        from: u64,
        /// Its transaction.
        xid: Xid,
        /// The change.
        message: Arc<Message>,
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

/// Changes of flows that happened together.
#[derive(Clone, Debug)]
pub(crate) struct FlowChange {
    /// The session that caused them, where one did.
    pub session: Option<u64>,
    /// The transaction that did.
    pub xid: Xid,
    /// What happened, in order.
    pub events: Vec<FlowEvent>,
}

/// A packet on its way to the controllers.
#[derive(Clone, Debug)]
pub(crate) struct PacketNotice {
    pub frame: Vec<u8>,
    pub total_len: usize,
    /// Bytes that the flow wants to be sent.
    pub max_len: u16,
    pub table: u8,
    pub cookie: u64,
    pub reason: PacketInReason,
    pub key: Key,
    /// Its `tun_metadata` fields.
    pub options: Vec<OptionValue>,
    /// Which controllers; 0 stands for those that have set no id.
    pub controller: u16,
    pub userdata: Box<[u8]>,
    /// Where it goes on once a controller lets it.
    pub pause: Option<Arc<Continuation>>,
}

impl Notice {
    /// True where nobody to tell means that a packet is lost.
    pub(crate) fn is_packet(&self) -> bool {
        matches!(self, Notice::PacketIn(_))
    }
}
