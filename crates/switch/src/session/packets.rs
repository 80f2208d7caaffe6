//! Packets to and from controllers.

use tulle_datapath as datapath;
use tulle_flow::{Field, Key, Match, OptionValue};
use tulle_openflow::{ErrorCode, Message, PacketIn, PacketInFormat, PacketInReason, PacketOut, Xid};

use super::Session;
use crate::engine::Engine;
use crate::notice::PacketNotice;

impl Session {
    /// Sends a packet of the controller's.
    pub(super) fn send_packet(&mut self, engine: &mut Engine, xid: Xid, packet: PacketOut) {
        if packet.buffer.is_some() {
            return self.refuse(xid, &Message::PacketOut(packet), ErrorCode::BufferUnknown);
        }
        engine.send_packet_out(&packet);
    }

    /// Lets a paused packet go on.
    pub(super) fn resume(&mut self, engine: &mut Engine, xid: Xid, packet: PacketIn) {
        let paused = parse_continuation(&packet.continuation).and_then(|id| engine.wires.sessions.paused(id));
        let paused = paused.ok_or(ErrorCode::StaleContinuation);
        if let Err(code) = paused.and_then(|continuation| engine.resume_packet(&continuation, &packet)) {
            self.refuse(xid, &Message::Resume(packet), code);
        }
    }

    /// The message for a packet, in the form that this controller wants.
    pub(super) fn packet_in(&self, packet: &PacketNotice) -> PacketIn {
        let continuation =
            packet.pause.as_ref().map_or_else(Vec::new, |paused| emit_continuation(paused.id()));
        let is_paused = !continuation.is_empty();
        let wanted = if packet.reason == datapath::PacketInReason::NoMatch {
            packet.max_len.min(self.miss_send_len)
        } else {
            packet.max_len
        };
        let mut data = packet.frame.clone();
        if !is_paused {
            data.truncate(usize::from(wanted));
        }
        PacketIn {
            format: self.packet_in_format,
            buffer: None,
            total_len: packet.total_len as u32,
            reason: reason(packet.reason),
            table: packet.table,
            cookie: packet.cookie,
            metadata: metadata(&packet.key, &packet.options),
            data,
            userdata: packet.userdata.to_vec(),
            continuation,
        }
    }

    /// A paused packet, or one with userdata, says too much for the other forms.
    pub(super) fn can_be_told(&self, packet: &PacketNotice) -> bool {
        packet.pause.is_none() || self.packet_in_format == PacketInFormat::Nicira2
    }
}

impl Engine {
    /// Executes the actions of a packet-out.
    pub(crate) fn send_packet_out(&mut self, packet: &PacketOut) {
        self.send_packet(packet.in_port, &packet.metadata, &packet.actions, &packet.data);
    }
}

/// The metadata that a packet has, as a match; the ingress port is always said.  What a tunnel's outer header had
/// as type of service and time to live has no name in a message (ovs-fields(7)).
fn metadata(key: &Key, options: &[OptionValue]) -> Match {
    let mut metadata = Match::ANY;
    for field in Field::ALL.iter().copied().filter(|field| field.is_metadata() && !field.is_hidden()) {
        let value = key.field(field);
        let said = value != 0 || field == Field::InPort;
        if said
            && !matches!(
                field,
                Field::ResumeId | Field::ActsetOutput | Field::ConjId | Field::TunTos | Field::TunTtl
            )
        {
            metadata.require(field, value, field.ones());
        }
    }
    for option in options {
        // Each field is there once, and all of them have room in a key.
        let _ = metadata.require_option(option);
    }
    metadata
}

pub(super) fn reason(reason: datapath::PacketInReason) -> PacketInReason {
    match reason {
        datapath::PacketInReason::NoMatch => PacketInReason::NoMatch,
        datapath::PacketInReason::Action => PacketInReason::Action,
        datapath::PacketInReason::InvalidTtl => PacketInReason::InvalidTtl,
        datapath::PacketInReason::ActionSet => PacketInReason::ActionSet,
        datapath::PacketInReason::Group => PacketInReason::Group,
        datapath::PacketInReason::PacketOut => PacketInReason::PacketOut,
    }
}

/// A paused packet's place is kept in the switch; the controller gets only its number, in one property of which
/// nobody else knows the meaning: type, length, number, padding.
const NUMBER_PROPERTY: u16 = 0xfffe;

fn emit_continuation(id: u32) -> Vec<u8> {
    let mut property = Vec::with_capacity(8);
    property.extend_from_slice(&NUMBER_PROPERTY.to_be_bytes());
    property.extend_from_slice(&8_u16.to_be_bytes());
    property.extend_from_slice(&id.to_be_bytes());
    property
}

fn parse_continuation(bytes: &[u8]) -> Option<u32> {
    let property: &[u8; 8] = bytes.try_into().ok()?;
    let is_ours = property[..2] == NUMBER_PROPERTY.to_be_bytes() && property[2..4] == 8_u16.to_be_bytes();
    is_ours.then(|| u32::from_be_bytes([property[4], property[5], property[6], property[7]]))
}

#[cfg(test)]
mod tests {
    use super::{emit_continuation, parse_continuation};

    #[test]
    fn a_continuation_comes_back_and_anything_else_is_refused() {
        assert_eq!(parse_continuation(&emit_continuation(7)), Some(7));
        assert_eq!(parse_continuation(&[]), None);
        assert_eq!(parse_continuation(&[0; 8]), None);
        assert_eq!(parse_continuation(&emit_continuation(7)[..7]), None);
    }
}
