//! When to look whether a connection has expired: a wheel of ticks, looked at lazily.
//!
//! A packet only moves its connection's `expires_at_ns`. The wheel looks at a connection no later than
//! one tick after the earliest time it may have expired, and puts it back if packets have come since.
//! A connection is moved within the wheel only when a change of state shortens its life.

use crate::list::{List, Use};
use crate::store::Store;

/// A tick is 2^30 ns, about 1.07 s.
const TICK_SHIFT: u32 = 30;
const SLOTS: u32 = 4096;

#[derive(Debug)]
pub(crate) struct Wheel {
    slots: Vec<List>,
    /// The tick whose slot is being emptied; ticks before it are done with.
    hand: u32,
    started: bool,
}

fn tick(ns: u64) -> u32 {
    u32::try_from(ns >> TICK_SHIFT).unwrap_or(u32::MAX)
}

impl Wheel {
    pub fn new() -> Self {
        Self { slots: vec![List::new(Use::Wheel); SLOTS as usize], hand: 0, started: false }
    }

    /// The clock may begin anywhere.
    pub fn start(&mut self, now_ns: u64) {
        if !self.started {
            self.started = true;
            self.hand = tick(now_ns);
        }
    }

    /// Holds no connection any more.
    pub fn clear(&mut self) {
        self.slots.fill(List::new(Use::Wheel));
    }

    /// Puts a connection where it is looked at just after it expires, or as late as the wheel reaches.
    pub fn place(&mut self, id: u32, store: &mut Store) {
        let wanted = tick(store[id].expires_at_ns).saturating_add(1);
        let due = wanted.clamp(self.hand.saturating_add(1), self.hand.saturating_add(SLOTS - 1));
        store[id].due = due;
        self.slots[(due % SLOTS) as usize].push_last(id, store);
    }

    pub fn remove(&mut self, id: u32, store: &mut Store) {
        let slot = store[id].due % SLOTS;
        self.slots[slot as usize].remove(id, store);
    }

    /// Whether the wheel would look at a connection only long after it expires.
    #[inline]
    pub fn is_late(due: u32, expires_at_ns: u64) -> bool {
        tick(expires_at_ns).saturating_add(1) < due
    }

    /// The next connection to look at, taken out of the wheel; `budget` pays for each and for each
    /// empty slot. `None`: nothing is due, or the budget is used up.
    pub fn next_due(&mut self, now_ns: u64, budget: &mut usize, store: &mut Store) -> Option<u32> {
        let now = tick(now_ns);
        while self.hand < now && *budget > 0 {
            *budget -= 1;
            let slot = &mut self.slots[(self.hand % SLOTS) as usize];
            match slot.first() {
                Some(id) => {
                    slot.remove(id, store);
                    return Some(id);
                }
                None => self.hand += 1,
            }
        }
        None
    }
}
