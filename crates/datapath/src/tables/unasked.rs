//! Flows that have gone though nobody asked for it: their time had come, or they made place for another.
//!
//! Whoever writes down what is asked of the tables needs them, too, to make the same tables from it again.  Flows that
//! packets have made (`learn`) stand in nothing that is written until they are copied: as long, nobody needs to know of
//! their end, which may come as often as packets do.

use super::Tables;
use crate::flow_mod::RemovalReason;
use crate::rules::{Rule, RuleId};
use tulle_classifier::PackedMatch;

/// Which flow has gone.
#[derive(Clone, Debug)]
pub(crate) struct Unasked {
    pub table: u8,
    pub priority: u16,
    pub matching: PackedMatch,
}

impl Tables {
    /// Keeps from now on which flows go unasked, or no longer.
    pub fn note_unasked(&mut self, is_noted: bool) {
        self.unasked = is_noted.then(|| self.unasked.take().unwrap_or_default());
    }

    /// Those that have gone since the last call, in order.
    pub fn take_unasked(&mut self) -> Vec<Unasked> {
        self.unasked.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// True where some have gone since then.
    pub fn has_unasked(&self) -> bool {
        self.unasked_len() > 0
    }

    /// Flows that have been added, ever.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// A flow that is about to be written to a file.
    pub fn written(&mut self, id: RuleId) -> Option<&Rule> {
        let rule = self.rules.get_mut(id)?;
        rule.is_written = true;
        Some(rule)
    }

    /// How many wait, for [`forget_unasked`](Self::forget_unasked).
    pub(super) fn unasked_len(&self) -> usize {
        self.unasked.as_ref().map_or(0, Vec::len)
    }

    /// Forgets the last ones, which have been put back.
    pub(super) fn forget_unasked(&mut self, left: usize) {
        if let Some(unasked) = &mut self.unasked {
            unasked.truncate(left);
        }
    }

    pub(super) fn note_gone(&mut self, rule: &Rule, reason: RemovalReason) {
        use RemovalReason as R;
        if !rule.is_written {
            return;
        }
        if let (Some(unasked), R::IdleTimeout | R::HardTimeout | R::Eviction) = (&mut self.unasked, reason) {
            let flow = &rule.flow;
            unasked.push(Unasked {
                table: flow.table,
                priority: flow.priority,
                matching: flow.matching.clone(),
            });
        }
    }
}
