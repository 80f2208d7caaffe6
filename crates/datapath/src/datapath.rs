//! The switch: tables, caches, ports and counters put together.

mod bridging;
mod flows;
mod grouping;
mod options;
mod packets;
mod state;
mod transaction;

pub use packets::MAX_PASSES;

use crate::cache::{self, Cache};
use crate::continuation::Continuations;
use crate::drop::{DropCounters, DropReason};
use crate::metadata::Metadata;
use crate::ports::{PortConfig, Ports};
use crate::process::{Machine, Tracker};
use crate::tables::Tables;
use crate::trace::{self, Trace};
use crate::translate::FragmentHandling;
use crate::versions::Shared;
pub(crate) use state::State;
use transaction::Transaction;
use tulle_conntrack::Conntrack;
use tulle_wire::vnet::Offload;

/// The most flows, unless set otherwise: two for each of a million remote ports, and as many for all else.
pub const DEFAULT_FLOW_LIMIT: usize = 4_000_000;

/// How the caches do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Packets whose verdict was remembered.
    pub hits: u64,
    /// Packets that walked the tables.
    pub misses: u64,
    /// Verdicts remembered.
    pub entries: usize,
    /// The most that may be.
    pub limit: usize,
    /// Different masks among them.
    pub masks: usize,
    /// Interruptions of walks remembered.
    pub continuations: usize,
}

/// A software switch in memory: it does no I/O and reads no clock.
#[derive(Debug)]
pub struct Datapath {
    state: State,
    continuations: Continuations,
    cache: Cache,
    is_caching: bool,
    machine: Machine,
    transaction: Option<Transaction>,
    hits: u64,
    misses: u64,
}

impl Datapath {
    /// A switch without flows or ports.  `seed` keeps tenants from aiming at one hash bucket.
    pub fn new(seed: u64) -> Self {
        Self::with_limits(seed, DEFAULT_FLOW_LIMIT, cache::MAX_ENTRIES)
    }

    /// A switch that holds at most `flow_limit` flows and remembers at most `cache_limit` verdicts (0: none).
    pub fn with_limits(seed: u64, flow_limit: usize, cache_limit: usize) -> Self {
        let tracker_seed = u128::from(seed) << 64 | u128::from(seed.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15);
        let tracker = Conntrack::new(tulle_conntrack::Config::default(), tracker_seed);
        Datapath {
            state: State::new(Tables::new(seed, flow_limit)),
            continuations: Continuations::default(),
            cache: Cache::new(seed, cache_limit),
            is_caching: cache_limit > 0,
            machine: Machine::new(Tracker::real(tracker), seed),
            transaction: None,
            hits: 0,
            misses: 0,
        }
    }

    /// Makes a port number known.
    pub fn add_port(&mut self, port: u32) {
        if self.state.ports.insert(port) {
            self.ports_changed();
        }
    }

    /// Forgets a port number, and the drops counted for it.
    pub fn remove_port(&mut self, port: u32) {
        if self.state.ports.remove(port) {
            self.ports_changed();
            self.machine.drops.forget_port(port);
            if self.state.macs.flush_port(port) {
                self.state.tables.change(Shared::Macs);
            }
        }
    }

    fn ports_changed(&mut self) {
        let State { bridge, ports, tables, .. } = &mut self.state;
        bridge.refresh(ports);
        tables.change(Shared::Ports);
        tables.change(Shared::Bridge);
    }

    /// Says what a controller forbids of a port; true where that changes something.
    pub fn set_port_config(&mut self, port: u32, config: PortConfig) -> bool {
        let changed = self.state.ports.set_config(port, config);
        if changed {
            self.state.tables.change(Shared::Ports);
        }
        changed
    }

    /// Says whether a port has a link, by which groups and bundles choose; a new port has one.  True where that
    /// changes something.
    pub fn set_port_live(&mut self, port: u32, is_live: bool) -> bool {
        let changed = self.state.ports.set_live(port, is_live);
        if changed {
            self.state.tables.change(Shared::Ports);
        }
        changed
    }

    /// The ports.
    pub fn ports(&self) -> &Ports {
        &self.state.ports
    }

    /// Says what is done with IP fragments before the tables are looked up.
    pub fn set_fragment_handling(&mut self, handling: FragmentHandling) {
        if std::mem::replace(&mut self.state.fragments, handling) != handling {
            self.state.tables.change(Shared::Fragments);
        }
    }

    /// Says whether packets that no flow matches go to the controller, as OpenFlow 1.0 has it, or are lost.
    pub fn set_miss_to_controller(&mut self, to_controller: bool) {
        if std::mem::replace(&mut self.state.miss_to_controller, to_controller) != to_controller {
            self.cache.flush(&mut self.state);
        }
    }

    /// What is done with IP fragments before the tables are looked up.
    pub fn fragment_handling(&self) -> FragmentHandling {
        self.state.fragments
    }

    /// The connections, to look at and to change.
    pub fn connections(&mut self) -> Option<&mut Conntrack> {
        self.machine.tracker.connections()
    }

    /// How many packets were lost, and why.
    pub fn drops(&self) -> &DropCounters {
        &self.machine.drops
    }

    /// Packets that walked the tables.
    #[inline]
    pub fn misses(&self) -> u64 {
        self.misses
    }

    /// How the caches do.
    pub fn cache_stats(&self) -> CacheStats {
        let (entries, masks) = (self.cache.len(), self.cache.mask_count());
        let continuations = self.continuations.len();
        let limit = self.cache.limit();
        CacheStats { hits: self.hits, misses: self.misses, entries, limit, masks, continuations }
    }

    /// Forgets all cached verdicts; what their packets did stays counted.
    pub fn flush_cache(&mut self) {
        self.cache.flush(&mut self.state);
        self.continuations.sweep();
    }

    /// A line for people about each cached verdict.
    pub fn cache_lines(&self) -> Vec<String> {
        self.cache.lines(|matching| self.state.options.named(matching)).collect()
    }

    /// Shows the way that a packet would take, through the forwarding code itself; nothing is sent or counted.
    /// The tracker calls its connection new.  Errors: the packet is dropped before any table, for this reason.
    pub fn trace(&self, frame: &[u8], offload: &Offload, metadata: &Metadata) -> Result<Trace, DropReason> {
        self.trace_tracked(frame, offload, metadata, &[])
    }

    /// The same, with what `ct_state` is to be each time that the packet has gone through the tracker (then: new).
    pub fn trace_tracked(
        &self,
        frame: &[u8],
        offload: &Offload,
        metadata: &Metadata,
        states: &[u32],
    ) -> Result<Trace, DropReason> {
        self.trace_with_options(frame, offload, (metadata, &[]), states)
    }

    /// The same with Geneve options besides the metadata, as they stand on the wire.
    pub fn trace_with_options(
        &self,
        frame: &[u8],
        offload: &Offload,
        (metadata, options): (&Metadata, &[u8]),
        states: &[u32],
    ) -> Result<Trace, DropReason> {
        let mut key = tulle_flow::Key::ZERO;
        let layout = self.read(&mut key, frame, offload, metadata, options)?;
        let packet = trace::Traced { frame, offload, metadata, options, layout };
        Ok(trace::trace(&self.state, &packet, key, states))
    }
}
