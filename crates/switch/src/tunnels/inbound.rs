//! Frames out of tunnels: what a thread takes apart and puts together before it has the engine.

use std::net::IpAddr;

use tulle_datapath::TunnelKey;
use tulle_encap::{Encap, Popped};
use tulle_io::clock::monotonic_ns;
use tulle_io::{Arrival, Guarded, Received};
use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, TcpMerger};

use super::directory::Attitude;
use super::kind::Receivers;
use super::receive::{Membership, key_of, wire_of};
use crate::sender::Sender;
use crate::threads::Shared;

/// Frames handed over together.
const MOST_FRAMES: usize = 32;
/// Bytes after which they are handed over: they should still be in the processor's cache.
const MOST_BYTES: usize = 128 << 10;
/// Flows whose segments are joined at a time.
const MOST_FLOWS: usize = 16;

/// By which way a frame came out of a tunnel, and what came along.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Passed {
    pub wire: Guarded,
    /// Whether this bridge counts it where it is lost.
    pub counts: bool,
    pub popped: Popped,
}

/// A frame that came out of a tunnel.
pub(crate) struct Inner {
    pub passed: Passed,
    pub frame: FrameBuf,
}

impl Inner {
    /// What flows may match of its tunnel.
    #[inline]
    pub(crate) fn key(&self) -> TunnelKey {
        key_of(&self.passed.popped)
    }
}

/// A thread's end of all tunnels.  The segments of an outer frame share addresses and ports, so they come to one
/// thread, and each thread puts together by itself.
pub(crate) struct Inbound {
    membership: Membership,
    receivers: Receivers,
    /// Joins what was cut before it went into the tunnel. Nothing is in it between two batches.
    merger: TcpMerger<Passed>,
    waiting: Waiting,
}

/// Inner frames that wait for the engine.
#[derive(Default)]
struct Waiting {
    frames: Vec<Inner>,
    bytes: usize,
    spare: Vec<FrameBuf>,
}

impl Inbound {
    pub(crate) fn new(membership: &Membership) -> Inbound {
        let mut inbound = Inbound {
            membership: membership.clone(),
            receivers: Receivers::default(),
            merger: TcpMerger::new(MOST_FLOWS),
            waiting: Waiting::default(),
        };
        inbound.join(membership);
        inbound
    }

    /// Knows the tunnels that the engine knows; what has been half received is kept.
    pub(crate) fn join(&mut self, membership: &Membership) {
        self.membership = membership.clone();
        self.receivers.keep(&self.membership.receptions());
    }

    /// Learns of tunnels that came and went.  To be called before each batch.
    #[inline]
    pub(crate) fn follow(&mut self) {
        if self.membership.follow() {
            self.receivers.keep(&self.membership.receptions());
        }
    }

    /// Takes one outer frame apart that came by a device; `is_alone` says that no other waits behind it.
    pub(crate) fn take(
        &mut self,
        arrival: &mut Arrival,
        device: u32,
        is_alone: bool,
        shared: &Shared,
        sender: &mut Box<Sender>,
        now: u64,
    ) {
        let Self { membership, receivers, merger, waiting } = self;
        let Some((wire, source)) = wire_of(arrival.frame.bytes()) else {
            return sender.lose("tunnel-outer-foreign");
        };
        let Some(counts) = taken(membership, wire, device, source) else { return };
        let Some(encap) = receivers.of(wire) else { return sender.lose("tunnel-outer-foreign") };
        if arrival.received != Received::Frame {
            return sender.lose("device-bad-frame");
        }
        let may_join = !is_alone || arrival.offload.gso == GsoKind::UdpL4;
        pop(encap, arrival, now, &mut |result, frame, is_given| match result {
            Ok(popped) => {
                let passed = Passed { wire, counts, popped };
                if !(may_join && waiting.join(merger, passed, frame, is_given)) {
                    waiting.add(passed, frame, is_given);
                }
                if waiting.is_full() {
                    waiting.hand_over(shared, sender);
                }
            }
            Err(reason) if counts => sender.lose(reason),
            Err(_) => {}
        });
    }

