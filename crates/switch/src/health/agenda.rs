//! Which session is due when, and when the first thread has to wake up for one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Deadlines of sessions by port, and numbers for new ones.
#[derive(Debug)]
pub(crate) struct Agenda {
    deadlines: BTreeMap<u32, u64>,
    order: BTreeSet<(u64, u32)>,
    /// The next deadline, to be read without the engine.
    due_ns: Arc<AtomicU64>,
    seed: u64,
    drawn: u32,
}

impl Agenda {
    pub(crate) fn new(seed: u64) -> Agenda {
        Agenda {
            deadlines: BTreeMap::new(),
            order: BTreeSet::new(),
            due_ns: Arc::new(AtomicU64::new(u64::MAX)),
            seed,
            drawn: 0,
        }
    }

    /// Where the next deadline stands.
    pub(crate) fn due(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.due_ns)
    }

    /// A discriminator that no other session has and nobody outside can guess, and a seed.
    pub(super) fn draw(&mut self) -> (u32, u64) {
        loop {
            self.drawn = self.drawn.wrapping_add(1);
            // Both steps are one to one, so all differ until the count begins again.
            let mixed = (self.drawn ^ self.seed as u32).wrapping_mul(0x9e37_79b1);
            let discriminator = mixed ^ (mixed >> 16) ^ (self.seed >> 32) as u32;
            if discriminator != 0 {
                return (discriminator, self.seed ^ u64::from(discriminator) << 32);
            }
        }
    }

    /// Notes a port's deadline; true where it is the earliest now, and earlier than any before.
    pub(super) fn set(&mut self, port: u32, deadline_ns: u64) -> bool {
        if let Some(before) = self.deadlines.insert(port, deadline_ns) {
            self.order.remove(&(before, port));
        }
        self.order.insert((deadline_ns, port));
        self.publish()
    }

    /// There is no session any more.
    pub(crate) fn forget(&mut self, port: u32) {
        if let Some(before) = self.deadlines.remove(&port) {
            self.order.remove(&(before, port));
            self.publish();
        }
    }

    /// A port whose session is due, as long as there is one.  Its deadline is to be set anew.
    pub(super) fn next_due(&mut self, now_ns: u64) -> Option<u32> {
        self.order.first().filter(|(deadline_ns, _)| *deadline_ns <= now_ns).map(|(_, port)| *port)
    }

    fn publish(&self) -> bool {
        let next = self.order.first().map_or(u64::MAX, |(deadline_ns, _)| *deadline_ns);
        self.due_ns.swap(next, Ordering::AcqRel) > next
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_earliest_deadline_is_known_and_an_earlier_one_is_said_to_be() {
        let mut agenda = Agenda::new(1);
        let due = agenda.due();
        let due = || due.load(Ordering::Acquire);
        assert!(agenda.set(1, 100));
        assert!(!agenda.set(2, 200));
        assert!(agenda.set(3, 50));
        assert_eq!((due(), agenda.next_due(49), agenda.next_due(50)), (50, None, Some(3)));
        assert!(!agenda.set(3, 300));
        assert_eq!((due(), agenda.next_due(100)), (100, Some(1)));
        (1..4).for_each(|port| agenda.forget(port));
        assert_eq!((due(), agenda.next_due(u64::MAX)), (u64::MAX, None));
    }

    #[test]
    fn sessions_have_different_discriminators_that_depend_on_the_seed() {
        let draw = |seed| {
            let mut agenda = Agenda::new(seed);
            (0..1000).map(|_| agenda.draw().0).collect::<HashSet<u32>>()
        };
        assert_eq!(draw(1).len(), 1000);
        assert!(!draw(1).contains(&0) && draw(1).intersection(&draw(0xdead_beef)).count() < 10);
    }
}
