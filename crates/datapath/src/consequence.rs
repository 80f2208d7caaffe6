//! What packets do to the switch itself, besides being forwarded: count in groups and mirrors, teach addresses and
//! flows, shorten the life of flows.
//!
//! A verdict lists them; they take effect when it is made, and again whenever its packets are counted, so that what
//! is learned stays fresh while packets use it.

use std::sync::Arc;

use crate::rules::RuleId;
use tulle_flow::{Flow, Learn};

/// A flow that was made from a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The flow.
    pub flow: Flow,
    /// How it was asked for.
    pub learn: Learn,
    /// The packet ends a TCP connection, so that the flow is to end soon.
    pub ends: bool,
}

/// An address that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// The VLAN; 0 is none.
    pub vlan: u16,
    /// The address.
    pub mac: u64,
    /// The port it was seen at.
    pub port: u32,
    /// By a gratuitous ARP, which moves it at once.
    pub is_gratuitous: bool,
    /// On a bond, where the switch's own frames may come back.
    pub is_bonded: bool,
}

/// What a packet does to the switch itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// A group executed one of its buckets; the second number is the bucket's id, none where only the group counts.
    Group(u32, Option<u32>),
    /// A mirror, by its place in the configuration, got a copy.
    Mirror(usize),
    /// An address was seen.
    Seen(Seen),
    /// A flow was learned.
    Learned(Arc<Learned>),
    /// A TCP connection ends, and these flows' timeouts shrink.
    Finished {
        /// The flow.
        rule: RuleId,
        /// Seconds; 0 leaves it.
        idle: u16,
        /// Seconds; 0 leaves it.
        hard: u16,
    },
}
