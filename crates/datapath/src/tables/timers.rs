//! When to look at a flow's timeouts: a heap, so that flows whose time has not come cost nothing.
//!
//! A flow stands in the heap once, at the earliest time at which it may expire.  A flow that packets have used since
//! then is put back when that time comes; what the heap still says of flows that have gone is left out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Tables;
use crate::flow_mod::{FlowRemoved, RemovalReason};
use crate::rules::{Rule, RuleId, Rules};

const NS_PER_S: u64 = 1_000_000_000;
/// The most flows looked at in one call.
const MOST_AT_ONCE: usize = 20_000;
/// Stale places in the heap that are not worth clearing away.
const STALE: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(u64, RuleId)>>,
    /// Flows that have a timeout.
    count: usize,
}

impl Timers {
    /// Says in a new rule when to look at it.
    pub fn arm(&self, rule: &mut Rule) {
        rule.armed_ns = next_ns(rule);
    }

    /// Adds an armed rule.
    pub fn put(&mut self, id: RuleId, rule: &Rule) {
        if rule.has_timeout() {
            self.count += 1;
            self.heap.push(Reverse((rule.armed_ns, id)));
        }
    }

    /// A rule has gone.
    pub fn forget(&mut self, rule: &Rule) {
        self.count -= usize::from(rule.has_timeout());
    }

    fn is_due(&self, now: u64) -> bool {
        self.heap.peek().is_some_and(|Reverse((at, _))| *at <= now)
    }

    /// Clears away what is said of rules that have gone, once that is most of it.
    fn tidy(&mut self, rules: &Rules) {
        if self.heap.len() > 2 * self.count + STALE {
            let is_armed = |Reverse((at, id)): &Reverse<(u64, RuleId)>| is_armed(rules, *id, *at);
            self.heap.retain(is_armed);
        }
    }
}

impl Tables {
    /// True where [`expire`](Self::expire) would look at flows.
    pub fn is_expiry_due(&self, now: u64) -> bool {
        self.timers.is_due(now)
    }

    /// Removes flows whose time has come, a bounded number at each call.
    pub fn expire(&mut self, now: u64) -> Vec<FlowRemoved> {
        let mut removed = Vec::new();
        for _ in 0..MOST_AT_ONCE {
            if !self.timers.is_due(now) {
                break;
            }
            let Some(Reverse((at, id))) = self.timers.heap.pop() else { break };
            if is_armed(&self.rules, id, at) {
                self.consider(id, now, &mut removed);
            }
        }
        self.timers.tidy(&self.rules);
        removed
    }

    /// Gives a flow other timeouts.
    pub fn set_timeouts(&mut self, id: RuleId, idle_timeout: u16, hard_timeout: u16) {
        let Some(rule) = self.rules.get_mut(id) else { return };
        self.timers.forget(rule);
        let mut evictor = self.evictors[usize::from(rule.flow.table)].as_mut();
        if let Some(evictor) = &mut evictor {
            evictor.remove(id, rule);
        }
        (rule.flow.idle_timeout, rule.flow.hard_timeout) = (idle_timeout, hard_timeout);
        rule.armed_ns = next_ns(rule);
        self.timers.put(id, rule);
        if let Some(evictor) = evictor {
            evictor.insert(id, rule);
        }
        self.timers.tidy(&self.rules);
    }

    fn consider(&mut self, id: RuleId, now: u64, removed: &mut Vec<FlowRemoved>) {
        let Some(rule) = self.rules.get_mut(id) else { return };
        match expiry(rule, now) {
            Some(reason) => removed.extend(self.remove(id, reason, now)),
            None => {
                let mut evictor = self.evictors[usize::from(rule.flow.table)].as_mut();
                if let Some(evictor) = &mut evictor {
                    evictor.remove(id, rule);
                }
                rule.armed_ns = next_ns(rule);
                if let Some(evictor) = evictor {
                    evictor.insert(id, rule);
                }
                self.timers.heap.push(Reverse((rule.armed_ns, id)));
            }
        }
    }
}

fn is_armed(rules: &Rules, id: RuleId, at: u64) -> bool {
    rules.get(id).is_some_and(|rule| rule.has_timeout() && rule.armed_ns == at)
}

fn deadline(timeout: u16, since: u64) -> Option<u64> {
    (timeout != 0).then(|| since.saturating_add(u64::from(timeout) * NS_PER_S))
}

/// The earliest time at which a rule may expire.
fn next_ns(rule: &Rule) -> u64 {
    let hard = deadline(rule.flow.hard_timeout, rule.created_ns);
    let idle = deadline(rule.flow.idle_timeout, rule.used_ns);
    hard.into_iter().chain(idle).min().unwrap_or(u64::MAX)
}

fn expiry(rule: &Rule, now: u64) -> Option<RemovalReason> {
    let is_over = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now);
    if is_over(deadline(rule.flow.hard_timeout, rule.created_ns)) {
        Some(RemovalReason::HardTimeout)
    } else if is_over(deadline(rule.flow.idle_timeout, rule.used_ns)) {
        Some(RemovalReason::IdleTimeout)
    } else {
        None
    }
}
