//! Sending: to ports, to all ports, to the controller; and bringing the packet up to date before.

use super::{Abort, Observer, Walk};
use crate::drop::DropReason;
use crate::metadata::TunnelKey;
use crate::verdict::{Op, PacketIn, PacketInReason};
use tulle_flow::{Field, Key, SubField, port};

/// `OFPP_TABLE`: start over in the first table (OpenFlow 1.3.5 section 7.2.1; only a packet-out may use it).
const TABLE: u32 = 0xffff_fff9;

impl<O: Observer> Walk<'_, O> {
    pub(super) fn output(&mut self, to: u32) -> Result<(), Abort> {
        let in_port = self.key.field(Field::InPort) as u32;
        match to {
            port::IN_PORT => self.send(in_port),
            port::ALL | port::FLOOD => self.flood(in_port),
            port::CONTROLLER => self.controller(u16::MAX),
            TABLE if self.looked_up.is_empty() => self.table(0),
            _ if to == in_port => self.lose(DropReason::OutputToIngress),
            _ => self.send(to),
        }
    }

    pub(super) fn output_field(&mut self, source: SubField) -> Result<(), Abort> {
        if !self.has(source.field.prerequisite()) {
            return self.lose(DropReason::UnknownPort);
        }
        self.look_at_field(source.field, source.mask());
        let value = source.value(&self.key);
        match u32::try_from(value) {
            Ok(to) => self.output(to),
            Err(_) => self.lose(DropReason::UnknownPort),
        }
    }

    pub(super) fn controller(&mut self, max_len: u16) -> Result<(), Abort> {
        self.commit()?;
        let mut key = Key::ZERO;
        for field in Field::ALL.iter().filter(|field| field.is_metadata()) {
            self.look_at_field(*field, u128::MAX);
            key.set(*field, self.key.field(*field));
        }
        let reason = if self.place.is_miss_flow { PacketInReason::NoMatch } else { PacketInReason::Action };
        let cookie = self.place.cookie.unwrap_or(u64::MAX);
        self.push(Op::Controller(Box::new(PacketIn {
            max_len,
            table: self.place.table,
            cookie,
            reason,
            key,
        })))
    }

    fn send(&mut self, to: u32) -> Result<(), Abort> {
        if !self.ports.contains(to) {
            let reserved = to >= 0xffff_ff00 && !matches!(to, port::LOCAL | port::NONE);
            return self.lose(if reserved { DropReason::UnsupportedPort } else { DropReason::UnknownPort });
        }
        self.commit()?;
        for field in [Field::TunId, Field::TunSrc, Field::TunDst] {
            self.look_at_field(field, u128::MAX);
        }
        let tunnel = TunnelKey::of_key(&self.key);
        self.push(Op::Output { port: to, tunnel })
    }

    fn flood(&mut self, in_port: u32) -> Result<(), Abort> {
        let ports = self.ports;
        let mut others = ports.iter().filter(|port| *port != in_port).peekable();
        if others.peek().is_none() {
            return self.lose(DropReason::NoOtherPort);
        }
        others.try_for_each(|port| self.send(port))
    }

    fn lose(&mut self, reason: DropReason) -> Result<(), Abort> {
        self.drop(reason);
        if self.ops.len() > super::MAX_STEPS { Err(Abort(DropReason::TooManySteps)) } else { Ok(()) }
    }

    /// Brings the packet up to date with the working key.  Order matters in one place: the kind of message and
    /// of its first option are written before the option's content, as the fields' own order has it.
    fn commit(&mut self) -> Result<(), Abort> {
        if self.pending == Key::ZERO {
            return Ok(());
        }
        for field in Field::ALL.iter().copied().filter(|field| !field.is_metadata()) {
            let mask = self.pending.field(field);
            if mask == 0 || !self.has(field.prerequisite()) {
                continue;
            }
            let value = self.key.field(field) & mask;
            self.push(Op::Set { field, value, mask })?;
        }
        self.pending = Key::ZERO;
        Ok(())
    }
}
