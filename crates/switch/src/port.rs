//! Ports: a device or a tunnel, with counters.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use tulle_flow::port;
use tulle_io::{DevicePort, Received, Sent, Tap};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, Mac};

use crate::capture::Capture;
use crate::counters::PortCounters;
use crate::patch::PatchPeer;
use crate::policing::Policer;
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
const LEAST_RING_SLOTS: usize = 128;

/// How long a ring a further port gets: a sixteenth of what is left, so early ports bridge a pause of
/// the thread and late ones, from about the fiftieth on, receive by system calls.
pub(crate) fn ring_slots_for_one_more(taken: usize) -> u32 {
    let share = MOST_RING_SLOTS.saturating_sub(taken) / 16;
    if share < LEAST_RING_SLOTS { 0 } else { share as u32 }
}

/// What a port leads to.
#[derive(Debug)]
pub(crate) enum Link {
    /// A TAP device.
    Tap(Tap),
    /// An existing device.
    Device(Box<DevicePort>),
    /// A tunnel to one peer.
    Tunnel(Tunnel),
    /// The other end of a patch, where there is one.
    Patch(Option<PatchPeer>),
}

/// One port.
#[derive(Debug)]
pub(crate) struct Port {
    pub name: String,
    pub mac: Mac,
    pub link: Link,
    pub counters: PortCounters,
    pub capture: Option<Capture>,
    pub policer: Option<Policer>,
    pub is_up: bool,
    pub has_link: bool,
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
            link,
            counters: PortCounters::default(),
            capture: None,
            policer: None,
            is_up: true,
            has_link: true,
            since_ns: tulle_io::clock::monotonic_ns(),
            may_be_direct: false,
        }
    }

    /// The descriptor to wait for; a tunnel shares the underlay's, a patch the jobs'.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.link {
            Link::Tap(tap) => Some(tap.as_fd()),
            Link::Device(device) => Some(device.as_fd()),
            Link::Tunnel(_) | Link::Patch(_) => None,
        }
    }

    /// Goes on where another process that had the same descriptor has left off.
    pub(crate) fn catch_up(&mut self) {
        if let Link::Device(device) = &mut self.link {
            device.catch_up();
        }
    }

    /// Receives one frame from the device.
    #[inline]
    pub(crate) fn receive(&mut self, frame: &mut FrameBuf, offload: &mut Offload) -> io::Result<Received> {
        match &mut self.link {
            Link::Tap(tap) => tap.receive(frame, offload),
            Link::Device(device) => device.receive(frame, offload),
            Link::Tunnel(_) | Link::Patch(_) => Ok(Received::Nothing),
        }
    }

    /// The device, where frames come from it several at a time by one system call.
    #[inline]
    pub(crate) fn batched_device(&mut self) -> Option<&mut DevicePort> {
        match &mut self.link {
            Link::Device(device) if !device.has_ring() => Some(device),
            _ => None,
        }
    }

    /// The slots of its receive ring.
    pub(crate) fn ring_slots(&self) -> usize {
        if let Link::Device(device) = &self.link { device.ring_slots() } else { 0 }
    }

    /// What decides whether it sends directly, where that has been allowed.
    pub(crate) fn direct_port(&self, number: u32) -> Option<DirectPort> {
        let Link::Device(device) = &self.link else { return None };
        if !self.may_be_direct {
            return None;
        }
        let (ifindex, is_direct) = (device.ifindex(), device.is_direct());
        Some(DirectPort { number, ifindex, inode: device.inode().ok()?, is_direct })
    }

    /// Whether frames wait to be sent.
    #[inline]
    pub(crate) fn is_flushed(&self) -> bool {
        if let Link::Device(device) = &self.link { device.is_flushed() } else { true }
    }

    /// Sends what waits; the number of frames that were lost although they counted as sent, and why.
    pub(crate) fn flush(&mut self) -> Result<(), (u32, &'static str)> {
        let Link::Device(device) = &mut self.link else { return Ok(()) };
        let lost = device.flush();
        if lost.frames == 0 {
            return Ok(());
        }
        self.counters.lost_after_all(u64::from(lost.frames), lost.bytes);
        Err((lost.frames, outcome(Ok(lost.reason)).err().unwrap_or("device-failed")))
    }

    /// Frames that the kernel has dropped since the last call because nobody took them in time.
    pub(crate) fn missed(&mut self) -> u32 {
        let Link::Device(device) = &self.link else { return 0 };
        let missed = device.counters().map_or(0, |counters| counters.drops);
        self.counters.rx_dropped += u64::from(missed);
        missed
    }

    /// Takes the failure that the poller reports, where no receive call would meet it.
    pub(crate) fn take_failure(&self) -> io::Result<()> {
        match &self.link {
            Link::Device(device) if device.has_ring() => device.take_failure().map(drop),
            _ => Ok(()),
        }
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
    }
}
