//! What a thread has to send: staged while it has the engine, sent when it has given it back.
//!
//! Sending is most of a packet's cost and all of it the kernel's, so no other thread waits for it.  A frame counts as
//! sent when it is staged; where the device does not take it, that is put right ([`Lost`]).

use std::sync::Arc;

use tulle_io::clock::realtime_ns;
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

use crate::lane::Lane;
use crate::port::outcome;
use crate::tunnels::Leaving;

/// Frames that are staged before some have to go.
const MOST_FRAMES: usize = 64;
/// Bytes of them: what is in the processor's cache when it is staged should still be there when it is sent.
const MOST_BYTES: usize = 128 << 10;
/// Numbers of outer frames that each thread has for itself, so that recent ones differ between threads.
const FRAME_IDS: u32 = 1 << 26;

/// Frames that counted as sent and were lost after all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    /// The port; `None` for what came by the underlay and belongs to no port.
    pub port: Option<u32>,
    pub reason: &'static str,
    pub packets: u64,
    pub bytes: u64,
}

/// Where a staged frame goes.
#[derive(Debug)]
enum Way {
    /// To a device, by its place among the lanes in use.
    Lane(usize),
    /// Into a tunnel.
    Tunnel(Leaving),
}

#[derive(Debug)]
struct Staged {
    port: u32,
    way: Way,
    offload: Offload,
    /// Chooses a class of the device's queueing discipline.
    priority: u32,
    frame: FrameBuf,
}

/// The frames that a thread has staged, and what it needs to send them.
#[derive(Debug)]
pub(crate) struct Sender {
    /// The thread's place among those of the switch.
    pub thread: usize,
    staged: Vec<Staged>,
    bytes: usize,
    /// Lanes in use, with their ports.
    lanes: Vec<(u32, Arc<Lane>)>,
    spare: Vec<FrameBuf>,
    scratch: FrameBuf,
    frame_id: u32,
    lost: Vec<Lost>,
}

impl Sender {
    pub(crate) fn new(thread: usize) -> Box<Sender> {
        // After a restart, ids must not meet those of frames that are still being put together.
        let frame_id = (realtime_ns() as u32).wrapping_add(FRAME_IDS.wrapping_mul(thread as u32));
        Box::new(Sender {
            thread,
            staged: Vec::new(),
            bytes: 0,
            lanes: Vec::new(),
            spare: Vec::new(),
            scratch: FrameBuf::new(),
            frame_id,
            lost: Vec::new(),
        })
    }

    /// Takes the buffer of a frame that goes to a device, and leaves another.
    #[inline]
    pub(crate) fn stage(
        &mut self,
        port: u32,
        lane: &Arc<Lane>,
        frame: &mut FrameBuf,
        offload: &Offload,
        priority: u32,
    ) {
        if self.lanes.last().is_none_or(|(_, last)| !Arc::ptr_eq(last, lane)) {
            self.lanes.push((port, Arc::clone(lane)));
        }
        self.push(port, Way::Lane(self.lanes.len() - 1), frame, offload, priority);
    }

    /// Takes the buffer of a frame that goes into a tunnel, and leaves another.
    #[inline]
    pub(crate) fn stage_tunnel(
        &mut self,
        port: u32,
        leaving: Leaving,
        frame: &mut FrameBuf,
        offload: &Offload,
    ) {
        self.push(port, Way::Tunnel(leaving), frame, offload, 0);
    }

    #[inline]
    fn push(&mut self, port: u32, way: Way, frame: &mut FrameBuf, offload: &Offload, priority: u32) {
        self.bytes += frame.len();
        let frame = std::mem::replace(frame, self.spare.pop().unwrap_or_default());
        self.staged.push(Staged { port, way, offload: *offload, priority, frame });
        // A flood to many ports: the others wait for once, rather than that memory had no bound.
        if self.staged.len() >= MOST_FRAMES || self.bytes >= MOST_BYTES {
            self.send();
        }
    }

    /// Sends what is staged, in order.
    pub(crate) fn send(&mut self) {
        let Self { staged, lanes, scratch, frame_id, lost, .. } = self;
        for run in staged.chunk_by_mut(|one, next| one.lane().is_some() && one.lane() == next.lane()) {
            match run[0].lane().map(|at| &*lanes[at].1) {
                Some(lane) => send_to(lane, run, lost),
                None => run.iter_mut().for_each(|frame| encapsulate(frame, scratch, frame_id, lost)),
            }
        }
        for (port, lane) in lanes.drain(..) {
            flush(port, &lane, lost);
        }
        self.spare.extend(staged.drain(..).map(|staged| staged.frame));
        self.bytes = 0;
    }

    /// Notes a loss that is no port's.
    pub(crate) fn lose(&mut self, reason: &'static str) {
        note(&mut self.lost, Lost { port: None, reason, packets: 1, bytes: 0 });
    }

    /// Whether losses are to be counted.
    #[inline]
    pub(crate) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// The losses since the last call.
    pub(crate) fn take_lost(&mut self) -> Vec<Lost> {
        std::mem::take(&mut self.lost)
    }
}

impl Staged {
    #[inline]
    fn lane(&self) -> Option<usize> {
        if let Way::Lane(at) = &self.way { Some(*at) } else { None }
    }
}

/// Sends frames that follow one another by one lane.
#[inline]
fn send_to(lane: &Lane, run: &mut [Staged], lost: &mut Vec<Lost>) {
    let mut device = lane.device();
    for staged in run {
        let bytes = staged.frame.bytes();
        let result = match (lane, &mut device) {
            (Lane::Tap(tap), _) => tap.send(bytes, &staged.offload),
            (Lane::Device(_), Some(device)) => device.send_as(bytes, &staged.offload, staged.priority),
            (Lane::Device(_), None) => return,
        };
        if let Err(reason) = outcome(result) {
            note(lost, Lost { port: Some(staged.port), reason, packets: 1, bytes: bytes.len() as u64 });
        }
    }
}

#[inline]
fn flush(port: u32, lane: &Lane, lost: &mut Vec<Lost>) {
    let Some(gone) = lane.device().map(|mut device| device.flush()) else { return };
    if gone.frames > 0 {
        let reason = outcome(Ok(gone.reason)).err().unwrap_or("device-failed");
        note(lost, Lost { port: Some(port), reason, packets: u64::from(gone.frames), bytes: gone.bytes });
    }
}

#[inline]
fn encapsulate(staged: &mut Staged, scratch: &mut FrameBuf, frame_id: &mut u32, lost: &mut Vec<Lost>) {
    let Way::Tunnel(leaving) = &staged.way else { return };
    let bytes = staged.frame.len() as u64;
    let sent = leaving.uplink.send(leaving, &mut staged.frame, &staged.offload, scratch, frame_id);
    if let Err(reason) = sent {
        note(lost, Lost { port: Some(staged.port), reason, packets: 1, bytes });
    }
}

/// Adds a loss to others of its port and reason, so that the list stays short.
#[cold]
fn note(lost: &mut Vec<Lost>, one: Lost) {
    match lost.iter_mut().find(|other| (other.port, other.reason) == (one.port, one.reason)) {
        Some(other) => {
            other.packets += one.packets;
            other.bytes += one.bytes;
        }
        None => lost.push(one),
    }
}
