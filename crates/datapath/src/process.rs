//! Does what verdicts say: the operations on a frame, and what they need of the switch.

mod meter;
mod track;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::continuation::Continuation;
use crate::drop::{DropCounters, DropReason};
use crate::extract::Layout;
use crate::metadata::{Metadata, Tracked};
use crate::meters::Meters;
use crate::rewrite::{self, rewrite};
use crate::verdict::{Branch, Drop, Egress, Op, PacketIn};
use tulle_flow::Sample;
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

pub(crate) use track::Tracker;

/// Buffers kept for later use; more are given back to the system.
const MOST_SPARE: usize = 64;

/// What the switch wants done with packets.  Each packet processed causes at least one of these, unless it is a
/// fragment that the tracker holds until its datagram is whole.
pub trait Effects {
    /// Send a frame.  The frame may be changed or destroyed; `last` says that it is the packet's own buffer rather
    /// than a copy.
    fn output(&mut self, to: &Egress, frame: &mut FrameBuf, offload: &Offload, last: bool);

    /// Send a frame to the controller; cutting it to `info.max_len` is left to the receiver.
    fn packet_in(&mut self, frame: &[u8], offload: &Offload, info: &PacketIn);

    /// A packet, or a copy of it, was lost; it has been counted.
    fn dropped(&mut self, drop: Drop, in_port: u32, length_bytes: usize);

    /// A packet was chosen as a sample for a collector; it goes on, so this is not an effect by itself.
    fn sampled(&mut self, sample: &Sample, frame: &[u8], offload: &Offload, in_port: u32) {
        let _ = (sample, frame, offload, in_port);
    }
}

/// Where a packet came in, and what to count its losses in.
pub(crate) struct Losses<'a> {
    pub counters: &'a mut DropCounters,
    pub in_port: u32,
}

impl Losses<'_> {
    #[inline]
    pub fn count(&mut self, drop: Drop, bytes: usize, effects: &mut impl Effects) {
        self.counters.count(self.in_port, drop.reason, drop.table);
        effects.dropped(drop, self.in_port, bytes);
    }
}

/// A packet while its verdict is carried out.
pub(crate) struct Packet<'a> {
    pub frame: &'a mut FrameBuf,
    pub offload: Offload,
    pub layout: Layout,
    pub tracked: Tracked,
    pub metadata: &'a Metadata,
    /// The options of the Geneve header that it came in.
    pub options: &'a [u8],
    /// Bytes of the frame as it came; the frame itself may be gone after the last operation that sends it.
    pub length: usize,
}

/// A copy of a packet that is to go through the switch again.
#[derive(Debug)]
pub(crate) struct Pass {
    pub frame: FrameBuf,
    pub offload: Offload,
    pub tracked: Tracked,
    pub metadata: Metadata,
    pub options: Box<[u8]>,
    pub goes_on: GoesOn,
}

/// How a copy goes on.
#[derive(Debug)]
pub(crate) enum GoesOn {
    /// In the tables.
    At(Arc<Continuation>),
    /// With the rest of its verdict, behind the tracker that held it.
    With(Arc<Branch>),
}

/// All that carrying out verdicts needs.
#[derive(Debug)]
pub(crate) struct Machine {
    pub meters: Meters,
    pub tracker: Tracker,
    pub drops: DropCounters,
    pub pending: VecDeque<Pass>,
    spare: Vec<FrameBuf>,
    scratch: FrameBuf,
    random: u64,
}

/// What becomes of a packet when its operations are done.
enum Next {
    /// Nothing more.
    Done,
    /// It goes through the switch again.
    Again(Arc<Continuation>),
}

impl Machine {
    pub fn new(tracker: Tracker, seed: u64) -> Machine {
        Machine {
            meters: Meters::default(),
            tracker,
            drops: DropCounters::default(),
            pending: VecDeque::new(),
            spare: Vec::new(),
            scratch: FrameBuf::new(),
            random: seed | 1,
        }
    }

