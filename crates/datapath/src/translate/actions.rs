//! The actions, one after another.

use super::{Abort, Observer, Walk};
use crate::continuation::Segment;
use crate::drop::DropReason;
use std::hint::black_box;
use std::mem::discriminant;
use tulle_flow::{Action, Field, Prerequisite, SubField, port};

/// So many actions fill six cache lines.
const FETCHED: usize = 8;

/// Whether the list goes on.
pub(super) enum Step {
    /// With the next action.
    Next,
    /// It is over.
    Stop,
    /// In another table.
    Goto(u8),
}

impl<O: Observer> Walk<'_, '_, O> {
    /// Executes actions in order; gives the table to go on in, if any.
    pub(super) fn actions(&mut self, actions: &[Action]) -> Result<Option<u8>, Abort> {
        let place = self.place;
        fetch(actions);
        for (i, action) in actions.iter().enumerate() {
            self.place = place;
            if self.is_stale && needs_headers(action) {
                self.freeze(Segment::Actions(place, actions[i..].into()));
                return Ok(None);
            }
            self.observer.acted(self.depth, action);
            let step = self.action(action)?;
            if self.freezing.is_some() {
                self.freeze_rest(Segment::Actions(place, actions[i + 1..].into()));
                return Ok(None);
            }
            match step {
                Step::Next if !self.has_exited => {}
                Step::Next | Step::Stop => return Ok(None),
                Step::Goto(table) => return Ok(Some(table)),
            }
        }
        self.place = place;
        Ok(None)
    }

    fn action(&mut self, action: &Action) -> Result<Step, Abort> {
        match action {
            Action::Output(port) | Action::OutputNoting { port, .. } => self.output(*port, u32::MAX)?,
            Action::OutputTruncated { port, max_len } => self.output(*port, *max_len)?,
            Action::OutputField(source) => self.output_field(*source)?,
            Action::Controller { max_len } => self.controller(*max_len)?,
            Action::ControllerWith(to) => self.controller_with(to)?,
            Action::Enqueue { port, queue } => self.enqueue(*port, *queue)?,
            Action::SetQueue(queue) => self.queue = Some(*queue),
            Action::PopQueue => self.queue = None,
            Action::Set { field, value, mask } => self.set_packet(*field, *value, *mask)?,
            Action::SetOption(option) => self.set_option(option),
            Action::Move { source, target } => self.copy(*source, *target)?,
            Action::Push(source) => self.push_bits(*source)?,
            Action::Pop(target) => self.pop_bits(*target)?,
            Action::Resubmit { port, table } => self.resubmit(*port, *table, false)?,
            Action::ResubmitTracked { port, table } => self.resubmit(*port, *table, true)?,
            Action::Group(id) => self.group(*id)?,
            Action::Learn(learn) => self.learn(learn)?,
            Action::Clone(actions) => self.clone_of(actions)?,
            Action::Multipath(multipath) => self.multipath(multipath)?,
            Action::Bundle(bundle) => self.bundle(bundle)?,
            Action::Ct(ct) => self.ct(ct)?,
            Action::Exit => {
                self.has_exited = true;
                return Ok(Step::Stop);
            }
            Action::ClearActions => self.clear_action_set(),
            Action::WriteActions(actions) => self.write_action_set(actions),
            Action::WriteMetadata { value, mask } => {
                self.set(Field::Metadata, u128::from(*value), u128::from(*mask));
            }
            Action::GotoTable(table) => return Ok(Step::Goto(*table)),
            Action::Note(_) | Action::Conjunction { .. } => {}
            Action::Sample(_)
            | Action::Meter(_)
            | Action::CtClear
            | Action::FinTimeout { .. }
            | Action::CheckPacketLarger { .. } => self.aside(action)?,
            Action::PushVlan(_)
            | Action::PopVlan
            | Action::SetVlanVid(_)
            | Action::SetVlanPcp(_)
            | Action::PushMpls(_)
            | Action::PopMpls(_) => self.tags(action)?,
            Action::PushPbb(_) => self.push_pbb()?,
            Action::PopPbb => self.pop_pbb()?,
            Action::SetMplsTtl(_)
            | Action::DecMplsTtl
            | Action::CopyTtlOut
            | Action::CopyTtlIn
            | Action::SetTtl(_)
            | Action::DecTtl
            | Action::DecTtlTelling(_) => return self.ttl(action),
        }
        Ok(Step::Next)
    }

