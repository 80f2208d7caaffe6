//! Which port numbers exist: where a flood goes, and which outputs lead nowhere.

use std::collections::BTreeSet;

/// The port numbers of a switch.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    numbers: BTreeSet<u32>,
}

impl Ports {
    /// True where the port exists.
    pub fn contains(&self, port: u32) -> bool {
        self.numbers.contains(&port)
    }

    /// All ports, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.numbers.iter().copied()
    }

    pub(crate) fn insert(&mut self, port: u32) -> bool {
        self.numbers.insert(port)
    }

    pub(crate) fn remove(&mut self, port: u32) -> bool {
        self.numbers.remove(&port)
    }
}
