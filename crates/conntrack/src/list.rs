//! Doubly linked lists through the connections themselves: no memory, constant time.

use crate::store::Store;

/// No connection.
pub(crate) const NONE: u32 = u32::MAX;

/// Neighbours in one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    previous: u32,
    next: u32,
}

impl Links {
    pub const NONE: Self = Self { previous: NONE, next: NONE };
}

/// Which of a connection's links a list uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Wheel = 0,
    Evictable = 1,
}

/// The ends of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    first: u32,
    last: u32,
    which: usize,
}

impl List {
    pub fn new(which: Use) -> Self {
        Self { first: NONE, last: NONE, which: which as usize }
    }

    pub fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    pub fn push_last(&mut self, id: u32, store: &mut Store) {
        store[id].links[self.which] = Links { previous: self.last, next: NONE };
        match self.last {
            NONE => self.first = id,
            last => store[last].links[self.which].next = id,
        }
        self.last = id;
    }

    /// Takes a connection out, which must be in this list.
    pub fn remove(&mut self, id: u32, store: &mut Store) {
        let Links { previous, next } = std::mem::replace(&mut store[id].links[self.which], Links::NONE);
        match previous {
            NONE => self.first = next,
            previous => store[previous].links[self.which].next = next,
        }
        match next {
            NONE => self.last = previous,
            next => store[next].links[self.which].previous = previous,
        }
    }
}
