//! What walks look at, and what packets do to it.

use crate::bridge::{Bridge, MacTable, Taught};
use crate::cache::Ledger;
use crate::consequence::{Consequence, Learned};
use crate::continuation::Continuations;
use crate::flow_mod::{Command, FlowMod};
use crate::groups::Groups;
use crate::options::OptionMap;
use crate::ports::Ports;
use crate::rules::RuleId;
use crate::tables::{Credit, Tables};
use crate::translate::{FragmentHandling, Plane};
use crate::verdict::Verdict;
use crate::versions::Shared;

/// All that verdicts depend on.
#[derive(Debug)]
pub(crate) struct State {
    pub tables: Tables,
    pub ports: Ports,
    pub groups: Groups,
    pub bridge: Bridge,
    pub macs: MacTable,
    /// Which Geneve options are which fields.
    pub options: OptionMap,
    pub fragments: FragmentHandling,
    /// Packets that no flow matches go to the controller.
    pub miss_to_controller: bool,
}

impl State {
    pub fn new(tables: Tables) -> State {
        State {
            tables,
            ports: Ports::default(),
            groups: Groups::default(),
            bridge: Bridge::default(),
            macs: MacTable::default(),
            options: OptionMap::default(),
            fragments: FragmentHandling::default(),
            miss_to_controller: false,
        }
    }

    /// What a walk needs.
    pub fn plane<'a>(&'a self, continuations: &'a mut Continuations) -> Plane<'a> {
        Plane {
            tables: &self.tables,
            ports: &self.ports,
            groups: &self.groups,
            bridge: &self.bridge,
            macs: &self.macs,
            options: &self.options,
            fragments: self.fragments,
            miss_to_controller: self.miss_to_controller,
            continuations,
        }
    }

    /// True where [`settle`](Self::settle) may remove or replace a rule.
    pub fn needs_credit(&self, verdict: &Verdict) -> bool {
        verdict.consequences.iter().any(|consequence| match consequence {
            Consequence::Learned(learned) => !self.tables.has_same(&learned.flow),
            _ => false,
        })
    }

    /// Does what a packet does to the switch, but for counting.
    pub fn settle(&mut self, verdict: &Verdict, now: u64) {
        for consequence in &verdict.consequences {
            match consequence {
                Consequence::Seen(seen) => {
                    if self.macs.see(*seen, now) == Taught::Changed {
                        self.tables.change(Shared::Macs);
                    }
                }
                Consequence::Learned(learned) => self.learn(learned, now),
                Consequence::Finished { rule, idle, hard } => self.shorten(*rule, *idle, *hard),
                Consequence::Group(..) | Consequence::Mirror(_) => {}
            }
        }
    }

    /// Adds a learned flow, or gives it new actions, or finds it as it is and keeps it fresh.
    fn learn(&mut self, learned: &Learned, now: u64) {
        let Learned { flow, learn, .. } = learned;
        if !self.tables.has_same(flow) {
            let change = FlowMod {
                command: Command::ModifyStrict,
                flow: flow.clone(),
                notify_removal: learn.send_flow_removed,
                adds_if_none: true,
                new_cookie: Some(flow.cookie),
                is_learned: true,
                ..FlowMod::default()
            };
            // A full table, or a flow that may not be: nothing is learned.
            if self.tables.apply(&change, now).is_err() {
                return;
            }
            self.tables.change(Shared::Learned);
        }
        self.refresh(learned, now);
    }

    /// Keeps a learned flow fresh, or ends it soon where the packet ends its connection.
    fn refresh(&mut self, learned: &Learned, now: u64) {
        let Learned { flow, learn, ends } = learned;
        let Some(id) = self.tables.find_flow(flow).filter(|_| self.tables.has_same(flow)) else { return };
        self.tables.touch(id, now);
        if *ends {
            self.shorten(id, learn.fin_idle_timeout, learn.fin_hard_timeout);
        }
    }

    /// Makes timeouts shorter, never longer; 0 leaves them.
    fn shorten(&mut self, id: RuleId, idle: u16, hard: u16) {
        let Some((old_idle, old_hard)) = self.tables.timeouts(id) else { return };
        let shorter = |old: u16, new: u16| match (old, new) {
            (old, 0) => old,
            (0, new) => new,
            (old, new) => old.min(new),
        };
        let (idle, hard) = (shorter(old_idle, idle), shorter(old_hard, hard));
        if (idle, hard) != (old_idle, old_hard) {
            self.tables.set_timeouts(id, idle, hard);
        }
    }
}

impl Ledger for State {
    fn credit(&mut self, verdict: &Verdict, credit: Credit) {
        self.tables.credit(verdict, credit);
        if verdict.consequences.is_empty() {
            return;
        }
        let Credit { packets, bytes, used_ns, .. } = credit;
        for consequence in &verdict.consequences {
            match consequence {
                Consequence::Group(group, bucket) => self.groups.credit(*group, *bucket, packets, bytes),
                Consequence::Mirror(mirror) => self.bridge.credit_mirror(*mirror, packets, bytes),
                Consequence::Seen(seen) => {
                    if self.macs.refresh(*seen, used_ns) == Taught::Changed {
                        self.tables.change(Shared::Macs);
                    }
                }
                Consequence::Learned(learned) if self.tables.find_flow(&learned.flow).is_none() => {
                    self.learn(learned, used_ns);
                }
                // Where another packet has taught something else since, that is newer.
                Consequence::Learned(learned) => self.refresh(learned, used_ns),
                Consequence::Finished { rule, idle, hard } => self.shorten(*rule, *idle, *hard),
            }
        }
    }
}
