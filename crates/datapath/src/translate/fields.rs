//! Actions on fields: set, move, push, pop; and bringing the packet up to date with what they wrote.

use super::{Abort, MAX_STACK, Observer, Walk};
use crate::drop::DropReason;
use crate::verdict::Op;
use tulle_flow::{Field, Key, OptionValue, SubField};

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
        if source.bits > 128 {
            return self.copy_long(source, target);
        }
        let Some(value) = self.read(source) else { return Ok(()) };
        self.set_bits(target, value)
    }

    /// Copies what only `tun_metadata` can hold; all is read before anything is written.
    fn copy_long(&mut self, source: SubField, target: SubField) -> Result<(), Abort> {
        let parts = |whole: SubField| {
            let part = move |done: u32| SubField {
                offset: whole.offset + done,
                bits: 128.min(whole.bits - done),
                ..whole
            };
            (0..whole.bits).step_by(128).map(part)
        };
        let values: Vec<u128> = parts(source).map(|part| self.read(part).unwrap_or(0)).collect();
        parts(target).zip(values).try_for_each(|(part, value)| self.set_bits(part, value))
    }

    /// The value of some bits, where the packet has them; it is a constant of the way from here on.
    pub(super) fn read(&mut self, source: SubField) -> Option<u128> {
        if !self.has(source.field.prerequisite()) {
            return None;
        }
        if let Some(index) = source.field.option() {
            return Some(self.read_option(index, source));
        }
        self.look_at_field(source.field, source.mask());
        Some(source.value(&self.key))
    }

    pub(super) fn set_bits(&mut self, target: SubField, value: u128) -> Result<(), Abort> {
        if let Some(index) = target.field.option() {
            let SubField { offset, bits, .. } = target;
            let mask = self.plane.options.bits(index, offset, bits);
            let moved = self.plane.options.of_value(index, offset, bits, value);
            self.settle_bits(&moved, &mask);
            return Ok(());
        }
        let mut moved = Key::ZERO;
        target.write(&mut moved, value);
        self.set_packet(target.field, moved.field(target.field), target.mask())
    }

    fn read_option(&mut self, index: u8, source: SubField) -> u128 {
        let SubField { offset, bits, .. } = source;
        let options = self.plane.options;
        self.look_at(&options.bits(index, offset, bits));
        options.value(index, offset, bits, &self.key)
    }

    /// Writes a `tun_metadata` field, which the packet has from here on.
    pub(super) fn set_option(&mut self, option: &OptionValue) {
        if let Some((value, mask)) = self.plane.options.places(option) {
            self.settle_bits(&value, &mask);
        }
    }

    /// Writes bits of the working key that the packet itself never has.
    fn settle_bits(&mut self, value: &Key, mask: &Key) {
        for (i, slot) in self.key.words.iter_mut().enumerate() {
            *slot = (*slot & !mask.words[i]) | value.words[i];
        }
        self.written.merge(mask);
    }

    /// The options that a tunnel is to put into its header; nothing where they are too long.
    pub(super) fn tunnel_options(&mut self) -> Option<Box<[u8]>> {
        let options = self.plane.options;
        if options.is_empty() {
            return Some(Box::default());
        }
        self.look_at_field(Field::TunPresent, u128::MAX);
        let present = self.key.field(Field::TunPresent);
        for index in (0..64).filter(|index| present >> index & 1 == 1) {
            let bits = options.whole(index);
            self.look_at(&bits);
        }
        options.emit(&self.key)
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