    #[inline]
    pub fn lose(&mut self, packet: &Packet<'_>, drop: Drop, effects: &mut impl Effects) {
        let mut losses = Losses { counters: &mut self.drops, in_port: packet.metadata.in_port };
        losses.count(drop, packet.length, effects);
    }

    /// Carries out a verdict.  Gives where the packet goes on, if it does; copies that go on are left in `pending`.
    #[inline]
    pub fn execute(
        &mut self,
        ops: &[Op],
        last_send: usize,
        packet: &mut Packet<'_>,
        now: u64,
        effects: &mut impl Effects,
    ) -> Option<Arc<Continuation>> {
        match self.run(ops, last_send, true, packet, now, effects) {
            Next::Done => None,
            Next::Again(continuation) => Some(continuation),
        }
    }

    #[inline]
    fn run(
        &mut self,
        ops: &[Op],
        last_send: usize,
        is_own: bool,
        packet: &mut Packet<'_>,
        now: u64,
        effects: &mut impl Effects,
    ) -> Next {
        for (i, op) in ops.iter().enumerate() {
            let is_last = i == last_send;
            match op {
                Op::Set { field, value, mask } => {
                    let (layout, offload) = (&packet.layout, &packet.offload);
                    rewrite(packet.frame.bytes_mut(), layout, offload, *field, *value, *mask);
                }
                Op::Output(to) => self.output(to, packet, is_last, is_own, effects),
                Op::Drop(drop) => self.lose(packet, *drop, effects),
                Op::Resume(to) if is_last => return Next::Again(Arc::clone(to)),
                Op::Meter { meter, drop } => {
                    if !self.meter(*meter, *drop, packet, now, effects) {
                        return Next::Done;
                    }
                }
                Op::Track(track) => {
                    if !self.track(track, &ops[i + 1..], packet, now, effects) {
                        return Next::Done;
                    }
                }
                other => match self.rare(other, is_last, packet, now, effects) {
                    Rare::GoOn => {}
                    Rare::End(next) => return next,
                },
            }
        }
        Next::Done
    }

    #[inline]
    fn output(
        &mut self,
        to: &Egress,
        packet: &mut Packet<'_>,
        is_last: bool,
        is_own: bool,
        effects: &mut impl Effects,
    ) {
        if is_last && to.max_len == u32::MAX {
            return effects.output(to, packet.frame, &packet.offload, is_own);
        }
        self.scratch.fill(packet.frame.bytes());
        if to.max_len as usize >= packet.frame.len() {
            return effects.output(to, &mut self.scratch, &packet.offload, false);
        }
        // Neither a checksum nor segments can be made of a packet that is cut off.
        self.scratch.truncate(to.max_len as usize);
        effects.output(to, &mut self.scratch, &Offload::default(), false);
    }

    #[cold]
    #[inline(never)]
    fn rare(
        &mut self,
        op: &Op,
        is_last: bool,
        packet: &mut Packet<'_>,
        now: u64,
        effects: &mut impl Effects,
    ) -> Rare {
        let Packet { frame, layout, offload, .. } = packet;
        match op {
            Op::PushVlan { tpid, tci } => {
                let is_done = rewrite::push_vlan(frame, layout, offload, *tpid, *tci);
                return self.unless_full(is_done, packet, effects);
            }
            Op::PushMpls { ethertype, entry } => {
                let is_done = rewrite::push_mpls(frame, layout, offload, *ethertype, *entry);
                return self.unless_full(is_done, packet, effects);
            }
            Op::PushPbb(tag) => {
                let is_done = rewrite::push_pbb(frame, layout, offload, *tag);
                return self.unless_full(is_done, packet, effects);
            }
            Op::PopPbb => rewrite::pop_pbb(frame, layout, offload),
            Op::PopVlan => rewrite::pop_vlan(frame, layout, offload),
            Op::PopMpls(ethertype) => rewrite::pop_mpls(frame, layout, offload, *ethertype),
            Op::CopyTtlOut => rewrite::copy_ttl_out(frame, layout),
            Op::CopyTtlIn => rewrite::copy_ttl_in(frame, layout),
            Op::Controller(info) => self.tell(info, packet, now, effects),
            Op::Clone(branch) => self.branch(branch, packet, now, effects),
            Op::CtClear => packet.tracked = Tracked::default(),
            Op::Resume(to) => self.put_off(packet, Arc::clone(to)),
            Op::ResumeByLength { length, longer, others } => {
                let is_longer = frame.len() > usize::from(*length);
                let to = Arc::clone(if is_longer { longer } else { others });
                if is_last {
                    return Rare::End(Next::Again(to));
                }
                self.put_off(packet, to);
            }
            Op::Sample(sample) => self.sample(sample, packet, effects),
            Op::Set { .. } | Op::Output(_) | Op::Drop(_) | Op::Meter { .. } | Op::Track(_) => {}
        }
        Rare::GoOn
    }

