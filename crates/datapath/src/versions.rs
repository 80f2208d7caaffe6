//! When what verdicts depend on last changed: tables, and what they share (ports, groups, ...).
//!
//! A remembered verdict holds as long as nothing that it depends on has changed since it was known to be right.

use crate::tables::TABLE_COUNT;

/// What verdicts may depend on besides the flow tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Shared {
    /// Which ports there are, and how they are.
    Ports,
    /// The groups.
    Groups,
    /// The meters; no verdict depends on how they are.
    Meters,
    /// What the bridge is told of its ports, and mirrors.
    Bridge,
    /// Where addresses are.
    Macs,
    /// How fragments are handled.
    Fragments,
    /// What packets have taught in the way of flows.
    Learned,
}

const SHARED_COUNT: usize = 16;

/// Some of [`Shared`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SharedSet(u16);

impl SharedSet {
    pub const fn with(self, one: Shared) -> SharedSet {
        SharedSet(self.0 | 1 << one as u8)
    }

    fn iter(self) -> impl Iterator<Item = usize> {
        (0..SHARED_COUNT).filter(move |i| self.0 >> i & 1 == 1)
    }
}

/// Numbers that rise with each change.
#[derive(Debug)]
pub(crate) struct Versions {
    now: u64,
    tables: Box<[u64]>,
    shared: [u64; SHARED_COUNT],
}

impl Versions {
    pub fn new() -> Self {
        Versions { now: 0, tables: vec![0; TABLE_COUNT].into(), shared: [0; SHARED_COUNT] }
    }

    /// The number of the last change of anything.
    #[inline]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Notes a change of something else, and gives its number.
    pub fn next(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// Notes that lookups in a table may find something else from now on.
    pub fn change_table(&mut self, table: u8) {
        self.now += 1;
        if let Some(version) = self.tables.get_mut(usize::from(table)) {
            *version = self.now;
        }
    }

    /// Notes a change of what tables share.
    pub fn change(&mut self, what: Shared) {
        self.now += 1;
        self.shared[what as usize] = self.now;
    }

    /// True where none of these has changed after `since`.
    pub fn are_unchanged(&self, tables: &[u8], shared: SharedSet, since: u64) -> bool {
        shared.iter().all(|i| self.shared[i] <= since)
            && tables.iter().all(|table| self.tables.get(usize::from(*table)).is_none_or(|v| *v <= since))
    }
}
