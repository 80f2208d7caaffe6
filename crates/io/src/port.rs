//! An existing device, such as a veth, as a port of a switch: frames in by a ring, small frames out
//! together.
//!
//! Receiving and sending keep the order of frames.  What is sent may wait for [`DevicePort::flush`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

use crate::device::Device;
use crate::outcome::{Received, Sent};
use crate::outgoing::{Lost, Outgoing};
use crate::packet::ring::{Next, ReceiveRing};
use crate::packet::{Arrival, Fanout, PacketCounters, PacketOptions, PacketSocket};
use crate::sys::inode;

const ETHERNET_LEN: usize = 14;

/// How a device becomes a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevicePortOptions {
    /// Slots of the receive ring, 2 KB each; without any, frames are received by system calls.
    pub ring_slots: u32,
    /// Send small frames past all that [`Egress`](crate::Egress) looks at, if the kernel can.
    pub direct: bool,
}

/// A device that is a port.
#[derive(Debug)]
pub struct DevicePort {
    socket: PacketSocket,
    ring: Option<ReceiveRing>,
    outgoing: Outgoing,
    /// The group of those that share the device, once there are several.
    fanout: Option<Fanout>,
    ifindex: u32,
    longest: usize,
    lost: Lost,
}

impl DevicePort {
    /// Takes a device of the calling thread's network namespace.  Errors: ENODEV, EPERM, ENOMEM.
    pub fn open(device: &Device, options: DevicePortOptions) -> io::Result<Self> {
        let longest = device.mtu()? as usize + ETHERNET_LEN;
        Self::open_index(device.index(), longest, options, None)
    }

    /// Takes a share of the same device: from now on each flow comes by one of them.  Errors: as
    /// [`open`](Self::open); InvalidInput if the calling thread is in another network namespace.
    pub fn open_share(&mut self, options: DevicePortOptions) -> io::Result<Self> {
        self.socket.check_namespace()?;
        let group = self.fanout.map_or_else(|| self.socket.found_fanout(), Ok)?;
        self.fanout = Some(group);
        Self::open_index(self.ifindex, self.longest, options, Some(group))
    }

    fn open_index(
        ifindex: u32,
        longest: usize,
        options: DevicePortOptions,
        fanout: Option<Fanout>,
    ) -> io::Result<Self> {
        let packet_options = PacketOptions { promiscuous: true, fanout, ..PacketOptions::device(ifindex) };
        let (socket, ring) = match options.ring_slots {
            0 => (PacketSocket::open(&packet_options)?, None),
            slots => {
                let (socket, ring) = PacketSocket::open_with_ring(&packet_options, slots)?;
                (socket, Some(ring))
            }
        };
        let direct = if options.direct { Outgoing::direct(ifindex).ok() } else { None };
        let outgoing = direct.map_or_else(Outgoing::by_messages, Ok)?;
        Ok(Self { socket, ring, outgoing, fanout, ifindex, longest, lost: Lost::default() })
    }

    /// Goes on with what a port of this device, here or in another process, has received by: `descriptor` is a copy
    /// of its, `ring_slots` what it had.  Frames that have come meanwhile are there, after
    /// [`catch_up`](Self::catch_up).  Small frames go by messages at first, since the other may still have the
    /// direct way.  Errors: ENODEV if the descriptor is not the device's, EINVAL if it has no such ring, ENOMEM.
    pub fn adopt(device: &Device, descriptor: OwnedFd, ring_slots: usize) -> io::Result<Self> {
        let (socket, ring) = PacketSocket::adopt(descriptor, device.index(), ring_slots)?;
        let (ifindex, longest) = (device.index(), device.mtu()? as usize + ETHERNET_LEN);
        let (outgoing, fanout, lost) = (Outgoing::by_messages()?, None, Lost::default());
        Ok(Self { socket, ring, outgoing, fanout, ifindex, longest, lost })
    }

    /// Goes on receiving where whoever had the descriptor last has left off, once that one receives no more.
    pub fn catch_up(&mut self) {
        if let Some(ring) = &mut self.ring {
            ring.catch_up();
        }
    }

