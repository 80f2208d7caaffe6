//! Patch ports: a frame that leaves one bridge by them enters another bridge of the same process.
//!
//! Every bridge has a thread of its own, so frames cross by a queue of the receiving bridge: in order, bounded,
//! with a count of crossings, since bridges may be patched into a ring.

use std::sync::{Arc, Mutex, PoisonError};

use tulle_io::Waker;
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

/// Frames that may wait to enter a bridge.
const MOST_FRAMES: usize = 4096;
/// Bytes of frames that may wait to enter a bridge.
const MOST_BYTES: usize = 32 << 20;
/// Bridges that a frame may enter by patch ports, as deep as Open vSwitch nests a packet's walk.
const MOST_CROSSINGS: u8 = 64;

/// A frame on its way into a bridge.
#[derive(Debug)]
pub(crate) struct Crossing {
    /// The port by which it enters.
    pub port: u32,
    /// Bridges that it has entered by patch ports, this one too.
    pub crossings: u8,
    pub offload: Offload,
    pub frame: Vec<u8>,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: Vec<Crossing>,
    bytes: usize,
    /// Buffers that have been used, to be used again.
    spare: Vec<Vec<u8>>,
}

/// Where frames wait to enter a bridge.
#[derive(Debug)]
pub struct PatchInbox {
    waiting: Mutex<Waiting>,
    waker: Arc<Waker>,
}

impl PatchInbox {
    pub(crate) fn new(waker: Arc<Waker>) -> PatchInbox {
        PatchInbox { waiting: Mutex::default(), waker }
    }

    /// Copies a frame into the queue; the drop reason's name where there is no room.
    fn put(&self, port: u32, crossings: u8, frame: &FrameBuf, offload: &Offload) -> Result<(), &'static str> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.frames.len() >= MOST_FRAMES || waiting.bytes + frame.len() > MOST_BYTES {
            return Err("patch-queue-full");
        }
        let mut bytes = waiting.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(frame.bytes());
        waiting.bytes += bytes.len();
        waiting.frames.push(Crossing { port, crossings, offload: *offload, frame: bytes });
        let is_first = waiting.frames.len() == 1;
        drop(waiting);
        if is_first {
            self.waker.wake();
        }
        Ok(())
    }

    /// Everything that waits, in exchange for an empty list.
    pub(crate) fn take(&self, frames: &mut Vec<Crossing>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.frames, frames);
        waiting.bytes = 0;
    }

    /// Gives the buffers of frames back; large ones are let go.
    pub(crate) fn recycle(&self, frames: &mut Vec<Crossing>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for crossing in frames.drain(..) {
            if waiting.spare.len() < 64 && crossing.frame.capacity() <= 4096 {
                waiting.spare.push(crossing.frame);
            }
        }
    }
}

/// The other end of a patch port.
#[derive(Clone, Debug)]
pub(crate) struct PatchPeer {
    pub inbox: Arc<PatchInbox>,
    pub port: u32,
}

impl PatchPeer {
    /// Sends a frame that has crossed `crossings` patch ports before.
    pub(crate) fn send(
        &self,
        crossings: u8,
        frame: &FrameBuf,
        offload: &Offload,
    ) -> Result<(), &'static str> {
        if crossings >= MOST_CROSSINGS {
            return Err("patch-loop");
        }
        self.inbox.put(self.port, crossings + 1, frame, offload)
    }
}
