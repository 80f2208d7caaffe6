//! What the tracker has done so far.

/// Counts since the tracker was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections kept.
    pub created: u64,
    /// Connections that have waited too long.
    pub expired: u64,
    /// Half-open connections given up for new ones.
    pub evicted: u64,
    /// Packets of no connection, and which cannot open one.
    pub invalid: u64,
}
