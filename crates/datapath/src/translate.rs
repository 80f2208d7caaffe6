//! Walks the tables with a packet's key and says what is to be done with the packet, and for which other
//! packets that would be the same.
//!
//! Actions change a working key.  Bits that actions have written are constants of the way walked, so looking at
//! them later says nothing about the packet; all other bits that decide something go into the mask.
//! Changed header fields become operations only before the packet is sent; tags and labels at once.
//!
//! Where what follows depends on bytes that the key does not hold, or on what the tracker or a controller will say,
//! the walk is frozen: the rest of all actions becomes a [`Continuation`](crate::continuation::Continuation).

mod action_set;
mod actions;
mod backbone;
mod branch;
mod bundle;
mod conntrack;
mod controller;
mod fields;
mod freeze;
mod group;
mod hashing;
mod learn;
mod mirror;
mod normal;
mod output;
mod prerequisites;
mod resubmit;
#[cfg(test)]
mod soundness;
mod tags;
mod ttl;

use crate::bridge::{Bridge, MacTable};
use crate::consequence::Consequence;
use crate::continuation::{Continuation, Continuations, Place, Segment};
use crate::drop::DropReason;
use crate::groups::Groups;
use crate::options::OptionMap;
use crate::ports::Ports;
use crate::rules::{Rule, RuleId};
use crate::tables::Tables;
use crate::verdict::{Branch, Drop, Op, PacketInReason, Translation, Verdict};
use crate::versions::{Shared, SharedSet};
use tulle_flow::{Action, Field, Key};

/// How deep resubmits, groups and clones may be nested.
pub const MAX_DEPTH: usize = 64;
/// How many table lookups, and how many operations, one packet may cause.
pub const MAX_STEPS: usize = 4096;
/// How many values the stack holds.
pub const MAX_STACK: usize = 1024;
/// Operations and lookups for which a walk makes room at once.
const USUAL_OPS: usize = 8;
const USUAL_LOOKUPS: usize = 32;
/// `actset_output` where the action set sends nowhere (`OFPP_UNSET`).
const UNSET: u128 = 0xffff_fff7;

/// What is done with IP fragments before the tables are looked up (`ofp_config_flags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FragmentHandling {
    /// Their ports are zero (`OFPC_FRAG_NORMAL`).
    Normal,
    /// They are dropped (`OFPC_FRAG_DROP`).
    Drop,
    /// The first one has its ports, later ones have zero (`OFPC_FRAG_NX_MATCH`).
    #[default]
    Match,
}

/// Watches a translation; what it does not care for does nothing.
pub trait Observer {
    /// A table was looked up.
    fn looked_up(&mut self, depth: usize, table: u8, rule: Option<&Rule>) {
        let _ = (depth, table, rule);
    }

    /// An action is executed.
    fn acted(&mut self, depth: usize, action: &Action) {
        let _ = (depth, action);
    }

    /// Something else was decided, in words for people; `tell` makes them.
    fn decided(&mut self, depth: usize, tell: &dyn Fn() -> String) {
        let _ = (depth, tell);
    }
}

impl Observer for () {}

/// What the walk looks at.
pub(crate) struct Plane<'a> {
    pub tables: &'a Tables,
    pub ports: &'a Ports,
    pub groups: &'a Groups,
    pub bridge: &'a Bridge,
    pub macs: &'a MacTable,
    pub options: &'a OptionMap,
    pub fragments: FragmentHandling,
    /// Packets that no flow matches go to the controller.
    pub miss_to_controller: bool,
    pub continuations: &'a mut Continuations,
}

/// The walk is over, with nothing done but this.
struct Abort(DropReason);

struct Walk<'a, 'p, O> {
    plane: &'p mut Plane<'a>,
    observer: &'p mut O,
    /// The fields as actions have left them.
    key: Key,
    /// Bits written by actions.
    written: Key,
    /// Bits written since the packet was last brought up to date.
    pending: Key,
    /// Bits of the packet that the way depends on.
    mask: Key,
    ops: Vec<Op>,
    op_count: usize,
    rules: Vec<RuleId>,
    looked_up: Vec<u8>,
    consequences: Vec<Consequence>,
    /// What the way depends on besides the tables.
    depends: SharedSet,
    depth: usize,
    place: Place,
    /// Why a packet that an action sends to the controller goes there.
    reason: PacketInReason,
    is_packet_out: bool,
    stack: Vec<u128>,
    action_set: Vec<Action>,
    queue: Option<u32>,
    /// Tags under the two that the key holds.
    hidden_tags: Vec<(u16, u16)>,
    /// The headers behind the labels are other than those that the key has.
    is_stale: bool,
    has_exited: bool,
    freezing: Option<freeze::Freezing>,
    /// The mirrors that have a copy of the packet.
    mirrored: u64,
    /// What is sent now is a copy of a mirror.
    is_mirroring: bool,
    is_lasting: bool,
}

