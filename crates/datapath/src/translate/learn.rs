//! Flows made from packets, and flows whose end comes nearer by packets.

use std::sync::Arc;

use super::resubmit::wide;
use super::{Abort, Observer, Walk};
use crate::consequence::{Consequence, Learned};
use crate::versions::Shared;
use tulle_flow::{Action, Field, Flow, Learn, LearnSource, LearnSpec, Match, Prerequisite, SubField};

/// FIN and RST.
const ENDS: u128 = 0x5;

impl<O: Observer> Walk<'_, '_, O> {
    pub(super) fn learn(&mut self, learn: &Learn) -> Result<(), Abort> {
        self.depends_on(Shared::Learned);
        let Some(flow) = self.learned_flow(learn) else { return Ok(()) };
        let has_room = learn.limit == 0 || self.plane.tables.may_learn(&flow, learn.limit);
        if let Some(result) = learn.result {
            self.set_bits(result, u128::from(has_room))?;
        }
        if !has_room {
            return Ok(());
        }
        let ends = (learn.fin_idle_timeout != 0 || learn.fin_hard_timeout != 0) && self.ends_connection();
        self.decided(|| format!("learn: {flow}"));
        self.consequences.push(Consequence::Learned(Arc::new(Learned { flow, learn: learn.clone(), ends })));
        Ok(())
    }

    pub(super) fn fin_timeout(&mut self, idle: u16, hard: u16) {
        if self.ends_connection() {
            if let Some(rule) = self.rules.last().copied() {
                self.consequences.push(Consequence::Finished { rule, idle, hard });
            }
        }
    }

    fn ends_connection(&mut self) -> bool {
        if !self.has(Prerequisite::Tcp) {
            return false;
        }
        self.look_at_field(Field::TcpFlags, ENDS);
        self.key.field(Field::TcpFlags) & ENDS != 0
    }

    /// Nothing where the packet lacks a field that the flow is to be made from.
    fn learned_flow(&mut self, learn: &Learn) -> Option<Flow> {
        let mut matching = Match::ANY;
        let mut actions = Vec::new();
        for spec in &learn.specs {
            match spec {
                LearnSpec::Match { source, target } => {
                    let value = self.learned_value(source)?;
                    match target.field.option() {
                        Some(index) => self.require_option(&mut matching, index, *target, value),
                        None => require(&mut matching, *target, value),
                    }
                }
                LearnSpec::Load { source, target } => {
                    actions.push(target.setting(self.learned_value(source)?));
                }
                LearnSpec::Output(source) => {
                    let value = self.read(*source)?;
                    let port = if source.bits == 16 { wide(value as u16) } else { value as u32 };
                    actions.push(Action::Output(port));
                }
            }
        }
        Some(Flow {
            table: learn.table,
            priority: learn.priority,
            cookie: learn.cookie,
            idle_timeout: learn.idle_timeout,
            hard_timeout: learn.hard_timeout,
            importance: 0,
            matching,
            actions,
        })
    }

    fn require_option(&self, matching: &mut Match, index: u8, target: SubField, value: u128) {
        let SubField { offset, bits, .. } = target;
        let (mut key, mut mask) = (*matching.key(), *matching.mask());
        key.merge(&self.plane.options.of_value(index, offset, bits, value));
        mask.merge(&self.plane.options.bits(index, offset, bits));
        *matching = Match::new(&key, &mask);
    }

    fn learned_value(&mut self, source: &LearnSource) -> Option<u128> {
        match source {
            LearnSource::Field(source) => self.read(*source),
            LearnSource::Value(value) => Some(*value),
        }
    }
}

fn require(matching: &mut Match, target: SubField, value: u128) {
    let (key, mask) = (matching.key().field(target.field), matching.mask().field(target.field));
    let value = value << target.offset & target.mask();
    matching.require(target.field, (key & !target.mask()) | value, mask | target.mask());
}
