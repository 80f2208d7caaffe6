//! One flow: where it stands, what it matches, what it does.

use crate::action::Action;
use crate::matching::Match;

/// A flow as a controller writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// The table, 0..=254.
    pub table: u8,
    /// Higher wins; equal priorities must not overlap.
    pub priority: u16,
    /// The controller's opaque mark.
    pub cookie: u64,
    /// Seconds without a packet until the flow goes; 0 means never.
    pub idle_timeout: u16,
    /// Seconds until the flow goes; 0 means never.
    pub hard_timeout: u16,
    /// Flows of lower importance are evicted first.
    pub importance: u16,
    /// Which packets.
    pub matching: Match,
    /// What happens to them; empty means drop.
    pub actions: Vec<Action>,
}
