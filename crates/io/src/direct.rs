//! Sending many small frames to a device by one system call: an AF_XDP socket that only sends.
//!
//! The kernel copies each frame once and hands it to the device at once, in order, without building a
//! message, asking filters or passing a queueing discipline.  That halves what a small frame costs.
//! It cannot carry super-frames.  No program is attached to the device and nothing is received.
//! Source: Documentation/networking/af_xdp.rst, xsk-tx-metadata.rst, linux/if_xdp.h.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;

use tulle_wire::vnet::Offload;

use crate::mapping::Mapping;
use crate::outcome::Sent;
use crate::sys::{bind, check_len, option, set_option, socket};

/// Bytes for one frame and what the kernel is told about it; the least that AF_XDP takes.
pub(crate) const CHUNK_LEN: usize = 2048;
/// Bytes in front of each frame: `struct xsk_tx_metadata`.
pub(crate) const METADATA_LEN: usize = 24;
/// The longest frame of a chunk.
pub(crate) const LONGEST: usize = CHUNK_LEN - METADATA_LEN;
/// Metadata flag: complete the checksum.
const METADATA_CHECKSUM: u64 = libc::XDP_TXMD_FLAGS_CHECKSUM as u64;
const DESCRIPTOR_LEN: usize = size_of::<libc::xdp_desc>();
const ADDRESS_LEN: usize = size_of::<u64>();

/// The socket and its rings.  The chunks are the caller's memory, which has to outlive this value.
#[derive(Debug)]
pub(crate) struct DirectPath {
    socket: OwnedFd,
    sending: Ring,
    completed: Ring,
    _fill: Ring,
    takes_checksums: bool,
}

/// What became of frames handed to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handed {
    /// How many of them are lost.
    pub lost: u32,
    /// Why the last of these was lost.
    pub reason: Sent,
}

impl DirectPath {
    /// Opens the first queue of a device for sending frames that lie in `chunks`, a power of two of
    /// them.  Errors: EBUSY if another AF_XDP socket has the queue, EAFNOSUPPORT without AF_XDP.
    pub(crate) fn open(ifindex: u32, chunks: &Mapping) -> io::Result<Self> {
        let socket = socket(libc::AF_XDP, libc::SOCK_RAW, 0)?;
        let takes_checksums = register(&socket, chunks)?;
        let count = (chunks.length() / CHUNK_LEN) as c_int;
        // Nothing is received, but without a fill ring the kernel takes no memory.
        for ring in [libc::XDP_UMEM_FILL_RING, libc::XDP_UMEM_COMPLETION_RING, libc::XDP_TX_RING] {
            set_option(&socket, libc::SOL_XDP, ring, &count)?;
        }
        let offsets: libc::xdp_mmap_offsets = option(&socket, libc::SOL_XDP, libc::XDP_MMAP_OFFSETS)?;
        let ring =
            |page, at: &libc::xdp_ring_offset, length| Ring::map(&socket, page, at, count as usize, length);
        let fill = libc::XDP_UMEM_PGOFF_FILL_RING as libc::off_t;
        let completion = libc::XDP_UMEM_PGOFF_COMPLETION_RING as libc::off_t;
        let sending = ring(libc::XDP_PGOFF_TX_RING, &offsets.tx, DESCRIPTOR_LEN)?;
        let completed = ring(completion, &offsets.cr, ADDRESS_LEN)?;
        let fill = ring(fill, &offsets.fr, ADDRESS_LEN)?;
        bind(&socket, &address(ifindex))?;
        Ok(Self { socket, sending, completed, _fill: fill, takes_checksums })
    }

    /// Whether a frame with this offload can go; then it still has to fit into a chunk.
    #[inline]
    pub(crate) fn takes(&self, offload: &Offload) -> bool {
        !offload.needs_csum || self.takes_checksums
    }

    /// Adds a frame that lies in a chunk behind its metadata.  The chunk is the kernel's until
    /// [`collect`](Self::collect) gives it back.
    ///
    /// # Safety
    /// The chunk is one of those that the path was opened with, and is touched by nobody meanwhile.
    #[inline]
    pub(crate) unsafe fn add(&mut self, chunks: &Mapping, chunk: u32, length: usize, offload: &Offload) {
        let at = chunk as usize * CHUNK_LEN;
        let mut options = 0;
        if offload.needs_csum {
            let mut metadata = [0; METADATA_LEN];
            metadata[..8].copy_from_slice(&METADATA_CHECKSUM.to_ne_bytes());
            metadata[8..10].copy_from_slice(&offload.csum_start.to_ne_bytes());
            metadata[10..12].copy_from_slice(&offload.csum_offset.to_ne_bytes());
            // SAFETY: the chunk is the caller's, who promises that nobody else touches it.
            unsafe { chunks.write(at, &metadata) };
            options = libc::XDP_TX_METADATA;
        }
        let descriptor = libc::xdp_desc { addr: (at + METADATA_LEN) as u64, len: length as u32, options };
        self.sending.put_descriptor(&descriptor);
    }

