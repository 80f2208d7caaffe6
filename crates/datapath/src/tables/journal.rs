//! How to undo changes: they are noted while a journal is open, and undone backwards.

use super::Tables;
use crate::rules::{Rule, RuleId};

#[derive(Debug)]
pub(super) enum Undo {
    /// Remove it.
    Added(RuleId),
    /// Put it back.
    Removed(RuleId, Box<Rule>),
    /// Give it its old actions and counters.
    Modified(RuleId, Box<Rule>),
}

/// What to undo, and how many events there were before.
#[derive(Debug)]
pub(super) struct Journal {
    undos: Vec<Undo>,
    events: usize,
    unasked: usize,
}

impl Journal {
    pub fn push(&mut self, undo: Undo) {
        self.undos.push(undo);
    }
}

impl Tables {
    /// Notes from now on how to undo changes.  What caches have gathered is to be credited before.
    pub fn begin(&mut self) {
        let events = self.events.as_ref().map_or(0, Vec::len);
        let unasked = self.unasked_len();
        self.journal = Some(Journal { undos: Vec::new(), events, unasked });
    }

    /// Keeps the changes since [`begin`](Self::begin).
    pub fn commit(&mut self) {
        self.journal = None;
    }

    /// Undoes the changes since [`begin`](Self::begin), and what was to be told of them.  No packet may have been
    /// credited in between.
    pub fn roll_back(&mut self) {
        let Some(journal) = self.journal.take() else { return };
        self.orphans.clear();
        self.forget_unasked(journal.unasked);
        journal.undos.into_iter().rev().for_each(|undo| self.undo(undo));
        if let Some(events) = &mut self.events {
            events.truncate(journal.events);
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Added(id) => drop(self.take(id)),
            Undo::Removed(id, rule) => self.put_back(id, *rule),
            Undo::Modified(id, rule) => {
                self.take(id);
                self.put_back(id, *rule);
            }
        }
    }

    fn put_back(&mut self, id: RuleId, rule: Rule) {
        let version = self.versions.next();
        self.rules.restore(id, rule, version);
        self.enter(id);
    }
}
