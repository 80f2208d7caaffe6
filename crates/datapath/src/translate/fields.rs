//! Actions on fields: set, move, push, pop; and bringing the packet up to date with what they wrote.

use super::{Abort, MAX_STACK, Observer, Walk};
use crate::drop::DropReason;
use crate::verdict::Op;
use tulle_flow::{Field, Key, SubField};

impl<O: Observer> Walk<'_, '_, O> {
    /// Writes bits of a field, if the packet has it; a tag comes or goes where `vlan_tci` says so.
    pub(super) fn set_packet(&mut self, field: Field, value: u128, mask: u128) -> Result<(), Abort> {
        match field {
            Field::VlanTci => self.set_tci(value, mask),
            Field::VlanVid | Field::VlanPcp if !self.is_tagged() => Ok(()),
            // The bit that says that there is a tag is not part of the VLAN id.
            Field::VlanVid => {
                self.set(field, value, mask & 0xfff);
                Ok(())
            }
            _ => {
                self.set(field, value, mask);
                Ok(())
            }
        }
    }

    /// Writes bits of a field, if the packet has it.
    pub(super) fn set(&mut self, field: Field, value: u128, mask: u128) {
        if !field.is_writable() || !self.has(field.prerequisite()) {
            return;
        }
        self.write(field, value, mask);
    }

    /// Writes bits of a field that the packet has.
    pub(super) fn write(&mut self, field: Field, value: u128, mask: u128) {
        self.settle(field, value, mask);
        if field.is_metadata() {
            return;
        }
        let before = self.pending.field(field);
        self.pending.set(field, before | mask);
    }

    /// Writes bits of the working key that the packet itself has already, or never will have.
    pub(super) fn settle(&mut self, field: Field, value: u128, mask: u128) {
        let kept = self.key.field(field) & !mask;
        self.key.set(field, kept | (value & mask));
        let before = self.written.field(field);
        self.written.set(field, before | mask);
    }

    pub(super) fn copy(&mut self, source: SubField, target: SubField) -> Result<(), Abort> {
        let Some(value) = self.read(source) else { return Ok(()) };
        self.set_bits(target, value)
    }

    /// The value of some bits, where the packet has them; it is a constant of the way from here on.
    pub(super) fn read(&mut self, source: SubField) -> Option<u128> {
        if !self.has(source.field.prerequisite()) {
            return None;
        }
        self.look_at_field(source.field, source.mask());
        Some(source.value(&self.key))
    }

    pub(super) fn set_bits(&mut self, target: SubField, value: u128) -> Result<(), Abort> {
        let mut moved = Key::ZERO;
        target.write(&mut moved, value);
        self.set_packet(target.field, moved.field(target.field), target.mask())
    }

    pub(super) fn push_bits(&mut self, source: SubField) -> Result<(), Abort> {
        if self.stack.len() >= MAX_STACK {
            return Err(Abort(DropReason::StackOverflow));
        }
        let value = self.read(source).unwrap_or(0);
        self.stack.push(value);
        Ok(())
    }

    /// Pops into a field; nothing where the stack is empty.
    pub(super) fn pop_bits(&mut self, target: SubField) -> Result<(), Abort> {
        match self.stack.pop() {
            Some(value) => self.set_bits(target, value),
            None => Ok(()),
        }
    }

    /// Brings the packet up to date with the working key.  Order matters in one place: the kind of message and
    /// of its first option are written before the option's content, as the fields' own order has it.
    pub(super) fn commit(&mut self) -> Result<(), Abort> {
        if self.pending == Key::ZERO {
            return Ok(());
        }
        for field in Field::ALL.iter().copied() {
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
