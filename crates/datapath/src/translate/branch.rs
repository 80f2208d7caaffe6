//! Parts of the walk whose changes are undone after them: clones and buckets.

use super::{Abort, MAX_DEPTH, Observer, Walk};
use crate::drop::DropReason;
use crate::verdict::{Branch, Op};
use tulle_flow::Action;

impl<O: Observer> Walk<'_, '_, O> {
    pub(super) fn clone_of(&mut self, actions: &[Action]) -> Result<(), Abort> {
        self.apart(|walk| match walk.actions(actions)? {
            Some(table) => walk.table(table),
            None => Ok(()),
        })
    }

    /// Walks a part whose changes nothing after it sees.  What freezes within it freezes only it.
    pub(super) fn apart(&mut self, part: impl FnOnce(&mut Self) -> Result<(), Abort>) -> Result<(), Abort> {
        if self.depth >= MAX_DEPTH {
            return Err(Abort(DropReason::ResubmitTooDeep));
        }
        self.commit()?;
        self.depth += 1;
        let (key, written, place, queue) = (self.key, self.written, self.place, self.queue);
        let (stack, action_set) = (self.stack.clone(), self.action_set.clone());
        let (hidden_tags, is_stale) = (self.hidden_tags.clone(), self.is_stale);
        let (has_exited, reason) = (self.has_exited, self.reason);
        let before = std::mem::take(&mut self.ops);

        part(self)?;
        self.finish_freezing()?;

        let ops = std::mem::replace(&mut self.ops, before);
        self.append(ops);
        (self.key, self.written, self.place, self.queue) = (key, written, place, queue);
        (self.stack, self.action_set) = (stack, action_set);
        (self.hidden_tags, self.is_stale) = (hidden_tags, is_stale);
        (self.has_exited, self.reason) = (has_exited, reason);
        self.pending = tulle_flow::Key::ZERO;
        self.depth -= 1;
        Ok(())
    }

    /// A copy of the packet is needed only where operations after this part would see what it did.
    fn append(&mut self, mut ops: Vec<Op>) {
        let sends = ops.iter().any(Op::is_effect);
        if !ops.iter().any(Op::is_seen_later) {
            self.ops.append(&mut ops);
        } else if sends || ops.iter().any(|op| matches!(op, Op::Track(_) | Op::Meter { .. } | Op::Sample(_)))
        {
            self.ops.push(Op::Clone(Branch::new(ops)));
        }
    }
}
