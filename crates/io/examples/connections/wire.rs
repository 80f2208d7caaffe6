//! One end's device: segments in and out, in batches.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use tulle_io::{Arrival, Device, PacketOptions, PacketSocket, Sent};
use tulle_wire::vnet::Offload;

use crate::Failure;
use crate::segment::{FRAME_LEN, Segment};

const BATCH: usize = 32;
/// A device that is full is tried again after this.
const RETRY: Duration = Duration::from_micros(50);

pub(crate) struct Wire {
    socket: PacketSocket,
    arrivals: Vec<Arrival>,
    queued: Queue,
}

impl Wire {
    pub(crate) fn open(name: &str) -> Result<Self, Failure> {
        let device = Device::open(name).map_err(|why| format!("{name}: {why}"))?;
        let device = PacketOptions::device(device.index());
        let socket = PacketSocket::open(&PacketOptions { qdisc_bypass: true, promiscuous: true, ..device })?;
        Ok(Self { socket, arrivals: (0..BATCH).map(|_| Arrival::new()).collect(), queued: Queue::default() })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Sends a segment with the next [`send`](Self::send).
    pub(crate) fn queue(&mut self, segment: &Segment) -> Result<(), Failure> {
        self.queued.push(segment)
    }

    /// Gives each segment of a batch to `take`; the number of frames received.
    pub(crate) fn receive(
        &mut self,
        mut take: impl FnMut(Segment, &mut Queue) -> Result<(), Failure>,
    ) -> Result<usize, Failure> {
        let (count, _) = self.socket.receive_batch(&mut self.arrivals)?;
        for arrival in &self.arrivals[..count] {
            if let Some(segment) = Segment::parse(arrival.frame.bytes()) {
                take(segment, &mut self.queued)?;
            }
        }
        Ok(count)
    }

    /// Sends what is queued.
    pub(crate) fn send(&mut self) -> Result<(), Failure> {
        let frames: Vec<(&[u8], Offload)> =
            self.queued.frames.iter().map(|frame| (&frame[..], Offload::default())).collect();
        let mut done = 0;
        while done < frames.len() {
            let (count, outcome) = self.socket.send_batch(&frames[done..])?;
            done += count;
            match outcome {
                Sent::Sent => {}
                Sent::QueueFull => std::thread::sleep(RETRY),
                other => return Err(format!("the device refuses a frame: {other:?}").into()),
            }
        }
        self.queued.frames.clear();
        Ok(())
    }
}

/// Frames to send.
#[derive(Default)]
pub(crate) struct Queue {
    frames: Vec<[u8; FRAME_LEN]>,
}

impl Queue {
    pub(crate) fn push(&mut self, segment: &Segment) -> Result<(), Failure> {
        let mut frame = [0; FRAME_LEN];
        segment.emit(&mut frame)?;
        self.frames.push(frame);
        Ok(())
    }
}
