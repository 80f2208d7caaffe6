//! Ports: a device or a tunnel, with counters.

use std::io;
use std::sync::Arc;

use tulle_flow::port;
use tulle_io::clock::monotonic_ns;
use tulle_io::{Sent, Tap};
use tulle_wire::{FrameBuf, Mac};

use crate::capture::Capture;
use crate::counters::PortCounters;
use crate::health::Health;
use crate::lane::Lane;
use crate::patch::PatchPeer;
use crate::policing::Policer;
use crate::queueing::{Queues, set_dscp};
use crate::tunnels::Tunnel;
use crate::watch::DirectPort;

/// Largest port number that is not reserved.
pub(crate) const MOST_PORTS: u32 = 65279;

/// Where a port stands in the list of ports: the bridge's own one first, since no port has number 0.
#[inline]
pub(crate) fn slot(number: u32) -> usize {
    if number == port::LOCAL { 0 } else { number as usize }
}

/// The number of the port in a slot.
pub(crate) fn number_in(slot: usize) -> u32 {
    if slot == 0 { port::LOCAL } else { slot as u32 }
}

/// Slots of receive rings that a switch has for all its ports: 64 MB.
const MOST_RING_SLOTS: usize = 32 << 10;
/// A shorter ring would lose frames whenever the thread pauses, which the socket's queue does not.
const LEAST_RING_SLOTS: u32 = 128;

/// How long a ring a further port gets: a sixteenth of what is left, so early ports bridge a pause of
/// the thread and late ones, from about the fiftieth on, receive by system calls.
pub(crate) fn ring_slots_for_one_more(taken: usize) -> u32 {
    long_enough(MOST_RING_SLOTS.saturating_sub(taken) as u32 / 16)
}

/// No ring rather than one that is too short.
pub(crate) fn long_enough(ring_slots: u32) -> u32 {
    if ring_slots < LEAST_RING_SLOTS { 0 } else { ring_slots }
}

/// What a port leads to.
#[derive(Debug)]
pub(crate) enum Link {
    /// A device: a lane for each thread, or one for all.
    Device(Vec<Arc<Lane>>),
    /// A tunnel.
    Tunnel(Box<Tunnel>),
    /// The other end of a patch, where there is one.
    Patch(Option<PatchPeer>),
}

/// One port.
#[derive(Debug)]
pub(crate) struct Port {
    pub name: String,
    pub mac: Mac,
    /// The kernel's index of its device; 0 where there is none.
    pub ifindex: u32,
    pub link: Link,
    pub counters: PortCounters,
    pub capture: Option<Capture>,
    pub policer: Option<Policer>,
    /// Limits ICMP errors to it, once there was one.
    pub errors: Option<Box<Policer>>,
    pub queues: Option<Box<Queues>>,
    pub is_up: bool,
    pub has_link: bool,
    /// The session that says whether a tunnel works, where there is one.
    pub health: Option<Box<Health>>,
    /// When it came.
    pub since_ns: u64,
    /// Small frames may go past the queueing discipline where there is none.
    pub may_be_direct: bool,
}

impl Port {
    pub(crate) fn new(name: String, mac: Mac, link: Link) -> Port {
        Port {
            name,
            mac,
            ifindex: 0,
            link,
            counters: PortCounters::default(),
            capture: None,
            policer: None,
            errors: None,
            queues: None,
            is_up: true,
            has_link: true,
            health: None,
            since_ns: monotonic_ns(),
            may_be_direct: false,
        }
    }

    /// Whether packets that are sent by it may arrive somewhere.
    pub(crate) fn is_live(&self) -> bool {
        let is_healthy = self.health.as_ref().is_none_or(|health| health.session.is_forwarding());
        self.is_up && self.has_link && is_healthy
    }

    /// All lanes, where it is a device.
    pub(crate) fn lanes(&self) -> &[Arc<Lane>] {
        if let Link::Device(lanes) = &self.link { lanes } else { &[] }
    }