    /// A header for which the buffer has no room ends the packet.
    fn unless_full(&mut self, is_done: bool, packet: &Packet<'_>, effects: &mut impl Effects) -> Rare {
        if is_done {
            return Rare::GoOn;
        }
        self.lose(packet, DropReason::NoHeadroom.into(), effects);
        Rare::End(Next::Done)
    }

    fn tell(&mut self, info: &PacketIn, packet: &Packet<'_>, now: u64, effects: &mut impl Effects) {
        if self.passes_controller_meter(info, packet.frame.len(), now) {
            return effects.packet_in(packet.frame.bytes(), &packet.offload, info);
        }
        let (reason, table) = (DropReason::ControllerMeter, Some(info.table));
        self.lose(packet, Drop { reason, table, cookie: Some(info.cookie) }, effects);
    }

    fn branch(&mut self, branch: &Branch, packet: &Packet<'_>, now: u64, effects: &mut impl Effects) {
        let mut copy = self.copy(packet);
        let Packet { offload, layout, tracked, metadata, options, length, .. } = *packet;
        let mut of_copy = Packet { frame: &mut copy, offload, layout, tracked, metadata, options, length };
        match self.run(&branch.ops, branch.last_send, false, &mut of_copy, now, effects) {
            Next::Done => self.give_back(copy),
            Next::Again(to) => {
                let (offload, tracked) = (of_copy.offload, of_copy.tracked);
                let (metadata, options) = (*packet.metadata, packet.options.into());
                let goes_on = GoesOn::At(to);
                self.pending.push_back(Pass { frame: copy, offload, tracked, metadata, options, goes_on });
            }
        }
    }

    fn put_off(&mut self, packet: &Packet<'_>, to: Arc<Continuation>) {
        let frame = self.copy(packet);
        let Packet { offload, tracked, metadata, .. } = *packet;
        let goes_on = GoesOn::At(to);
        let (metadata, options) = (*metadata, packet.options.into());
        self.pending.push_back(Pass { frame, offload, tracked, metadata, options, goes_on });
    }

    fn sample(&mut self, sample: &Sample, packet: &Packet<'_>, effects: &mut impl Effects) {
        // xorshift: good enough to choose samples by, and foretold by nobody who does not know the seed.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        if (self.random >> 16) % 65_535 < u64::from(sample.probability) {
            effects.sampled(sample, packet.frame.bytes(), &packet.offload, packet.metadata.in_port);
        }
    }

    /// A copy of the packet's frame in a buffer of its own.
    fn copy(&mut self, packet: &Packet<'_>) -> FrameBuf {
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.fill(packet.frame.bytes());
        copy
    }

    pub fn give_back(&mut self, frame: FrameBuf) {
        if self.spare.len() < MOST_SPARE {
            self.spare.push(frame);
        }
    }
}

/// Whether the operations after a rare one are still to be done.
enum Rare {
    GoOn,
    End(Next),
}