    /// The device's index in its network namespace.
    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// The inode number of the socket that receives, by which the kernel lists it.
    pub fn inode(&self) -> io::Result<u64> {
        inode(&self.socket)
    }

    /// Whether frames come by a ring, one by one and without system calls.
    #[inline]
    pub fn has_ring(&self) -> bool {
        self.ring.is_some()
    }

    /// The slots of the ring, 2 KB each.
    pub fn ring_slots(&self) -> usize {
        self.ring.as_ref().map_or(0, ReceiveRing::slots)
    }

    /// Whether small frames go past the queueing discipline.
    pub fn is_direct(&self) -> bool {
        self.outgoing.is_direct()
    }

    /// Receives one frame.  Never waits.
    #[inline]
    pub fn receive(&mut self, frame: &mut FrameBuf, offload: &mut Offload) -> io::Result<Received> {
        let Some(ring) = &mut self.ring else { return self.socket.receive(frame, offload) };
        match ring.receive(frame, offload) {
            Next::Nothing => Ok(Received::Nothing),
            Next::Taken(received) => Ok(received),
            Next::Queued => {
                let received = self.socket.receive(frame, offload);
                ring.give_back();
                received
            }
        }
    }

    /// Receives several frames, as [`PacketSocket::receive_batch`] does.  For ports without a ring.
    pub fn receive_batch(&mut self, arrivals: &mut [Arrival]) -> io::Result<(usize, Received)> {
        self.socket.receive_batch(arrivals)
    }

    /// Takes the failure that a poller reports of a port with a ring.  Errors: the device is gone.
    pub fn take_failure(&self) -> io::Result<Option<Received>> {
        self.socket.take_failure()
    }

    /// Sends a frame, now or with the next flush.  Never waits.
    #[inline]
    pub fn send(&mut self, frame: &[u8], offload: &Offload) -> io::Result<Sent> {
        self.send_as(frame, offload, 0)
    }

    /// As [`send`](Self::send), with a priority that chooses a class of the device's queueing discipline.
    #[inline]
    pub fn send_as(&mut self, frame: &[u8], offload: &Offload, priority: u32) -> io::Result<Sent> {
        if self.outgoing.collect(frame, offload, priority, self.longest) {
            return Ok(Sent::Sent);
        }
        self.send_alone(frame, offload, priority)
    }

    /// For a frame that cannot be collected: those collected go first.
    fn send_alone(&mut self, frame: &[u8], offload: &Offload, priority: u32) -> io::Result<Sent> {
        self.lost.add(self.outgoing.flush(&mut self.socket));
        if self.outgoing.collect(frame, offload, priority, self.longest) {
            return Ok(Sent::Sent);
        }
        // Overtaking what a stopped queue keeps back would change the order.
        if self.outgoing.is_stuck() {
            return Ok(Sent::QueueFull);
        }
        self.socket.set_priority(priority);
        self.socket.send(frame, offload)
    }

    /// Whether there is nothing to [`flush`](Self::flush).
    #[inline]
    pub fn is_flushed(&self) -> bool {
        self.outgoing.is_empty() && self.lost.frames == 0
    }

    /// Sends what waits.  Gives what was lost since the last call although `send` took it.
    pub fn flush(&mut self) -> Lost {
        self.lost.add(self.outgoing.flush(&mut self.socket));
        std::mem::take(&mut self.lost)
    }

    /// Sends another way from now on, after what waits.  Gives the former way.
    pub fn replace_outgoing(&mut self, outgoing: Outgoing) -> Outgoing {
        self.lost.add(self.outgoing.flush(&mut self.socket));
        std::mem::replace(&mut self.outgoing, outgoing)
    }

    /// Tells that the device's MTU has changed.
    pub fn set_mtu(&mut self, mtu: u32) {
        self.longest = mtu as usize + ETHERNET_LEN;
    }

    /// Counts since the last call; reading sets them to zero.
    pub fn counters(&self) -> io::Result<PacketCounters> {
        self.socket.counters()
    }
}

impl AsFd for DevicePort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