    /// The lane by which one of so many threads receives, if it does; single ones are dealt out by port number.
    pub(crate) fn lane_of(&self, number: u32, thread: usize, threads: usize) -> Option<&Arc<Lane>> {
        match self.lanes() {
            [only] => (number as usize % threads == thread).then_some(only),
            lanes => lanes.get(thread),
        }
    }

    /// Goes on where another process that had the same descriptors has left off.
    pub(crate) fn catch_up(&self) {
        for mut device in self.lanes().iter().filter_map(|lane| lane.device()) {
            device.catch_up();
        }
    }

    /// The first queue, where it is a TAP device.
    pub(crate) fn tap(&self) -> Option<&Tap> {
        self.lanes().first()?.tap()
    }

    /// The slots of its receive rings.
    pub(crate) fn ring_slots(&self) -> usize {
        self.lanes().iter().filter_map(|lane| Some(lane.device()?.ring_slots())).sum()
    }

    /// What decides whether it sends directly, where that has been allowed: of each lane.
    pub(crate) fn direct_ports(&self, number: u32) -> Vec<DirectPort> {
        let lanes = self.lanes().iter().enumerate().filter(|_| self.may_be_direct);
        let direct = lanes.filter_map(|(at, lane)| {
            let device = lane.device()?;
            let (ifindex, is_direct, inode) = (device.ifindex(), device.is_direct(), device.inode().ok()?);
            // A device has one queue, and that takes one direct sender.
            Some(DirectPort { number, ifindex, inode, is_direct, may_be_direct: at == 0 })
        });
        direct.collect()
    }

    /// Frames that the kernel has dropped since the last call because nobody took them in time.
    pub(crate) fn missed(&mut self) -> u32 {
        let drops = |lane: &Arc<Lane>| Some(lane.device()?.counters().ok()?.drops);
        let missed = self.lanes().iter().filter_map(drops).sum();
        self.counters.rx_dropped += u64::from(missed);
        missed
    }

    /// Lets a frame into a queue, and marks it as the queue asks for.  The drop reason's name where the queue has no
    /// room.
    #[inline]
    pub(crate) fn enqueue(&mut self, queue: Option<u32>, frame: &mut FrameBuf) -> Result<(), &'static str> {
        let Some(queues) = &mut self.queues else { return Ok(()) };
        if !queues.admits(queue, frame.len(), monotonic_ns()) {
            self.counters.tx_dropped += 1;
            return Err("queue-limited");
        }
        if let Some(dscp) = queues.mark(queue) {
            set_dscp(frame.bytes_mut(), dscp);
        }
        Ok(())
    }

    /// Copies a frame into the capture, where there is one.
    #[inline]
    pub(crate) fn record(&mut self, frame: &[u8]) {
        if let Some(capture) = &mut self.capture {
            capture.write(frame);
        }
    }
}

/// Sends one frame to a device; the name of the drop reason where it was not taken.
#[inline]
pub(crate) fn outcome(result: io::Result<Sent>) -> Result<(), &'static str> {
    match result {
        Ok(Sent::Sent) => Ok(()),
        Ok(Sent::QueueFull) => Err("device-queue-full"),
        Ok(Sent::DeviceDown) => Err("device-down"),
        Ok(Sent::TooLong) => Err("device-frame-too-long"),
        Ok(Sent::Refused) => Err("device-refused"),
        Err(_) => Err("device-failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_become_shorter_and_together_keep_to_the_limit() {
        let (mut taken, mut rings) = (0, Vec::new());
        while let slots @ 1.. = ring_slots_for_one_more(taken) {
            rings.push(slots);
            // The kernel rounds up to blocks of 32 slots.
            taken += (slots as usize).next_multiple_of(32);
        }
        assert!(rings.is_sorted_by(|longer, shorter| longer >= shorter), "{rings:?}");
        assert!((40..60).contains(&rings.len()), "{rings:?}");
        assert!(rings[0] == 2048 && taken <= MOST_RING_SLOTS, "{taken} slots");
        assert_eq!(ring_slots_for_one_more(usize::MAX), 0);
        assert_eq!((long_enough(127), long_enough(128)), (0, 128));
    }
}
