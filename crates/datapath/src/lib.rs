//! A switch in memory: flow tables, the walk through them, a cache of verdicts, rewriting, counters.
//!
//! A frame comes in with its ingress port; out come effects: frames to send, packets for the controller, losses.
//! Each packet causes at least one effect, and each loss has a [`DropReason`].
//!
//! What it is not: it does no I/O, reads no clock, and knows neither OpenFlow's bytes nor tunnels' headers.

mod bridge;
mod cache;
mod datapath;
mod drop;
mod extract;
mod flow_mod;
mod metadata;
mod ports;
mod process;
mod rewrite;
mod rules;
mod tables;
mod trace;
mod translate;
mod verdict;
mod versions;

pub use bridge::{BondMode, BridgeConfig, Bundle, Mirror, VlanMode};
pub use datapath::{CacheStats, DEFAULT_FLOW_LIMIT, Datapath};
pub use drop::{COUNTED_PORTS, DropCounters, DropReason};
pub use extract::{Layout, extract};
pub use flow_mod::{
    Command, FlowChange, FlowEvent, FlowFilter, FlowMod, FlowModError, FlowRemoved, FlowStats, RemovalReason,
    TableStats,
};
pub use metadata::{Metadata, TunnelKey};
pub use ports::Ports;
pub use process::Effects;
pub use rules::{FlowFlags, StoredFlow};
pub use tables::{TABLE_COUNT, TablePolicy};
pub use trace::{Step, StepFlow, Trace, TracedOutput};
pub use translate::{MAX_DEPTH, MAX_STEPS};
pub use verdict::{Drop, PacketIn, PacketInReason};
