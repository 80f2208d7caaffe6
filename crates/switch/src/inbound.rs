//! Frames out of tunnels: what a thread takes apart and puts together before it has the engine.

use std::sync::Arc;

use tulle_encap::Popped;
use tulle_io::{Arrival, Received};
use tulle_wire::FrameBuf;

use crate::sender::Sender;
use crate::threads::Shared;
use crate::tunnels::{Encapsulations, Kind, Uplink, kind_of};

/// Frames handed over together.
const MOST_FRAMES: usize = 32;
/// Bytes after which they are handed over: they should still be in the processor's cache.
const MOST_BYTES: usize = 128 << 10;

/// An inner frame.
struct Inner {
    kind: Kind,
    popped: Popped,
    frame: FrameBuf,
}

/// A thread's end of all tunnels.  The segments of an outer frame share addresses and ports, so they come to one
/// thread, and each thread puts together by itself.
pub(crate) struct Inbound {
    uplink: Arc<Uplink>,
    receivers: Encapsulations,
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
    pub(crate) fn new(uplink: &Arc<Uplink>) -> Inbound {
        Inbound { uplink: Arc::clone(uplink), receivers: uplink.receivers(), waiting: Waiting::default() }
    }

    /// Whether it is of this uplink.
    pub(crate) fn is_of(&self, uplink: &Arc<Uplink>) -> bool {
        Arc::ptr_eq(&self.uplink, uplink)
    }

    /// Takes one outer frame apart.
    pub(crate) fn take(
        &mut self,
        arrival: &mut Arrival,
        shared: &Shared,
        sender: &mut Box<Sender>,
        now: u64,
    ) {
        let Self { receivers, waiting, .. } = self;
        let Some(kind) = kind_of(arrival.frame.bytes()) else { return sender.lose("tunnel-outer-foreign") };
        if arrival.received != Received::Frame {
            return sender.lose("device-bad-frame");
        }
        let encap = receivers.of(kind);
        let is_given = encap.gives_buffers();
        encap.pop(&mut arrival.frame, &arrival.offload, now, &mut |result, frame| match result {
            Ok(popped) => {
                waiting.add(kind, popped, frame, is_given);
                if waiting.is_full() {
                    waiting.hand_over(shared, sender, now);
                }
            }
            Err(reason) => sender.lose(reason.name()),
        });
    }

    /// Gives the engine what waits for it, and what was lost.
    pub(crate) fn hand_over(&mut self, shared: &Shared, sender: &mut Box<Sender>, now: u64) {
        if !self.waiting.frames.is_empty() || sender.has_lost() {
            self.waiting.hand_over(shared, sender, now);
        }
    }

    /// Forgets what has waited too long for its other parts.
    pub(crate) fn expire(&mut self, sender: &mut Sender, now: u64) {
        for kind in [Kind::Stt, Kind::Vxlan] {
            self.receivers.of(kind).expire(now, &mut |reason| sender.lose(reason.name()));
        }
    }
}

impl Waiting {
    /// Takes the buffer of a frame and leaves another, where it is the frame's alone; else a copy.
    fn add(&mut self, kind: Kind, popped: Popped, frame: &mut FrameBuf, is_given: bool) {
        let mut other = self.spare.pop().unwrap_or_default();
        if is_given {
            std::mem::swap(&mut other, frame);
        } else {
            other.fill(frame.bytes());
        }
        self.bytes += other.len();
        self.frames.push(Inner { kind, popped, frame: other });
    }

    fn is_full(&self) -> bool {
        self.frames.len() >= MOST_FRAMES || self.bytes >= MOST_BYTES
    }

    fn hand_over(&mut self, shared: &Shared, sender: &mut Box<Sender>, now: u64) {
        let frames = &mut self.frames;
        shared.lend(sender, |engine| {
            for Inner { kind, popped, frame } in frames {
                engine.deliver(*kind, popped, frame, now);
            }
        });
        self.spare.extend(self.frames.drain(..).map(|inner| inner.frame));
        self.bytes = 0;
    }
}
