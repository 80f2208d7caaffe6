//! What a session is told unasked, by its role (OpenFlow 1.3.5 section 7.3.10).

use tulle_datapath::PacketInReason;
use tulle_openflow::{
    AsyncConfig, AsyncMasks, Message, PortStatus, PortStatusReason, RequestForward, Role, RoleStatus, Version,
};

use super::changes::{flow_removed, removed_reason};
use super::packets::reason;
use super::{Session, SessionKind};
use crate::notice::{Notice, PacketNotice, PortChange};

/// No match, by an action, by the action set, by a group, by a packet-out; a packet whose TTL is used up only
/// where asked for.
const PACKETS: u32 = 0b11_1011;
const REMOVALS: u32 = 0b11_1111;
const PORTS: u32 = 0b111;
const ROLES: u32 = 0b111;
const TABLES: u32 = 0b1_1000;

/// What a session hears before it says what it wants (as `ovs-vswitchd(8)` has it).
pub(super) fn usual() -> AsyncConfig {
    AsyncConfig {
        master: AsyncMasks {
            packet_in: Some(PACKETS),
            port_status: Some(PORTS),
            flow_removed: Some(REMOVALS),
            role_status: Some(0),
            table_status: Some(0),
            request_forward: Some(0),
        },
        slave: AsyncMasks {
            packet_in: Some(0),
            port_status: Some(PORTS),
            flow_removed: Some(0),
            role_status: Some(0),
            table_status: Some(0),
            request_forward: Some(0),
        },
    }
}

/// The same, where the version has messages of these kinds that are told unasked (OpenFlow 1.4 section 6.3.5).
pub(super) fn usual_of(version: Version) -> AsyncConfig {
    let mut config = usual();
    if version >= Version::V14 {
        for masks in [&mut config.master, &mut config.slave] {
            masks.role_status = Some(ROLES);
            masks.table_status = Some(TABLES);
        }
    }
    config
}

impl Session {
    fn masks(&self) -> AsyncMasks {
        if self.role == Role::Slave { self.wishes.slave } else { self.wishes.master }
    }

    /// A tool hears of nothing before it has said that it wants to.
    fn listens(&self) -> bool {
        let asked = self.options.kind == SessionKind::Controller || self.miss_send_len > 0;
        asked && self.connection.is_open() && !self.is_closed()
    }

    /// Tells the peer, if it wants to hear of this; false where it does not, or does not keep up.
    pub(crate) fn hear(&mut self, notice: &Notice) -> bool {
        if let Notice::FlowsChanged(change) = notice {
            return self.has_monitors() && self.hear_flows(change);
        }
        if !self.listens() {
            return false;
        }
        let masks = self.masks();
        match notice {
            Notice::PacketIn(packet) => self.hear_packet(masks.packet_in, packet),
            Notice::FlowRemoved(removed) => {
                wants(masks.flow_removed, removed_reason(removed.reason) as u32)
                    && self.notify(&Message::FlowRemoved(flow_removed(removed)))
            }
            Notice::PortChanged(change, port) => {
                let reason = port_reason(*change);
                wants(masks.port_status, reason as u32)
                    && self.notify(&Message::PortStatus(PortStatus { reason, port: (**port).clone() }))
            }
            Notice::RoleChanged { session, reason, generation } => {
                let status = RoleStatus { role: self.role, reason: *reason, generation: *generation };
                *session == self.id
                    && wants(masks.role_status, *reason as u32)
                    && self.notify(&Message::RoleStatus(status))
            }
            Notice::RequestForwarded { from, xid, message } => {
                let kind = u32::from(!is_group_change(message));
                let forward = RequestForward { xid: *xid, message: Box::new((**message).clone()) };
                *from != self.id
                    && wants(masks.request_forward, kind)
                    && self.notify(&Message::RequestForward(forward))
            }
            Notice::FlowsChanged(_) => false,
        }
    }

    fn hear_packet(&mut self, mask: Option<u32>, packet: &PacketNotice) -> bool {
        let is_implicit = packet.reason == PacketInReason::NoMatch && packet.cookie == u64::MAX;
        packet.controller == self.controller_id
            && (self.is_old() || !is_implicit)
            && wants(mask, reason(packet.reason) as u32)
            && self.can_be_told(packet)
            && self.notify(&Message::PacketIn(self.packet_in(packet)))
    }
}

fn is_group_change(message: &Message) -> bool {
    matches!(message, Message::GroupMod(_))
}

fn wants(mask: Option<u32>, reason: u32) -> bool {
    mask.unwrap_or(0) & (1 << reason) != 0
}

fn port_reason(change: PortChange) -> PortStatusReason {
    match change {
        PortChange::Added => PortStatusReason::Added,
        PortChange::Removed => PortStatusReason::Deleted,
        PortChange::Modified => PortStatusReason::Modified,
    }
}
