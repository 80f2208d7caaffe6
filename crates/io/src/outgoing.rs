//! Frames on their way to a device: small ones are collected and go together, by one system call.
//!
//! They go directly ([`DirectPath`]) or, where that is not to be had or not wanted, by `sendmmsg`.
//! Frames too long for a chunk, and super-frames, go alone; those collected before go first, so the
//! order is kept.  The owner flushes at the end of each batch of received frames.

use std::io;

use tulle_wire::vnet::{GsoKind, Offload};

use crate::direct::{CHUNK_LEN, DirectPath, LONGEST, METADATA_LEN};
use crate::mapping::Mapping;
use crate::outcome::Sent;
use crate::packet::PacketSocket;

/// Frames that are collected at most, before some have to go; two batches of the switch.
const CHUNKS: usize = 64;
/// The most frames that `send_batch` takes.
const BATCH: usize = 32;
/// A shorter frame is refused by packet sockets, so it does not go directly either.
const ETHERNET_LEN: usize = 14;

/// What was lost of the frames that were collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// How many.
    pub frames: u32,
    /// Bytes of them; as good as known where the kernel does not say which they were.
    pub bytes: u64,
    /// Why the last of them was lost.
    pub reason: Sent,
}

impl Lost {
    const NONE: Self = Self { frames: 0, bytes: 0, reason: Sent::Sent };

    pub(crate) fn add(&mut self, other: Self) {
        if other.frames > 0 {
            let (frames, bytes) = (self.frames + other.frames, self.bytes + other.bytes);
            *self = Self { frames, bytes, reason: other.reason };
        }
    }
}

impl Default for Lost {
    fn default() -> Self {
        Self::NONE
    }
}

#[derive(Debug)]
struct Collected {
    chunk: u32,
    length: u32,
    priority: u32,
    offload: Offload,
}

/// The frames collected for one device.
#[derive(Debug)]
pub struct Outgoing {
    direct: Option<DirectPath>,
    chunks: Mapping,
    free: Vec<u32>,
    collected: Vec<Collected>,
}

impl Outgoing {
    /// Sends by `sendmmsg`.  Errors: ENOMEM.
    pub fn by_messages() -> io::Result<Self> {
        Ok(Self {
            direct: None,
            chunks: Mapping::anonymous(CHUNKS * CHUNK_LEN)?,
            free: (0..CHUNKS as u32).rev().collect(),
            collected: Vec::with_capacity(CHUNKS),
        })
    }

    /// Sends directly to a device of the calling thread's network namespace, until that fails; then
    /// by `sendmmsg`.  Errors: EBUSY if another AF_XDP socket has the device, EAFNOSUPPORT without AF_XDP.
    pub fn direct(ifindex: u32) -> io::Result<Self> {
        let mut outgoing = Self::by_messages()?;
        outgoing.direct = Some(DirectPath::open(ifindex, &outgoing.chunks)?);
        Ok(outgoing)
    }

    /// Whether frames that go directly may leave their checksum to the device.
    pub(crate) fn takes_checksums(&self) -> bool {
        let undone = Offload { needs_csum: true, ..Offload::default() };
        self.direct.as_ref().is_some_and(|direct| direct.takes(&undone))
    }

    /// Whether frames go directly.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// Whether frames wait for [`flush`](Self::flush).
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.collected.is_empty()
    }

    /// Whether the device's queue is stopped and keeps frames back that have been handed over.
    pub(crate) fn is_stuck(&self) -> bool {
        self.direct.as_ref().is_some_and(|direct| direct.unsent() > 0)
    }

    /// Takes a copy of a frame to send with others; false if it is one that has to go alone, or if
    /// there is no room.  `longest` is what the device takes of a plain frame.
    #[inline]
    pub(crate) fn collect(&mut self, frame: &[u8], offload: &Offload, priority: u32, longest: usize) -> bool {
        let fits = (ETHERNET_LEN..=longest.min(LONGEST)).contains(&frame.len()) && offload.fits(frame.len());
        let goes = self.direct.as_ref().is_none_or(|direct| direct.takes(offload));
        if !fits || !goes || offload.gso != GsoKind::None {
            return false;
        }
        let Some(chunk) = self.free.pop() else { return false };
        // SAFETY: a free chunk is nobody else's.
        unsafe { self.chunks.write(chunk as usize * CHUNK_LEN + METADATA_LEN, frame) };
        self.collected.push(Collected { chunk, length: frame.len() as u32, priority, offload: *offload });
        true
    }

    /// Sends what has been collected.
    pub(crate) fn flush(&mut self, socket: &mut PacketSocket) -> Lost {
        let lost = match self.direct {
            Some(_) => self.flush_directly(),
            None => self.flush_messages(socket),
        };
        self.collected.clear();
        lost
    }

    fn flush_directly(&mut self) -> Lost {
        let Self { direct: Some(direct), chunks, free, collected } = self else { return Lost::NONE };
        for frame in &*collected {
            // SAFETY: chunks of collected frames are touched by nobody until the kernel gives them back.
            unsafe { direct.add(chunks, frame.chunk, frame.length as usize, &frame.offload) };
        }
        let result = direct.hand_over();
        direct.collect(|chunk| free.push(chunk));
        match result {
            Ok(handed) if handed.lost == 0 => Lost::NONE,
            Ok(handed) => self.lost(handed.lost, handed.reason),
            Err(error) => {
                let unsent = direct.unsent();
                let lost = self.lost(unsent, Sent::from_error(error).unwrap_or(Sent::DeviceDown));
                self.direct = None;
                self.free = (0..CHUNKS as u32).rev().collect();
                lost
            }
        }
    }

    /// The kernel does not say which frames; the last are as good as any.
    fn lost(&self, frames: u32, reason: Sent) -> Lost {
        let last = self.collected.iter().rev().take(frames as usize);
        Lost { frames, bytes: last.map(|frame| u64::from(frame.length)).sum(), reason }
    }

    /// The priority is the socket's, so frames of one go together, in their order; those of another may be overtaken,
    /// as any discipline that looks at priorities lets them.
    fn flush_messages(&mut self, socket: &mut PacketSocket) -> Lost {
        if !self.collected.is_sorted_by_key(|frame| frame.priority) {
            self.collected.sort_by_key(|frame| frame.priority);
        }
        let (mut lost, mut done) = (Lost::NONE, 0);
        while done < self.collected.len() {
            let batch = &self.collected[done..self.collected.len().min(done + BATCH)];
            let priority = batch[0].priority;
            let same = batch.iter().take_while(|frame| frame.priority == priority).count();
            let batch = &batch[..same];
            socket.set_priority(priority);
            let mut frames = [(&[][..], Offload::default()); BATCH];
            for (place, frame) in frames.iter_mut().zip(batch) {
                let at = frame.chunk as usize * CHUNK_LEN + METADATA_LEN;
                // SAFETY: chunks of collected frames are written by nobody.
                *place = (unsafe { self.chunks.bytes(at, frame.length as usize) }, frame.offload);
            }
            let (count, reason) = socket.send_batch(&frames[..batch.len()]).unwrap_or((0, Sent::DeviceDown));
            done += count;
            if reason != Sent::Sent {
                let bytes = lost.bytes + u64::from(self.collected[done].length);
                lost = Lost { frames: lost.frames + 1, bytes, reason };
                done += 1;
            }
        }
        self.free.extend(self.collected.iter().map(|frame| frame.chunk));
        lost
    }
}