/// Walks the tables from table 0, or on from where a packet was interrupted.
pub(crate) fn translate<O: Observer>(
    plane: &mut Plane<'_>,
    key: &Key,
    from: Option<&Continuation>,
    observer: &mut O,
) -> Translation {
    let mut walk = Walk::new(plane, key, observer);
    let outcome = match from {
        Some(continuation) => walk.thaw(continuation),
        None => walk.begin(),
    };
    walk.finish(outcome)
}

/// Executes a list of actions, as for a packet-out.
pub(crate) fn translate_actions<O: Observer>(
    plane: &mut Plane<'_>,
    key: &Key,
    actions: &[Action],
    observer: &mut O,
) -> Translation {
    let mut walk = Walk::new(plane, key, observer);
    walk.is_packet_out = true;
    walk.reason = PacketInReason::PacketOut;
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

impl<'a, 'p, O: Observer> Walk<'a, 'p, O> {
    fn new(plane: &'p mut Plane<'a>, key: &Key, observer: &'p mut O) -> Self {
        let mut mask = Key::ZERO;
        // An output depends on the ingress port, a header change on what the headers are.
        mask.set_all(Field::InPort);
        mask.set_all(Field::EthType);
        mask.set_all(Field::ResumeId);
        let (mut key, mut written) = (*key, Key::ZERO);
        key.set(Field::ActsetOutput, UNSET);
        written.set_all(Field::ActsetOutput);
        Walk {
            plane,
            observer,
            key,
            written,
            pending: Key::ZERO,
            mask,
            ops: Vec::with_capacity(USUAL_OPS),
            op_count: 0,
            rules: Vec::with_capacity(USUAL_LOOKUPS),
            looked_up: Vec::with_capacity(USUAL_LOOKUPS),
            consequences: Vec::new(),
            depends: SharedSet::default().with(Shared::Ports).with(Shared::Bridge).with(Shared::Fragments),
            depth: 0,
            place: Place { table: 0, cookie: None, is_miss_flow: false },
            reason: PacketInReason::Action,
            is_packet_out: false,
            stack: Vec::new(),
            action_set: Vec::new(),
            queue: None,
            hidden_tags: Vec::new(),
            is_stale: false,
            has_exited: false,
            freezing: None,
            mirrored: 0,
            is_mirroring: false,
            is_lasting: true,
        }
    }

    /// The first look at a packet that has just come in.
    fn begin(&mut self) -> Result<(), Abort> {
        let in_port = self.key.field(Field::InPort) as u32;
        if self.plane.ports.config(in_port).no_receive {
            return Err(Abort(DropReason::PortNoReceive));
        }
        if self.plane.fragments == FragmentHandling::Drop && self.is_fragment() {
            return Err(Abort(DropReason::FragmentDropped));
        }
        self.mirror_ingress(in_port)?;
        self.table(0)
    }

    fn finish(&mut self, outcome: Result<(), Abort>) -> Translation {
        let outcome = outcome.and_then(|()| self.conclude());
        if let Err(Abort(reason)) = outcome {
            self.ops.clear();
            self.consequences.clear();
            self.drop(reason);
            self.is_lasting &= reason != DropReason::TooManyContinuations;
        }
        if !self.ops.iter().any(Op::is_effect) {
            self.drop(DropReason::NoOutput);
        }
        let Branch { ops, last_send } = Branch::new(std::mem::take(&mut self.ops));
        let verdict = Verdict {
            ops,
            last_send,
            rules: std::mem::take(&mut self.rules).into(),
            tables: std::mem::take(&mut self.looked_up).into(),
            consequences: std::mem::take(&mut self.consequences).into(),
            is_lasting: self.is_lasting,
            depends: self.depends,
        };
        Translation { verdict, mask: self.mask }
    }

    /// The end of the pipeline: freezes the rest, or executes the action set.
    fn conclude(&mut self) -> Result<(), Abort> {
        if self.freezing.is_none() {
            self.execute_action_set()?;
        }
        self.finish_freezing()
    }

    /// Looks up in a table and does what the flow says, on and on while it says to go on in another.
    fn table(&mut self, first: u8) -> Result<(), Abort> {
        let mut next = Some(first);
        while let Some(table) = next {
            if self.is_stale {
                self.freeze(Segment::Table(table));
                return Ok(());
            }
            if self.looked_up.len() >= MAX_STEPS {
                return Err(Abort(DropReason::TooManySteps));
            }
            next = self.lookup(table)?;
        }
        Ok(())
    }

    fn lookup(&mut self, table: u8) -> Result<Option<u8>, Abort> {
        if self.hides_ports() {
            return self.lookup_as(table, &without_ports(&self.key), |looked_at| *looked_at);
        }
        let tables = self.plane.tables;
        let found = tables.lookup(table, &self.key, &self.written, &mut self.mask);
        self.obey(table, found)
    }

    /// Looks up with another key than the working one; `own` tells which bits of that they are.
    fn lookup_as(&mut self, table: u8, key: &Key, own: impl Fn(&Key) -> Key) -> Result<Option<u8>, Abort> {
        let mut looked_at = Key::ZERO;
        let tables = self.plane.tables;
        let found = tables.lookup(table, key, &Key::ZERO, &mut looked_at);
        self.look_at(&own(&looked_at));
        self.obey(table, found)
    }

    /// Does what the rule says that was found in a table.
    fn obey(&mut self, table: u8, found: Option<(RuleId, &Rule)>) -> Result<Option<u8>, Abort> {
        self.looked_up.push(table);
        self.observer.looked_up(self.depth, table, found.map(|(_, rule)| rule));
        let Some((id, rule)) = found else {
            self.place = Place { table, cookie: None, is_miss_flow: false };
            if self.plane.miss_to_controller {
                self.tell(u16::MAX, 0, PacketInReason::NoMatch)?;
            } else {
                self.drop(DropReason::NoMatch);
            }
            return Ok(None);
        };
        self.rules.push(id);
        self.place = Place { table, cookie: Some(rule.flow.cookie), is_miss_flow: rule.flow.is_miss_flow() };
        if rule.flow.actions.is_empty() && self.action_set.is_empty() {
            self.drop(DropReason::DroppedByFlow);
        }
        self.actions(&rule.flow.actions)
    }

    fn is_fragment(&mut self) -> bool {
        self.has(tulle_flow::Prerequisite::Ip) && {
            self.look_at_field(Field::IpFrag, u128::MAX);
            self.key.field(Field::IpFrag) != 0
        }
    }

    fn hides_ports(&mut self) -> bool {
        self.plane.fragments == FragmentHandling::Normal && self.is_fragment()
    }

    /// Notes that the way depends on these bits, as far as they are the packet's own.
    fn look_at(&mut self, bits: &Key) {
        for (i, slot) in self.mask.words.iter_mut().enumerate() {
            *slot |= bits.words[i] & !self.written.words[i];
        }
    }

    fn look_at_field(&mut self, field: Field, bits: u128) {
        let own = bits & field.ones() & !self.written.field(field);
        let before = self.mask.field(field);
        self.mask.set(field, before | own);
    }

    fn lost(&self, reason: DropReason) -> Drop {
        let Place { table, cookie, .. } = self.place;
        Drop { reason, table: Some(table), cookie }
    }

    fn drop(&mut self, reason: DropReason) {
        self.op_count += 1;
        self.ops.push(Op::Drop(self.lost(reason)));
    }

    fn push(&mut self, op: Op) -> Result<(), Abort> {
        if self.op_count >= MAX_STEPS {
            return Err(Abort(DropReason::TooManySteps));
        }
        self.op_count += 1;
        self.ops.push(op);
        Ok(())
    }

    fn depends_on(&mut self, what: Shared) {
        self.depends = self.depends.with(what);
    }

    fn decided(&mut self, tell: impl Fn() -> String) {
        self.observer.decided(self.depth, &tell);
    }
}

/// A fragment's key as tables see it that are to see no ports of fragments.
fn without_ports(key: &Key) -> Key {
    let mut key = *key;
    for field in [Field::TcpSrc, Field::TcpDst, Field::TcpFlags] {
        key.set(field, 0);
    }
    key
}
