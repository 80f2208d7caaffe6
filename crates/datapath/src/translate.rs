//! Walks the tables with a packet's key and says what is to be done with the packet, and for which other
//! packets that would be the same.
//!
//! Actions change a working key.  Bits that actions have written are constants of the way walked, so looking at
//! them later says nothing about the packet; all other bits that decide something go into the mask.
//! Changed header fields become operations only before the packet is sent.

mod actions;
mod output;
#[cfg(test)]
mod soundness;

use crate::drop::DropReason;
use crate::ports::Ports;
use crate::rules::{Rule, RuleId};
use crate::tables::Tables;
use crate::verdict::{Drop, Op, Translation, Verdict};
use crate::versions::{Shared, SharedSet};
use tulle_flow::{Action, Field, Key};

/// How deep resubmits may be nested.
pub const MAX_DEPTH: usize = 64;
/// How many table lookups, and how many operations, one packet may cause.
pub const MAX_STEPS: usize = 4096;

/// Watches a translation; what it does not care for does nothing.
pub trait Observer {
    /// A table was looked up.
    fn looked_up(&mut self, depth: usize, table: u8, rule: Option<&Rule>) {
        let _ = (depth, table, rule);
    }
}

impl Observer for () {}

/// The flow whose actions are being executed.
#[derive(Clone, Copy)]
struct Place {
    table: u8,
    cookie: Option<u64>,
    is_miss_flow: bool,
}

/// The walk is over, with nothing done but this.
struct Abort(DropReason);

struct Walk<'a, O> {
    tables: &'a Tables,
    ports: &'a Ports,
    observer: &'a mut O,
    /// The fields as actions have left them.
    key: Key,
    /// Bits written by actions.
    written: Key,
    /// Bits written since the packet was last brought up to date.
    pending: Key,
    /// Bits of the packet that the way depends on.
    mask: Key,
    ops: Vec<Op>,
    rules: Vec<RuleId>,
    looked_up: Vec<u8>,
    /// What the way depends on besides the tables.
    depends: SharedSet,
    depth: usize,
    place: Place,
}

/// Walks the tables from table 0.
pub(crate) fn translate<O: Observer>(
    tables: &Tables,
    ports: &Ports,
    key: &Key,
    observer: &mut O,
) -> Translation {
    let mut walk = Walk::new(tables, ports, key, observer);
    let outcome = walk.table(0);
    walk.finish(outcome)
}

/// Executes a list of actions, as for a packet-out.
pub(crate) fn translate_actions(
    tables: &Tables,
    ports: &Ports,
    key: &Key,
    actions: &[Action],
) -> Translation {
    let mut observer = ();
    let mut walk = Walk::new(tables, ports, key, &mut observer);
    let outcome = match walk.actions(actions) {
        Ok(Some(table)) => walk.table(table),
        Ok(None) => Ok(()),
        Err(abort) => Err(abort),
    };
    if actions.is_empty() {
        walk.drop(DropReason::DroppedByFlow);
    }
    walk.finish(outcome)
}

impl<'a, O: Observer> Walk<'a, O> {
    fn new(tables: &'a Tables, ports: &'a Ports, key: &Key, observer: &'a mut O) -> Self {
        let mut mask = Key::ZERO;
        // An output depends on the ingress port, a header change on what the headers are.
        mask.set_all(Field::InPort);
        mask.set_all(Field::EthType);
        Walk {
            tables,
            ports,
            observer,
            key: *key,
            written: Key::ZERO,
            pending: Key::ZERO,
            mask,
            ops: Vec::new(),
            rules: Vec::new(),
            looked_up: Vec::new(),
            depends: SharedSet::default().with(Shared::Ports),
            depth: 0,
            place: Place { table: 0, cookie: None, is_miss_flow: false },
        }
    }

    fn finish(mut self, outcome: Result<(), Abort>) -> Translation {
        if let Err(Abort(reason)) = outcome {
            self.ops.clear();
            self.drop(reason);
        }
        if self.ops.is_empty() {
            self.drop(DropReason::NoOutput);
        }
        let verdict = Verdict::new(self.ops, self.rules, self.looked_up, self.depends);
        Translation { verdict, mask: self.mask }
    }

    /// Looks up in a table and does what the flow says, on and on while it says to go on in another.
    fn table(&mut self, first: u8) -> Result<(), Abort> {
        let mut next = Some(first);
        while let Some(table) = next {
            if self.looked_up.len() >= MAX_STEPS {
                return Err(Abort(DropReason::TooManySteps));
            }
            next = self.lookup(table)?;
        }
        Ok(())
    }

    fn lookup(&mut self, table: u8) -> Result<Option<u8>, Abort> {
        let mut looked_at = Key::ZERO;
        let tables = self.tables;
        let found = tables.lookup(table, &self.key, &mut looked_at);
        self.look_at(&looked_at);
        self.looked_up.push(table);
        self.observer.looked_up(self.depth, table, found.map(|(_, rule)| rule));
        let Some((id, rule)) = found else {
            self.place = Place { table, cookie: None, is_miss_flow: false };
            self.drop(DropReason::NoMatch);
            return Ok(None);
        };
        self.rules.push(id);
        self.place = Place { table, cookie: Some(rule.flow.cookie), is_miss_flow: rule.flow.is_miss_flow() };
        if rule.flow.actions.is_empty() {
            self.drop(DropReason::DroppedByFlow);
        }
        self.actions(&rule.flow.actions)
    }

    /// Notes that the way depends on these bits, as far as they are the packet's own.
    fn look_at(&mut self, bits: &Key) {
        for (i, slot) in self.mask.words.iter_mut().enumerate() {
            *slot |= bits.words[i] & !self.written.words[i];
        }
    }

    fn look_at_field(&mut self, field: Field, bits: u128) {
        let mut looked_at = Key::ZERO;
        looked_at.set(field, bits);
        self.look_at(&looked_at);
    }

    fn drop(&mut self, reason: DropReason) {
        let Place { table, cookie, .. } = self.place;
        self.ops.push(Op::Drop(Drop { reason, table: Some(table), cookie }));
    }

    fn push(&mut self, op: Op) -> Result<(), Abort> {
        if self.ops.len() >= MAX_STEPS {
            return Err(Abort(DropReason::TooManySteps));
        }
        self.ops.push(op);
        Ok(())
    }
}
