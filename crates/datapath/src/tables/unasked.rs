//! Flows that have gone though nobody asked for it: their time had come, or they made place for another.
//!
//! Whoever writes down what is asked of the tables needs them, too, to make the same tables from it again.

use super::Tables;
use crate::flow_mod::RemovalReason;
use crate::rules::Rule;
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
