//! The switch: tables, caches, ports and counters put together.

use crate::cache::{self, Cache, Ledger};
use crate::drop::{DropCounters, DropReason};
use crate::extract::{Layout, extract};
use crate::flow_mod::{FlowEvent, FlowFilter, FlowMod, FlowModError, FlowRemoved, FlowStats, TableStats};
use crate::metadata::Metadata;
use crate::ports::Ports;
use crate::process::{Effects, Losses, check_offload, execute};
use crate::tables::{Credit, TablePolicy, Tables};
use crate::trace::{self, Trace};
use crate::translate::{translate, translate_actions};
use crate::verdict::Verdict;
use crate::versions::Shared;
use tulle_flow::{Action, Key};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

/// The most flows, unless set otherwise.
pub const DEFAULT_FLOW_LIMIT: usize = 1_000_000;

/// How the caches do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Packets whose verdict was remembered.
    pub hits: u64,
    /// Packets that walked the tables.
    pub misses: u64,
    /// Verdicts remembered.
    pub entries: usize,
    /// Different masks among them.
    pub masks: usize,
}

/// A software switch in memory: it does no I/O and reads no clock.
#[derive(Debug)]
pub struct Datapath {
    tables: Tables,
    ports: Ports,
    cache: Cache,
    is_caching: bool,
    drops: DropCounters,
    scratch: FrameBuf,
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
        Datapath {
            tables: Tables::new(seed, flow_limit),
            ports: Ports::default(),
            cache: Cache::new(seed, cache_limit),
            is_caching: cache_limit > 0,
            drops: DropCounters::default(),
            scratch: FrameBuf::new(),
            hits: 0,
            misses: 0,
        }
    }

    /// Makes a port number known.
    pub fn add_port(&mut self, port: u32) {
        if self.ports.insert(port) {
            self.tables.change(Shared::Ports);
        }
    }

    /// Forgets a port number, and the drops counted for it.
    pub fn remove_port(&mut self, port: u32) {
        if self.ports.remove(port) {
            self.tables.change(Shared::Ports);
            self.drops.forget_port(port);
        }
    }

    /// The ports.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Changes the flow tables.  Gives the flows that went and of which the controller wants to hear.
    /// Errors: nothing has changed.
    pub fn flow_mod(&mut self, change: &FlowMod, now: u64) -> Result<Vec<FlowRemoved>, FlowModError> {
        if self.tables.needs_credit(change) {
            self.cache.credit(&mut self.tables);
        }
        self.tables.apply(change, now)
    }

    /// Makes all changes, or none: no packet sees some of them.  Errors: the first change that is refused, by its
    /// place; nothing has changed.
    pub fn flow_mods(
        &mut self,
        changes: &[FlowMod],
        now: u64,
    ) -> Result<Vec<FlowRemoved>, (usize, FlowModError)> {
        self.cache.credit(&mut self.tables);
        self.tables.begin();
        let mut removed = Vec::new();
        for (place, change) in changes.iter().enumerate() {
            match self.tables.apply(change, now) {
                Ok(gone) => removed.extend(gone),
                Err(error) => {
                    self.tables.roll_back();
                    return Err((place, error));
                }
            }
        }
        self.tables.commit();
        Ok(removed)
    }

    /// Sets what happens when a table is full.  Gives the flows that went because of it and of which the controller
    /// wants to hear.
    pub fn set_table_policy(&mut self, table: u8, policy: TablePolicy, now: u64) -> Vec<FlowRemoved> {
        self.cache.credit(&mut self.tables);
        self.tables.set_policy(table, policy, now)
    }

    /// What happens when a table is full.
    pub fn table_policy(&self, table: u8) -> TablePolicy {
        self.tables.policy(table)
    }

    /// Keeps what happens to flows from now on, for [`take_flow_events`](Self::take_flow_events), or no longer.
    pub fn watch_flows(&mut self, is_watched: bool) {
        self.tables.watch(is_watched);
    }

    /// What has happened to flows since the last call, in order.  To be called soon after changes while watching.
    pub fn take_flow_events(&mut self) -> Vec<FlowEvent> {
        self.tables.take_events()
    }

    /// Removes flows whose time has come, and forgets idle cached verdicts.  To be called about once a second.
    pub fn expire(&mut self, now: u64) -> Vec<FlowRemoved> {
        self.cache.sweep(&mut self.tables, now);
        if !self.tables.is_expiry_due(now) {
            return Vec::new();
        }
        self.cache.credit(&mut self.tables);
        self.tables.expire(now)
    }

    /// Flows with exact counters, in order of table and falling priority.
    pub fn flows(&mut self, filter: &FlowFilter, now: u64) -> Vec<FlowStats> {
        self.cache.credit(&mut self.tables);
        self.tables.flows(filter, now)
    }

    /// Shows flows with exact counters one by one, in order of table and falling priority: a million of them need
    /// not be in memory at once.
    pub fn visit_flows(&mut self, filter: &FlowFilter, now: u64, show: &mut dyn FnMut(FlowStats)) {
        self.cache.credit(&mut self.tables);
        self.tables.visit(filter, &mut |rule| show(FlowStats::of(rule, now)));
    }

    /// Packets, bytes and number of the flows that a filter selects.
    pub fn aggregate(&mut self, filter: &FlowFilter) -> (u64, u64, usize) {
        self.cache.credit(&mut self.tables);
        self.tables.aggregate(filter)
    }

    /// The number of flows.
    pub fn flow_count(&self) -> usize {
        self.tables.len()
    }

    /// Counters of each table.
    pub fn table_stats(&mut self) -> Vec<TableStats> {
        self.cache.credit(&mut self.tables);
        self.tables.stats()
    }

    /// How many packets were lost, and why.
    pub fn drops(&self) -> &DropCounters {
        &self.drops
    }

    /// How the caches do.
    pub fn cache_stats(&self) -> CacheStats {
        let (entries, masks) = (self.cache.len(), self.cache.mask_count());
        CacheStats { hits: self.hits, misses: self.misses, entries, masks }
    }

    /// Forgets all cached verdicts; what their packets did stays counted.
    pub fn flush_cache(&mut self) {
        self.cache.flush(&mut self.tables);
    }

    /// A line for people about each cached verdict.
    pub fn cache_lines(&self) -> Vec<String> {
        self.cache.lines().collect()
    }

    /// Sends one packet through the switch.  The frame is used up.
    #[inline]
    pub fn process(
        &mut self,
        frame: &mut FrameBuf,
        offload: &Offload,
        metadata: &Metadata,
        now: u64,
        effects: &mut impl Effects,
    ) {
        let (key, layout) = match parse(frame.bytes(), offload, metadata) {
            Ok(parsed) => parsed,
            Err(reason) => return self.refuse(reason, metadata, frame.len(), effects),
        };
        let entry = match self.cache.find(&key) {
            Some(entry) if self.cache.version(entry) == self.tables.version() => {
                self.hits += 1;
                Some(entry)
            }
            stale => self.remember(&key, stale),
        };
        let Some(verdict) = entry.and_then(|entry| self.cache.count(entry, frame.len(), now)) else {
            let verdict = translate(&self.tables, &self.ports, &key, &mut ()).verdict;
            self.credit_once(&verdict, frame.len(), now);
            return self.act(&verdict, frame, offload, &layout, metadata, effects);
        };
        let mut losses = Losses { counters: &mut self.drops, in_port: metadata.in_port };
        execute(verdict, frame, &mut self.scratch, offload, &layout, &mut losses, effects);
    }

    /// Executes actions on a packet that the controller sends; table 0 is walked only where they say so.
    pub fn packet_out(
        &mut self,
        actions: &[Action],
        frame: &mut FrameBuf,
        offload: &Offload,
        metadata: &Metadata,
        now: u64,
        effects: &mut impl Effects,
    ) {
        let (key, layout) = match parse(frame.bytes(), offload, metadata) {
            Ok(parsed) => parsed,
            Err(reason) => return self.refuse(reason, metadata, frame.len(), effects),
        };
        let verdict = translate_actions(&self.tables, &self.ports, &key, actions).verdict;
        self.credit_once(&verdict, frame.len(), now);
        self.act(&verdict, frame, offload, &layout, metadata, effects);
    }

    /// Shows the way that a packet would take, through the forwarding code itself; nothing is sent or counted.
    /// Errors: the packet is dropped before any table, for this reason.
    pub fn trace(&self, frame: &[u8], offload: &Offload, metadata: &Metadata) -> Result<Trace, DropReason> {
        let (key, layout) = parse(frame, offload, metadata)?;
        Ok(trace::trace(&self.tables, &self.ports, frame, offload, &key, &layout))
    }

    #[cold]
    #[inline(never)]
    fn remember(&mut self, key: &Key, stale: Option<u32>) -> Option<u32> {
        let version = self.tables.version();
        if let Some(entry) = stale.filter(|entry| self.is_still_right(*entry)) {
            self.hits += 1;
            self.cache.confirm(entry, version);
            return Some(entry);
        }
        self.misses += 1;
        if !self.is_caching {
            return None;
        }
        let made = translate(&self.tables, &self.ports, key, &mut ());
        Some(match stale {
            Some(entry) => self.cache.replace(entry, key, made, version, &mut self.tables),
            None => self.cache.insert(key, made, version, &mut self.tables),
        })
    }

    fn is_still_right(&self, entry: u32) -> bool {
        let version = self.cache.version(entry);
        self.cache.verdict(entry).is_some_and(|verdict| self.tables.is_current(verdict, version))
    }

    /// Counts one packet whose verdict is not remembered.
    fn credit_once(&mut self, verdict: &Verdict, bytes: usize, now: u64) {
        let credit = Credit { packets: 1, bytes: bytes as u64, used_ns: now };
        self.tables.credit(verdict, credit);
    }

    fn act(
        &mut self,
        verdict: &Verdict,
        frame: &mut FrameBuf,
        offload: &Offload,
        layout: &Layout,
        metadata: &Metadata,
        effects: &mut impl Effects,
    ) {
        let mut losses = Losses { counters: &mut self.drops, in_port: metadata.in_port };
        execute(verdict, frame, &mut self.scratch, offload, layout, &mut losses, effects);
    }

    #[cold]
    fn refuse(&mut self, reason: DropReason, metadata: &Metadata, bytes: usize, effects: &mut impl Effects) {
        let mut losses = Losses { counters: &mut self.drops, in_port: metadata.in_port };
        losses.count(reason.into(), bytes, effects);
    }
}

#[inline]
fn parse(frame: &[u8], offload: &Offload, metadata: &Metadata) -> Result<(Key, Layout), DropReason> {
    check_offload(frame, offload)?;
    extract(frame, metadata)
}