    /// Hands everything added to the device.  Errors: the path is of no more use, and what it had
    /// not sent is lost.
    pub(crate) fn hand_over(&mut self) -> io::Result<Handed> {
        self.sending.publish();
        let mut handed = Handed { lost: 0, reason: Sent::Sent };
        // Each call sends 32 frames or loses one, so more calls than frames would mean no progress.
        for _ in 0..=self.sending.mask + 1 {
            let before = self.unsent();
            match self.kick() {
                Ok(()) => {}
                Err(libc::EAGAIN) if self.unsent() < before => {}
                // The device's queue is stopped: what is left goes with what is added next.
                Err(libc::EAGAIN | libc::ENOBUFS) => break,
                // The device did not take a frame, which is gone; the next may go.
                Err(libc::EBUSY) => handed = Handed { lost: handed.lost + 1, reason: Sent::QueueFull },
                Err(code) => return Err(io::Error::from_raw_os_error(code)),
            }
            if self.unsent() == 0 {
                break;
            }
        }
        Ok(handed)
    }

    /// How many frames the kernel has not looked at yet.
    pub(crate) fn unsent(&self) -> u32 {
        self.sending
            .published
            .wrapping_sub(self.sending.memory.word(self.sending.consumer).load(Ordering::Acquire))
    }

    /// Chunks that the kernel is done with.
    #[inline]
    pub(crate) fn collect(&mut self, mut give_back: impl FnMut(u32)) {
        let ready = self.completed.memory.word(self.completed.producer).load(Ordering::Acquire);
        while self.completed.next != ready {
            let address = self.completed.address();
            give_back((address / CHUNK_LEN as u64) as u32);
        }
        self.completed.memory.word(self.completed.consumer).store(ready, Ordering::Release);
    }

    /// One system call sends up to 32 frames.
    fn kick(&self) -> Result<(), c_int> {
        // SAFETY: no data and no address are passed.
        let result = check_len(unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                std::ptr::null(),
                0,
                libc::MSG_DONTWAIT,
                std::ptr::null(),
                0,
            )
        });
        result.map(drop).map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
    }
}

/// Gives the kernel the chunks.  True if it takes checksums to complete (Linux 6.8).
fn register(socket: &OwnedFd, chunks: &Mapping) -> io::Result<bool> {
    let mut memory = libc::xdp_umem_reg {
        addr: chunks.at(0, chunks.length()).as_ptr() as u64,
        len: chunks.length() as u64,
        chunk_size: CHUNK_LEN as u32,
        headroom: 0,
        flags: libc::XDP_UMEM_TX_METADATA_LEN,
        tx_metadata_len: METADATA_LEN as u32,
    };
    if set_option(socket, libc::SOL_XDP, libc::XDP_UMEM_REG, &memory).is_ok() {
        return Ok(true);
    }
    (memory.flags, memory.tx_metadata_len) = (0, 0);
    set_option(socket, libc::SOL_XDP, libc::XDP_UMEM_REG, &memory)?;
    Ok(false)
}

fn address(ifindex: u32) -> libc::sockaddr_xdp {
    libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        // Without it, drivers that can share their own rings would take over the whole queue.
        sxdp_flags: libc::XDP_COPY,
        sxdp_ifindex: ifindex,
        sxdp_queue_id: 0,
        sxdp_shared_umem_fd: 0,
    }
}

/// A ring of one producer and one consumer, of which this process is one.
#[derive(Debug)]
struct Ring {
    memory: Mapping,
    producer: usize,
    consumer: usize,
    entries: usize,
    mask: u32,
    /// The next entry to write or to read.
    next: u32,
    /// What the kernel has been told of.
    published: u32,
}

impl Ring {
    fn map(
        socket: &OwnedFd,
        page: libc::off_t,
        at: &libc::xdp_ring_offset,
        count: usize,
        entry_len: usize,
    ) -> io::Result<Self> {
        let memory = Mapping::shared(socket, page, at.desc as usize + count * entry_len)?;
        let (producer, consumer, entries) = (at.producer as usize, at.consumer as usize, at.desc as usize);
        Ok(Self { memory, producer, consumer, entries, mask: count as u32 - 1, next: 0, published: 0 })
    }

    #[inline]
    fn put_descriptor(&mut self, descriptor: &libc::xdp_desc) {
        let at = self.entries + (self.next & self.mask) as usize * DESCRIPTOR_LEN;
        let mut bytes = [0; DESCRIPTOR_LEN];
        bytes[..8].copy_from_slice(&descriptor.addr.to_ne_bytes());
        bytes[8..12].copy_from_slice(&descriptor.len.to_ne_bytes());
        bytes[12..].copy_from_slice(&descriptor.options.to_ne_bytes());
        // SAFETY: there are as many entries as chunks, and the chunk of this entry was not the
        // kernel's, so neither is the entry.
        unsafe { self.memory.write(at, &bytes) };
        self.next = self.next.wrapping_add(1);
    }

    fn publish(&mut self) {
        self.published = self.next;
        self.memory.word(self.producer).store(self.next, Ordering::Release);
    }

    #[inline]
    fn address(&mut self) -> u64 {
        let at = self.entries + (self.next & self.mask) as usize * ADDRESS_LEN;
        self.next = self.next.wrapping_add(1);
        // SAFETY: the kernel has said by its producer word that the entry is written.
        let bytes = unsafe { self.memory.bytes(at, ADDRESS_LEN) };
        bytes.first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }
}
