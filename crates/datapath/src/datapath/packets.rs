//! Packets on their way through the switch.

use std::sync::Arc;

use super::Datapath;
use crate::continuation::{Continuation, Frozen};
use crate::drop::DropReason;
use crate::extract::{Layout, extract_to};
use crate::metadata::{Metadata, Tracked, TunnelKey};
use crate::process::{Effects, GoesOn, Losses, Packet, Pass};
use crate::tables::Credit;
use crate::translate::{translate, translate_actions};
use crate::unfinished;
use crate::verdict::{Translation, Verdict};
use tulle_flow::{Action, Field, Key};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

/// How often a packet and its copies may go through the tables.
pub const MAX_PASSES: usize = 64;

impl Datapath {
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
        self.process_with_options(frame, offload, metadata, &[], now, effects);
    }

    /// The same with the options of the Geneve header that the packet came in, as they stand on the wire.
    #[inline]
    pub fn process_with_options(
        &mut self,
        frame: &mut FrameBuf,
        offload: &Offload,
        metadata: &Metadata,
        options: &[u8],
        now: u64,
        effects: &mut impl Effects,
    ) {
        let mut key = Key::ZERO;
        let layout = match self.read(&mut key, frame.bytes(), offload, metadata, options) {
            Ok(layout) => layout,
            Err(reason) => return self.refuse(reason, metadata, frame.len(), effects),
        };
        let offload = unfinished::finish_sctp(frame, &layout, offload);
        let (length, tracked) = (frame.len(), Tracked::default());
        let mut packet = Packet { frame, offload, layout, tracked, metadata, options, length };
        let next = self.pass(&key, None, &mut packet, now, effects);
        if next.is_some() || !self.machine.pending.is_empty() {
            self.go_on(next, &mut packet, now, effects);
        }
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
        self.packet_out_with_options(actions, frame, offload, (metadata, &[]), now, effects);
    }

    /// The same with Geneve options besides the metadata, as they stand on the wire.
    pub fn packet_out_with_options(
        &mut self,
        actions: &[Action],
        frame: &mut FrameBuf,
        offload: &Offload,
        (metadata, options): (&Metadata, &[u8]),
        now: u64,
        effects: &mut impl Effects,
    ) {
        let mut key = Key::ZERO;
        let layout = match self.read(&mut key, frame.bytes(), offload, metadata, options) {
            Ok(layout) => layout,
            Err(reason) => return self.refuse(reason, metadata, frame.len(), effects),
        };
        let offload = unfinished::finish_sctp(frame, &layout, offload);
        let (length, tracked) = (frame.len(), Tracked::default());
        let mut packet = Packet { frame, offload, layout, tracked, metadata, options, length };
        let verdict = self.once(now, |datapath| {
            let Datapath { state, continuations, .. } = datapath;
            translate_actions(&mut state.plane(continuations), &key, actions, &mut ())
        });
        let next = self.act(&verdict, &mut packet, now, effects);
        self.go_on(next, &mut packet, now, effects);
    }

    /// Lets a packet go on that waited for a controller.  `metadata` are the metadata fields that it is to have, as
    /// the controller was told them ([`PacketIn::key`](crate::PacketIn)) or has changed them.
    pub fn resume(
        &mut self,
        paused: &Frozen,
        metadata: &Key,
        frame: &mut FrameBuf,
        offload: &Offload,
        now: u64,
        effects: &mut impl Effects,
    ) {
        let in_port = metadata.field(Field::InPort) as u32;
        let origin = Metadata { in_port, tunnel: TunnelKey::of_key(metadata) };
        let mut key = Key::ZERO;
        let layout = match parse(&mut key, frame.bytes(), offload, &origin) {
            Ok(layout) => layout,
            Err(reason) => return self.refuse(reason, &origin, frame.len(), effects),
        };
        for field in Field::ALL.iter().filter(|field| field.is_metadata()) {
            key.set(*field, metadata.field(*field));
        }
        let (state, zone) = (metadata.field(Field::CtState) as u32, metadata.field(Field::CtZone) as u16);
        let (length, tracked) = (frame.len(), Tracked::assumed(state, zone));
        let offload = unfinished::finish_sctp(frame, &layout, offload);
        let options = self.state.options.emit(metadata).unwrap_or_default();
        let (metadata, options) = (&origin, &*options);
        let mut packet = Packet { frame, offload, layout, tracked, metadata, options, length };
        let from = Continuation::of_controller(paused.clone());
        let verdict = self.once(now, |datapath| {
            let Datapath { state, continuations, .. } = datapath;
            translate(&mut state.plane(continuations), &key, Some(&from), &mut ())
        });
        let next = self.act(&verdict, &mut packet, now, effects);
        self.go_on(next, &mut packet, now, effects);
    }

    /// Once through the tables, or through what is remembered of them.
    #[inline]
    fn pass(
        &mut self,
        key: &Key,
        from: Option<&Continuation>,
        packet: &mut Packet<'_>,
        now: u64,
        effects: &mut impl Effects,
    ) -> Option<Arc<Continuation>> {
        let entry = match self.cache.find(key) {
            Some(entry) if self.cache.version(entry) == self.state.tables.version() => {
                self.hits += 1;
                Some(entry)
            }
            stale => self.remember(key, from, stale, now),
        };
        let Some(verdict) = entry.and_then(|entry| self.cache.count(entry, packet.length, now)) else {
            let verdict = self.once(now, |datapath| datapath.translate(key, from));
            return self.act(&verdict, packet, now, effects);
        };
        self.machine.execute(&verdict.ops, verdict.last_send, packet, now, effects)
    }

    /// The packet and its copies go on until none is left.
    #[cold]
    #[inline(never)]
    fn go_on(
        &mut self,
        mut next: Option<Arc<Continuation>>,
        packet: &mut Packet<'_>,
        now: u64,
        effects: &mut impl Effects,
    ) {
        let mut passes = 1;
        while let Some(to) = next.take() {
            next = self.again(&to, packet, &mut passes, now, effects);
        }
        while let Some(copy) = self.machine.pending.pop_front() {
            self.go_on_with(copy, &mut passes, now, effects);
        }
    }

    fn go_on_with(&mut self, copy: Pass, passes: &mut usize, now: u64, effects: &mut impl Effects) {
        let Pass { mut frame, offload, tracked, metadata, options, goes_on } = copy;
        let (length, layout, metadata, options) = (frame.len(), Layout::default(), &metadata, &*options);
        let mut packet = Packet { frame: &mut frame, offload, layout, tracked, metadata, options, length };
        let mut next = match goes_on {
            GoesOn::At(to) => Some(to),
            GoesOn::With(rest) => {
                crate::extract::relayout(packet.frame.bytes(), &mut packet.layout);
                self.machine.execute(&rest.ops, rest.last_send, &mut packet, now, effects)
            }
        };
        while let Some(to) = next.take() {
            next = self.again(&to, &mut packet, passes, now, effects);
        }
        self.machine.give_back(frame);
    }

    /// One more time through the tables, with the packet read anew.
    fn again(
        &mut self,
        to: &Continuation,
        packet: &mut Packet<'_>,
        passes: &mut usize,
        now: u64,
        effects: &mut impl Effects,
    ) -> Option<Arc<Continuation>> {
        *passes += 1;
        packet.length = packet.frame.len();
        if *passes > MAX_PASSES {
            self.machine.lose(packet, DropReason::TooManyPasses.into(), effects);
            return None;
        }
        let mut key = Key::ZERO;
        let layout = match parse(&mut key, packet.frame.bytes(), &packet.offload, packet.metadata) {
            Ok(layout) => layout,
            Err(reason) => {
                self.machine.lose(packet, reason.into(), effects);
                return None;
            }
        };
        packet.layout = layout;
        // They have been read once already.
        let _ = self.state.options.extract(packet.options, &mut key);
        packet.tracked.write(&mut key);
        to.write(&mut key);
        self.pass(&key, Some(to), packet, now, effects)
    }

    #[cold]
    #[inline(never)]
    fn remember(
        &mut self,
        key: &Key,
        from: Option<&Continuation>,
        stale: Option<u32>,
        now: u64,
    ) -> Option<u32> {
        if let Some(entry) = stale.filter(|entry| self.is_still_right(*entry)) {
            self.hits += 1;
            self.cache.confirm(entry, self.state.tables.version());
            return Some(entry);
        }
        self.misses += 1;
        if !self.is_caching {
            return None;
        }
        let made = self.settled(now, |datapath| datapath.translate(key, from));
        if !made.verdict.is_lasting {
            return None;
        }
        let version = self.state.tables.version();
        Some(match stale {
            Some(entry) => self.cache.replace(entry, key, made, version, &mut self.state),
            None => self.cache.insert(key, made, version, &mut self.state),
        })
    }

    fn is_still_right(&self, entry: u32) -> bool {
        let version = self.cache.version(entry);
        self.cache.verdict(entry).is_some_and(|verdict| self.state.tables.is_current(verdict, version))
    }

    fn translate(&mut self, key: &Key, from: Option<&Continuation>) -> Translation {
        let Datapath { state, continuations, .. } = self;
        translate(&mut state.plane(continuations), key, from, &mut ())
    }

    /// Walks the tables, and once more where the packet has taught the switch something: it is then treated as the
    /// next one like it will be.
    fn settled(&mut self, now: u64, walk: impl Fn(&mut Datapath) -> Translation) -> Translation {
        let before = self.state.tables.version();
        let made = walk(self);
        if made.verdict.consequences.is_empty() {
            return made;
        }
        if self.state.needs_credit(&made.verdict) {
            self.cache.credit(&mut self.state);
        }
        self.state.settle(&made.verdict, now);
        if self.state.tables.version() == before {
            return made;
        }
        let made = walk(self);
        self.state.settle(&made.verdict, now);
        made
    }

    /// The verdict of one packet, which is not remembered but counted.
    fn once(&mut self, now: u64, walk: impl Fn(&mut Datapath) -> Translation) -> Verdict {
        self.settled(now, walk).verdict
    }

    fn act(
        &mut self,
        verdict: &Verdict,
        packet: &mut Packet<'_>,
        now: u64,
        effects: &mut impl Effects,
    ) -> Option<Arc<Continuation>> {
        let (bytes, version) = (packet.length as u64, self.state.tables.version());
        let credit = Credit { packets: 1, bytes, used_ns: now, version };
        crate::cache::Ledger::credit(&mut self.state, verdict, credit);
        self.machine.execute(&verdict.ops, verdict.last_send, packet, now, effects)
    }

    /// Writes what a packet holds to a key that is zero.
    #[inline]
    pub(super) fn read(
        &self,
        key: &mut Key,
        frame: &[u8],
        offload: &Offload,
        metadata: &Metadata,
        options: &[u8],
    ) -> Result<Layout, DropReason> {
        let layout = parse(key, frame, offload, metadata)?;
        if !options.is_empty() {
            self.state.options.extract(options, key)?;
        }
        Ok(layout)
    }

    #[cold]
    fn refuse(&mut self, reason: DropReason, metadata: &Metadata, bytes: usize, effects: &mut impl Effects) {
        let mut losses = Losses { counters: &mut self.machine.drops, in_port: metadata.in_port };
        losses.count(reason.into(), bytes, effects);
    }
}

#[inline]
fn parse(key: &mut Key, frame: &[u8], offload: &Offload, metadata: &Metadata) -> Result<Layout, DropReason> {
    let layout = extract_to(key, frame, metadata)?;
    unfinished::check(frame, &layout, offload)?;
    Ok(layout)
}
