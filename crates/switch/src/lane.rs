//! Lanes: a thread's own way in and out of a device.
//!
//! A device that can be opened several times has a lane for each thread, among which the kernel shares its frames by
//! flow; a TAP device that was made for one queue has one, by which one thread receives and all send.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tulle_io::{Arrival, DevicePort, Received, Tap};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

/// Bytes after which a turn ends: what is received together has to stay in the processor's cache until it is sent.
const MOST_BYTES: usize = 64 << 10;

/// One way to a device.
#[derive(Debug)]
pub(crate) enum Lane {
    /// A queue of a TAP device, which takes frames from several threads at once.
    Tap(Tap),
    /// An existing device; the lock is its thread's, but while a port is changed.
    Device(Mutex<Box<DevicePort>>),
}

impl Lane {
    pub(crate) fn of_device(device: DevicePort) -> Lane {
        Lane::Device(Mutex::new(Box::new(device)))
    }

    /// The device, where it is no TAP device.
    pub(crate) fn device(&self) -> Option<MutexGuard<'_, Box<DevicePort>>> {
        match self {
            Lane::Tap(_) => None,
            Lane::Device(device) => Some(device.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// The queue, where it is a TAP device.
    pub(crate) fn tap(&self) -> Option<&Tap> {
        if let Lane::Tap(tap) = self { Some(tap) } else { None }
    }

    /// Shows the descriptor to wait for.
    pub(crate) fn with_fd<R>(&self, see: impl FnOnce(BorrowedFd<'_>) -> R) -> R {
        match self {
            Lane::Tap(tap) => see(tap.as_fd()),
            Lane::Device(device) => see(device.lock().unwrap_or_else(PoisonError::into_inner).as_fd()),
        }
    }

    /// Receives what waits, as far as there is room; how many frames, and whether the device failed after them.
    pub(crate) fn receive(&self, arrivals: &mut [Arrival]) -> (usize, io::Result<()>) {
        let mut device = match self {
            Lane::Tap(tap) => return receive_singly(arrivals, |frame, offload| tap.receive(frame, offload)),
            Lane::Device(device) => device.lock().unwrap_or_else(PoisonError::into_inner),
        };
        if device.has_ring() {
            return receive_singly(arrivals, |frame, offload| device.receive(frame, offload));
        }
        match device.receive_batch(arrivals) {
            Ok((count, _)) => (count, Ok(())),
            Err(error) => (0, Err(error)),
        }
    }

    /// Takes the failure that the poller reports, where no receive call would meet it.
    pub(crate) fn take_failure(&self) -> io::Result<()> {
        match self.device() {
            Some(device) if device.has_ring() => device.take_failure().map(drop),
            _ => Ok(()),
        }
    }
}

/// Receives frame by frame: from a ring, where that needs no system call, or a TAP device, which has nothing better.
fn receive_singly(
    arrivals: &mut [Arrival],
    mut receive: impl FnMut(&mut FrameBuf, &mut Offload) -> io::Result<Received>,
) -> (usize, io::Result<()>) {
    let mut bytes = 0;
    for (count, arrival) in arrivals.iter_mut().enumerate() {
        let Arrival { frame, offload, received } = arrival;
        *offload = Offload::default();
        *received = match receive(frame, offload) {
            Ok(Received::Nothing | Received::DeviceDown) => return (count, Ok(())),
            Ok(received) => received,
            Err(error) => return (count, Err(error)),
        };
        bytes += frame.len();
        if bytes >= MOST_BYTES {
            return (count + 1, Ok(()));
        }
    }
    (arrivals.len(), Ok(()))
}
