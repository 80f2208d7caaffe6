//! The action set: gathered on the way, executed at its end in an order of its own (OpenFlow 1.5.1 section 5.6).

use super::{Abort, Observer, UNSET, Walk};
use crate::verdict::PacketInReason;
use tulle_flow::{Action, Field};

impl<O: Observer> Walk<'_, '_, O> {
    pub(super) fn clear_action_set(&mut self) {
        self.action_set.clear();
        self.note_output();
    }

    pub(super) fn write_action_set(&mut self, actions: &[Action]) {
        for action in actions {
            add(&mut self.action_set, action);
        }
        self.note_output();
    }

    /// `actset_output`: where the action set would send, unless a group decides.
    fn note_output(&mut self) {
        let mut port = UNSET;
        for action in &self.action_set {
            match action {
                Action::Group(_) => {
                    port = UNSET;
                    break;
                }
                Action::Output(to) | Action::OutputNoting { port: to, .. } => port = u128::from(*to),
                _ => {}
            }
        }
        self.settle(Field::ActsetOutput, port, 0xffff_ffff);
    }

    /// Executes the action set, which sends the packet or, for want of an output, does nothing.
    pub(super) fn execute_action_set(&mut self) -> Result<(), Abort> {
        let set = std::mem::take(&mut self.action_set);
        if set.is_empty() {
            return Ok(());
        }
        let actions = in_order(&set);
        self.has_exited = false;
        self.reason = PacketInReason::ActionSet;
        match self.actions(&actions)? {
            Some(table) => self.table(table),
            None => Ok(()),
        }
    }
}

/// Adds an action; one of the same type gives way, but all changes of fields stay.
fn add(set: &mut Vec<Action>, action: &Action) {
    if rank(action) != FIELDS {
        set.retain(|other| !is_same_type(other, action));
    }
    set.push(action.clone());
}

/// The actions of a set, or of a bucket, as they are executed; nothing where nothing would be sent.
pub(super) fn in_order(set: &[Action]) -> Vec<Action> {
    let has_group = set.iter().any(|action| matches!(action, Action::Group(_)));
    let has_output = set.iter().any(is_output);
    let mut ordered: Vec<Action> = Vec::with_capacity(set.len());
    for action in set {
        let is_last_of_type = rank(action) == FIELDS
            || set
                .iter()
                .rev()
                .find(|other| is_same_type(other, action))
                .is_some_and(|last| std::ptr::eq(last, action));
        let is_overruled = match rank(action) {
            OUTPUT => has_group,
            RESUBMIT => has_group || has_output,
            _ => false,
        };
        if is_last_of_type && !is_overruled {
            ordered.push(action.clone());
        }
    }
    ordered.sort_by_key(rank);
    ordered
}

const FIELDS: u8 = 10;
const GROUP: u8 = 12;
const OUTPUT: u8 = 13;
const RESUBMIT: u8 = 14;

fn is_output(action: &Action) -> bool {
    rank(action) == OUTPUT
}

fn is_same_type(a: &Action, b: &Action) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b) || (is_output(a) && is_output(b))
}

/// When an action of a set is executed (OpenFlow 1.5.1 section 5.6.1, and `ovs-actions(7)` for what that does not have).
fn rank(action: &Action) -> u8 {
    match action {
        Action::CopyTtlIn => 0,
        Action::PopVlan => 1,
        Action::PopPbb => 2,
        Action::PopMpls(_) => 3,
        Action::PushMpls(_) => 4,
        Action::PushPbb(_) => 5,
        Action::PushVlan(_) => 6,
        Action::CopyTtlOut => 7,
        Action::DecTtl | Action::DecTtlTelling(_) => 8,
        Action::DecMplsTtl => 9,
        Action::Set { .. }
        | Action::SetOption(_)
        | Action::Move { .. }
        | Action::SetVlanVid(_)
        | Action::SetVlanPcp(_)
        | Action::SetMplsTtl(_)
        | Action::SetTtl(_)
        | Action::Push(_)
        | Action::Pop(_)
        | Action::WriteMetadata { .. }
        | Action::Multipath(_)
        | Action::CheckPacketLarger { .. } => FIELDS,
        Action::SetQueue(_) | Action::PopQueue | Action::Meter(_) => 11,
        Action::Group(_) => GROUP,
        Action::Output(_)
        | Action::OutputNoting { .. }
        | Action::OutputTruncated { .. }
        | Action::OutputField(_)
        | Action::Controller { .. }
        | Action::ControllerWith(_)
        | Action::Enqueue { .. }
        | Action::Bundle(_) => OUTPUT,
        Action::Resubmit { .. } | Action::ResubmitTracked { .. } | Action::Ct(_) => RESUBMIT,
        Action::Learn(_)
        | Action::Conjunction { .. }
        | Action::Note(_)
        | Action::Clone(_)
        | Action::CtClear
        | Action::Sample(_)
        | Action::FinTimeout { .. }
        | Action::Exit
        | Action::ClearActions
        | Action::WriteActions(_)
        | Action::GotoTable(_) => 15,
    }
}
