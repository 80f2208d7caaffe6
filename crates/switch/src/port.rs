//! Ports: a device or a tunnel, with counters.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use tulle_flow::port;
use tulle_io::{PacketSocket, Received, Sent, Tap};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, Mac};

use crate::capture::Capture;
use crate::counters::PortCounters;
use crate::patch::PatchPeer;
use crate::policing::Policer;
use crate::tunnels::Tunnel;

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

/// What a port leads to.
#[derive(Debug)]
pub(crate) enum Link {
    /// A TAP device.
    Tap(Tap),
    /// An existing device, by a packet socket.
    Packet(PacketSocket),
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
        }
    }

    /// The descriptor to wait for; a tunnel shares the underlay's, a patch the jobs'.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.link {
            Link::Tap(tap) => Some(tap.as_fd()),
            Link::Packet(socket) => Some(socket.as_fd()),
            Link::Tunnel(_) | Link::Patch(_) => None,
        }
    }

    /// Receives one frame from the device.
    #[inline]
    pub(crate) fn receive(&self, frame: &mut FrameBuf, offload: &mut Offload) -> io::Result<Received> {
        match &self.link {
            Link::Tap(tap) => tap.receive(frame, offload),
            Link::Packet(socket) => socket.receive(frame, offload),
            Link::Tunnel(_) | Link::Patch(_) => Ok(Received::Nothing),
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
