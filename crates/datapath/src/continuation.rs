//! Where a walk through the tables was interrupted, and what it had in hand.
//!
//! A walk is interrupted where what follows depends on bytes that have not been read, or on what the tracker or a
//! controller says.  Equal interruptions share one number, which stands in the key of the packets that go on
//! (`recirc_id`), so that the verdicts of the second part are remembered as those of the first are.

use std::collections::HashMap;
use std::sync::Arc;

use tulle_flow::{Action, Field, Key};

/// The most interruptions that are remembered; more than the verdicts that refer to them would fill the memory.
pub const MAX_CONTINUATIONS: usize = 262_144;

/// The flow whose actions are being executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its table.
    pub table: u8,
    /// Its cookie; none for the actions of a packet-out.
    pub cookie: Option<u64>,
    /// Whether it is its table's miss flow.
    pub is_miss_flow: bool,
}

/// One thing that is left to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// The rest of a flow's actions.
    Actions(Place, Box<[Action]>),
    /// Look up in this table.
    Table(u8),
    /// Take the ingress port back that a resubmit had replaced.
    InPort(u32),
}

/// What an interrupted walk had in hand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frozen {
    /// What is left to do, in order.
    pub segments: Vec<Segment>,
    /// Metadata that actions had written.
    pub values: Key,
    /// Which bits of it.
    pub written: Key,
    /// The stack of `push` and `pop`, its top last.
    pub stack: Vec<u128>,
    /// The action set.
    pub action_set: Vec<Action>,
    /// The queue of what is sent from here on.
    pub queue: Option<u32>,
    /// The mirrors, by their places, that have a copy of the packet.
    pub mirrored: u64,
}

/// An interruption with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    id: u32,
    frozen: Frozen,
}

impl Continuation {
    /// Its number; 0 only for one that a controller has given back.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// One that a controller gives back, for one packet only.
    pub(crate) fn of_controller(frozen: Frozen) -> Continuation {
        Continuation { id: 0, frozen }
    }

    /// What the walk had in hand.
    pub fn frozen(&self) -> &Frozen {
        &self.frozen
    }

    /// Puts into a packet's key what the walk had written, and the number.
    #[inline]
    pub(crate) fn write(&self, key: &mut Key) {
        let Frozen { values, written, .. } = &self.frozen;
        for (slot, (value, written)) in key.words.iter_mut().zip(values.words.iter().zip(&written.words)) {
            *slot = (*slot & !written) | value;
        }
        key.set(Field::ResumeId, u128::from(self.id));
    }
}

/// Interruptions by content.
#[derive(Debug, Default)]
pub(crate) struct Continuations {
    numbers: HashMap<Frozen, Arc<Continuation>>,
    last: u32,
}

impl Continuations {
    /// The one with this content, which is kept as long as somebody holds it; nothing where there is no room.
    pub fn intern(&mut self, frozen: Frozen) -> Option<Arc<Continuation>> {
        if let Some(known) = self.numbers.get(&frozen) {
            return Some(Arc::clone(known));
        }
        if self.numbers.len() >= MAX_CONTINUATIONS {
            self.sweep();
        }
        if self.numbers.len() >= MAX_CONTINUATIONS {
            return None;
        }
        // Numbers come round after 4 billion; a verdict that still has the old one is right for the old content
        // only, and by then it has been forgotten.
        self.last = self.last.checked_add(1).unwrap_or(1);
        let made = Arc::new(Continuation { id: self.last, frozen: frozen.clone() });
        self.numbers.insert(frozen, Arc::clone(&made));
        Some(made)
    }

    /// Forgets those that no verdict and no packet on its way holds.
    pub fn sweep(&mut self) {
        self.numbers.retain(|_, continuation| Arc::strong_count(continuation) > 1);
    }

    pub fn len(&self) -> usize {
        self.numbers.len()
    }
}
