//! Sending: to ports, to all ports.

use super::resubmit::wide;
use super::{Abort, Observer, Walk};
use crate::drop::DropReason;
use crate::metadata::{TUNNEL_FIELDS, TUNNEL_KEPT, TunnelKey};
use crate::verdict::{Egress, Op};
use tulle_flow::{Field, Key, SubField, port};

/// Port numbers from here on are reserved.
const FIRST_RESERVED: u32 = 0xffff_ff00;

impl<O: Observer> Walk<'_, '_, O> {
    pub(super) fn output(&mut self, to: u32, max_len: u32) -> Result<(), Abort> {
        let in_port = self.in_port();
        match to {
            port::IN_PORT => self.send(in_port, max_len),
            port::ALL => self.flood(in_port, max_len, false),
            port::FLOOD => self.flood(in_port, max_len, true),
            port::NORMAL => self.normal(),
            port::CONTROLLER => self.controller(u16::try_from(max_len).unwrap_or(u16::MAX)),
            port::TABLE if self.is_packet_out && self.looked_up.is_empty() => self.table(0),
            _ if to == in_port => self.lose(DropReason::OutputToIngress),
            _ => self.send(to, max_len),
        }
    }

    pub(super) fn output_field(&mut self, source: SubField) -> Result<(), Abort> {
        let Some(value) = self.read(source) else { return self.lose(DropReason::UnknownPort) };
        match (u32::try_from(value), u16::try_from(value)) {
            (_, Ok(short)) if source.bits == 16 => self.output(wide(short), u32::MAX),
            (Ok(to), _) => self.output(to, u32::MAX),
            (Err(_), _) => self.lose(DropReason::UnknownPort),
        }
    }

    pub(super) fn enqueue(&mut self, to: u32, queue: u32) -> Result<(), Abort> {
        let before = self.queue.replace(queue);
        self.output(to, u32::MAX)?;
        self.queue = before;
        Ok(())
    }

    pub(super) fn in_port(&self) -> u32 {
        self.key.field(Field::InPort) as u32
    }

    /// Sends the packet as it is now, and copies to the mirrors that want what leaves by this port.
    pub(super) fn send(&mut self, to: u32, max_len: u32) -> Result<(), Abort> {
        let config = self.plane.ports.config(to);
        if !self.plane.ports.contains(to) {
            let reserved = to >= FIRST_RESERVED && !matches!(to, port::LOCAL | port::NONE);
            return self.lose(if reserved { DropReason::UnsupportedPort } else { DropReason::UnknownPort });
        }
        if config.down {
            return self.lose(DropReason::PortDown);
        }
        if config.no_forward {
            return self.lose(DropReason::PortNoForward);
        }
        self.mirror_egress(to)?;
        self.emit(to, max_len)
    }

    /// Sends without looking at anything but the packet.
    pub(super) fn emit(&mut self, to: u32, max_len: u32) -> Result<(), Abort> {
        self.commit()?;
        let mut key = Key::ZERO;
        for (i, field) in TUNNEL_FIELDS.into_iter().enumerate() {
            let bits = if i < TUNNEL_KEPT { field.ones() } else { self.written.field(field) };
            self.look_at_field(field, bits);
            key.set(field, self.key.field(field) & bits);
        }
        let tunnel = TunnelKey::of_key(&key).map(Box::new);
        let Some(options) = self.tunnel_options() else { return self.lose(DropReason::TunnelOptionsTooLong) };
        let is_mirrored = self.is_mirroring;
        self.push(Op::Output(Egress { port: to, queue: self.queue, max_len, tunnel, options, is_mirrored }))
    }

    fn flood(&mut self, in_port: u32, max_len: u32, is_flood: bool) -> Result<(), Abort> {
        let ports = self.plane.ports;
        let is_target = |to: &u32| *to != in_port && !(is_flood && ports.config(*to).no_flood);
        let mut others = ports.iter().filter(is_target).peekable();
        if others.peek().is_none() {
            return self.lose(DropReason::NoOtherPort);
        }
        others.try_for_each(|port| self.send(port, max_len))
    }

    pub(super) fn lose(&mut self, reason: DropReason) -> Result<(), Abort> {
        self.drop(reason);
        if self.op_count > super::MAX_STEPS { Err(Abort(DropReason::TooManySteps)) } else { Ok(()) }
    }
}
