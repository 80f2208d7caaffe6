//! A switch in memory: flow tables, the walk through them, a cache of verdicts, rewriting, counters.
//!
//! A frame comes in with its ingress port; out come effects: frames to send, packets for the controller, losses.
//! Each packet causes at least one effect, and each loss has a [`DropReason`].
//!
//! What it is not: it does no I/O, reads no clock, and knows neither OpenFlow's bytes nor tunnels' headers.

mod bridge;
mod cache;
mod consequence;
mod continuation;
mod datapath;
mod drop;
mod extract;
mod flow_mod;
mod groups;
mod metadata;
mod meters;
mod options;
mod ports;
mod process;
mod rewrite;
mod rules;
mod sharing;
mod tables;
mod trace;
mod translate;
mod unfinished;
mod verdict;
mod versions;

pub use bridge::{BondMode, BridgeConfig, Bundle, FdbEntry, FdbStats, MAX_MIRRORS, Mirror, VlanMode};
pub use consequence::{Consequence, Learned, Seen};
pub use continuation::{Continuation, Frozen, MAX_CONTINUATIONS, Place, Segment};
pub use datapath::{CacheStats, DEFAULT_FLOW_LIMIT, Datapath, MAX_PASSES};
pub use drop::{COUNTED_PLACES, DropCount, DropCounters, DropReason};
pub use extract::{Layout, extract};
pub use flow_mod::{
    Command, FlowChange, FlowEvent, FlowFilter, FlowMod, FlowModError, FlowRemoved, FlowStats, RemovalReason,
    TableStats,
};
pub use groups::{
    ALL_GROUPS, Bucket, BucketChoice, BucketPlace, Group, GroupKind, GroupMod, GroupModError, GroupStats,
    Groups, LAST_BUCKET, LAST_GROUP, MAX_BUCKETS, MAX_CHAIN, MAX_GROUPS, Selection, Traffic,
};
pub use metadata::{Metadata, TunnelKey};
pub use meters::{
    ALL_METERS, Band, BandKind, CONTROLLER_METER, LAST_METER, MAX_BANDS, MAX_METERS, Meter, MeterMod,
    MeterModError, MeterStats, Meters, SLOWPATH_METER,
};
pub use options::{OptionMapError, OptionMapping, has_critical};
pub use ports::{PortConfig, Ports};
pub use process::Effects;
pub use rules::{FlowFlags, StoredFlow, sends_to, uses_group};
pub use tables::{TABLE_COUNT, TablePolicy};
pub use trace::{Step, StepFlow, Trace, TraceEvent, TracedOutput, TracedPass};
pub use translate::{FragmentHandling, MAX_DEPTH, MAX_STACK, MAX_STEPS};
pub use tulle_conntrack as conntrack;
pub use verdict::{Branch, Drop, Egress, Op, PacketIn, PacketInReason, Track, Verdict};
