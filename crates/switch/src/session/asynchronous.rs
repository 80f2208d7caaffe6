//! What a session is told unasked, by its role (OpenFlow 1.3.5 section 7.3.10).

use tulle_datapath as datapath;
use tulle_openflow::{Message, PacketInReason, PortStatus, PortStatusReason, Role};

use super::{Session, SessionKind, changes, packet_in};
use crate::notice::{Notice, PortChange};

/// Bits of reasons for which a session hears of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Masks {
    pub packet_in: u32,
    pub port_status: u32,
    pub flow_removed: u32,
}

/// What a session wants to hear in each role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wishes {
    /// As primary, and as one of equals.
    pub primary: Masks,
    /// As secondary.
    pub secondary: Masks,
}

/// No match, and by an action; a packet whose TTL is used up only where asked for.
const PACKETS: u32 = 0b11;
const ALL: u32 = 0b1111;
const PORTS: u32 = 0b111;

impl Default for Wishes {
    fn default() -> Self {
        Wishes {
            primary: Masks { packet_in: PACKETS, port_status: PORTS, flow_removed: ALL },
            secondary: Masks { packet_in: 0, port_status: PORTS, flow_removed: 0 },
        }
    }
}

impl Session {
    fn masks(&self) -> Masks {
        if self.role == Role::Slave { self.wishes.secondary } else { self.wishes.primary }
    }

    /// A tool hears of nothing before it has said that it wants to.
    fn listens(&self) -> bool {
        let asked = self.options.kind == SessionKind::Controller || self.miss_send_len > 0;
        asked && self.connection.is_open() && !self.is_closed()
    }

    /// Tells the peer, if it wants to hear of this; false where it does not, or does not keep up.
    pub(crate) fn hear(&mut self, notice: &Notice) -> bool {
        if !self.listens() {
            return false;
        }
        let masks = self.masks();
        match notice {
            Notice::PacketIn(packet) => {
                wants(masks.packet_in, reason(packet.reason) as u32)
                    && self.notify(&Message::PacketIn(packet_in(packet)))
            }
            Notice::FlowRemoved(removed) => {
                wants(masks.flow_removed, changes::removed_reason(removed.reason) as u32)
                    && self.notify(&Message::FlowRemoved(changes::flow_removed(removed)))
            }
            Notice::PortChanged(change, port) => {
                let reason = port_reason(*change);
                wants(masks.port_status, reason as u32)
                    && self.notify(&Message::PortStatus(PortStatus { reason, port: (**port).clone() }))
            }
            Notice::Demoted { .. } => false,
        }
    }
}

fn wants(mask: u32, reason: u32) -> bool {
    mask & (1 << reason) != 0
}

fn port_reason(change: PortChange) -> PortStatusReason {
    match change {
        PortChange::Added => PortStatusReason::Added,
        PortChange::Removed => PortStatusReason::Deleted,
        PortChange::Modified => PortStatusReason::Modified,
    }
}

pub(super) fn reason(reason: datapath::PacketInReason) -> PacketInReason {
    match reason {
        datapath::PacketInReason::NoMatch => PacketInReason::NoMatch,
        datapath::PacketInReason::Action => PacketInReason::Action,
    }
}