    /// Actions that neither change the packet nor send it.
    fn aside(&mut self, action: &Action) -> Result<(), Abort> {
        match action {
            Action::Sample(sample) => {
                self.commit()?;
                self.push(crate::verdict::Op::Sample(sample.clone()))
            }
            Action::Meter(meter) => {
                let drop = self.lost(DropReason::Metered);
                self.push(crate::verdict::Op::Meter { meter: *meter, drop })
            }
            Action::CtClear => self.ct_clear(),
            Action::FinTimeout { idle, hard } => {
                self.fin_timeout(*idle, *hard);
                Ok(())
            }
            Action::CheckPacketLarger { length, target } => {
                self.freeze_by_length(*length, *target);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// True where an action looks at, or changes, headers behind the labels, or may lead to some that do.
fn needs_headers(action: &Action) -> bool {
    let is_behind = |field: Field| {
        let is_layer_2 = matches!(
            field,
            Field::EthDst | Field::EthSrc | Field::EthType | Field::VlanTci | Field::VlanVid | Field::VlanPcp
        );
        !field.is_metadata() && !is_layer_2 && field.prerequisite() != Prerequisite::None
    };
    let reads = |part: &SubField| is_behind(part.field);
    match action {
        Action::Output(to)
        | Action::OutputNoting { port: to, .. }
        | Action::OutputTruncated { port: to, .. } => *to == port::NORMAL,
        Action::Set { field, .. } => is_behind(*field),
        Action::Move { source, target } => reads(source) || reads(target),
        Action::OutputField(source) | Action::Push(source) => reads(source),
        Action::Pop(target) => reads(target),
        Action::SetOption(_)
        | Action::Controller { .. }
        | Action::ControllerWith(_)
        | Action::Enqueue { .. }
        | Action::SetQueue(_)
        | Action::PopQueue
        | Action::PushVlan(_)
        | Action::PopVlan
        | Action::SetVlanVid(_)
        | Action::SetVlanPcp(_)
        | Action::Note(_)
        | Action::Exit
        | Action::Meter(_)
        | Action::Sample(_)
        | Action::ClearActions
        | Action::WriteActions(_)
        | Action::WriteMetadata { .. }
        | Action::CheckPacketLarger { .. }
        // A table is looked up only after these have been frozen.
        | Action::GotoTable(_)
        | Action::CtClear
        | Action::Conjunction { .. } => false,
        Action::PushMpls(_)
        | Action::PopMpls(_)
        | Action::PushPbb(_)
        | Action::PopPbb
        | Action::SetMplsTtl(_)
        | Action::DecMplsTtl
        | Action::CopyTtlOut
        | Action::CopyTtlIn
        | Action::SetTtl(_)
        | Action::DecTtl
        | Action::DecTtlTelling(_)
        | Action::Resubmit { .. }
        | Action::ResubmitTracked { .. }
        | Action::Group(_)
        | Action::Learn(_)
        | Action::Clone(_)
        | Action::Ct(_)
        | Action::Multipath(_)
        | Action::Bundle(_)
        | Action::FinTimeout { .. } => true,
    }
}

/// Reads a little of each of the first actions, so that what lies far away comes at once and not one after another.
#[inline]
fn fetch(actions: &[Action]) {
    for action in actions.iter().take(FETCHED) {
        black_box(discriminant(action));
    }
}