    /// Gives the engine what waits for it, and what was lost.
    pub(crate) fn hand_over(&mut self, shared: &Shared, sender: &mut Box<Sender>) {
        self.waiting.flush(&mut self.merger);
        if !self.waiting.frames.is_empty() || sender.has_lost() {
            self.waiting.hand_over(shared, sender);
        }
    }

    /// Forgets what has waited too long for its other parts.
    pub(crate) fn expire(&mut self, sender: &mut Sender, now: u64) {
        self.receivers.expire(now, &mut |reason| sender.lose(reason));
    }
}

/// Whether a packet is taken, and if so, whether it is counted where it is lost.
#[inline]
fn taken(membership: &Membership, wire: Guarded, device: u32, source: IpAddr) -> Option<bool> {
    match membership.attitude(wire, device, source) {
        Attitude::Leave => None,
        Attitude::Take => Some(false),
        Attitude::TakeAndCount => Some(true),
    }
}

/// Takes an inner frame, or why it was lost, and whether the frame's buffer may be replaced.
type Each<'a> = dyn FnMut(Result<Popped, &'static str>, &mut FrameBuf, bool) + 'a;

#[inline]
fn pop(encap: &mut dyn Encap, arrival: &mut Arrival, now: u64, each: &mut Each<'_>) {
    let is_given = encap.gives_buffers();
    encap.pop(&mut arrival.frame, &arrival.offload, now, &mut |result, frame| {
        each(result.map_err(|reason| reason.name()), frame, is_given);
    });
}

impl Waiting {
    /// Takes the buffer of a frame and leaves another, where it is the frame's alone; else a copy.
    fn add(&mut self, passed: Passed, frame: &mut FrameBuf, is_given: bool) {
        let mut other = self.spare.pop().unwrap_or_default();
        if is_given {
            std::mem::swap(&mut other, frame);
        } else {
            other.copy_from(frame, passed.popped.start(frame));
        }
        self.bytes += other.len();
        self.frames.push(Inner { passed, frame: other });
    }

    /// Lets a frame wait for the next segments of its flow; false where it does not, and everything that it must not
    /// overtake has been added.  Options would be lost, so frames that have them are not joined; STT's, which are given
    /// with their buffers, were not cut.
    fn join(
        &mut self,
        merger: &mut TcpMerger<Passed>,
        passed: Passed,
        frame: &FrameBuf,
        is_given: bool,
    ) -> bool {
        if is_given || passed.popped.has_options() {
            self.flush(merger);
            return false;
        }
        merger.offer(passed, frame, &passed.popped.offload, &mut |passed, frame, offload| {
            self.add_joined(passed, frame, offload);
        })
    }

    fn flush(&mut self, merger: &mut TcpMerger<Passed>) {
        merger.flush(&mut |passed, frame, offload| self.add_joined(passed, frame, offload));
    }

    fn add_joined(&mut self, passed: Passed, frame: &mut FrameBuf, offload: &Offload) {
        let mut passed = passed;
        passed.popped.offload = *offload;
        self.add(passed, frame, true);
    }

    fn is_full(&self) -> bool {
        self.frames.len() >= MOST_FRAMES || self.bytes >= MOST_BYTES
    }

    fn hand_over(&mut self, shared: &Shared, sender: &mut Box<Sender>) {
        let frames = &mut self.frames;
        shared.lend(sender, |engine| {
            engine.membership.follow();
            // Not the time before the wait for the engine: what other threads did meanwhile would be in the future.
            let now = monotonic_ns();
            frames.iter_mut().for_each(|inner| engine.deliver(inner, now));
        });
        self.spare.extend(self.frames.drain(..).map(|inner| inner.frame));
        self.bytes = 0;
    }
}
