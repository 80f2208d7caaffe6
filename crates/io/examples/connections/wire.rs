//! One end's device: segments in by a ring, out in batches.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use tulle_io::{Device, DevicePort, DevicePortOptions, Received, Sent};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

use crate::Failure;
use crate::segment::{FRAME_LEN, Segment};

/// Frames taken before what they cause is sent.
const BATCH: usize = 32;
const RING_SLOTS: u32 = 4096;
/// A device that is full is tried again after this.
const RETRY: Duration = Duration::from_micros(50);

pub(crate) struct Wire {
    port: DevicePort,
    frame: FrameBuf,
}

impl Wire {
    pub(crate) fn open(name: &str) -> Result<Self, Failure> {
        let device = Device::open(name).map_err(|why| format!("{name}: {why}"))?;
        let options = DevicePortOptions { ring_slots: RING_SLOTS, direct: true };
        Ok(Self { port: DevicePort::open(&device, options)?, frame: FrameBuf::new() })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.port.as_fd()
    }

    /// Sends a segment, at the latest with the next [`flush`](Self::flush).
    pub(crate) fn send(&mut self, segment: &Segment) -> Result<(), Failure> {
        let mut frame = [0; FRAME_LEN];
        segment.emit(&mut frame)?;
        loop {
            match self.port.send(&frame, &Offload::default())? {
                Sent::Sent => return Ok(()),
                Sent::QueueFull => {
                    std::thread::sleep(RETRY);
                    self.flush();
                }
                other => return Err(format!("the device refuses a frame: {other:?}").into()),
            }
        }
    }

    /// Sends what waits; what the device then loses is lost as on any wire.
    pub(crate) fn flush(&mut self) {
        self.port.flush();
    }

    /// The next segment that has come, of at most a batch counted in `taken`.
    pub(crate) fn next(&mut self, taken: &mut usize) -> Result<Option<Segment>, Failure> {
        let mut offload = Offload::default();
        while *taken < BATCH {
            match self.port.receive(&mut self.frame, &mut offload)? {
                Received::Nothing => return Ok(None),
                Received::DeviceDown => return Err("a device went down".into()),
                _ => *taken += 1,
            }
            if let Some(segment) = Segment::parse(self.frame.bytes()) {
                return Ok(Some(segment));
            }
        }
        Ok(None)
    }
}
