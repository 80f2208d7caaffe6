//! Equal verdicts are kept once: many packets have keys of their own and are treated alike.
//!
//! A table of a fixed size knows the verdicts that have come of late, each at a place of its own; one that falls on
//! the place of another takes it.  So looking costs the same whatever a tenant sends, and the worst is a verdict that
//! is kept twice.

use std::sync::Arc;

use crate::verdict::{Op, Verdict};

/// Places, a power of two.
const PLACES: usize = 1024;

#[derive(Debug)]
pub(super) struct Recent {
    places: Box<[Option<Arc<Verdict>>]>,
}

impl Recent {
    pub fn new() -> Self {
        Recent { places: vec![None; PLACES].into() }
    }

    /// The verdict, shared with those that have the same.
    pub fn share(&mut self, made: Verdict) -> Arc<Verdict> {
        let place = &mut self.places[digest(&made) as usize % PLACES];
        if let Some(known) = place
            && **known == made
        {
            return Arc::clone(known);
        }
        Arc::clone(place.insert(Arc::new(made)))
    }

    /// Forgets verdicts that nobody else has any more, and with them what they refer to.
    pub fn forget_unused(&mut self) {
        for place in &mut self.places {
            if place.as_ref().is_some_and(|verdict| Arc::strong_count(verdict) == 1) {
                *place = None;
            }
        }
    }
}

/// Different for most verdicts that differ: by the rules, and by what is written and where it is sent.
fn digest(verdict: &Verdict) -> u64 {
    let mut digest = verdict.ops.len() as u64;
    let mut add = |value: u64| digest = (digest ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    verdict.rules.iter().for_each(|id| add(u64::from(id.0)));
    for op in &verdict.ops {
        match op {
            Op::Set { value, .. } => add(*value as u64),
            Op::Output(to) => add(u64::from(to.port)),
            Op::Resume(to) => add(u64::from(to.id())),
            _ => {}
        }
    }
    digest ^ digest >> 32
}
