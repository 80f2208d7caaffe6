//! Receiving through memory shared with the kernel (TPACKET_V2): no system call for a frame.
//!
//! The kernel copies each frame into the next slot while it has it in hand, on the sender's processor.
//! A slot holds what an Ethernet MTU allows.  A longer frame, which only offloads make, leaves its
//! beginning in a slot, marked, and waits whole in the socket's queue (PACKET_COPY_THRESH): slots of
//! 64 KB would cost 30 times the memory.  The older version is used because a slot is handed over at
//! once; TPACKET_V3 hands over blocks, after a time or when full.
//!
//! Only the kernel knows where it puts the next frame.  So each slot carries, in room that the kernel is told to
//! leave alone (PACKET_RESERVE), a number that rises with every slot given back: another process that is handed the
//! socket finds the place from these marks, also where this one was killed.  Source: packet(7),
//! Documentation/networking/packet_mmap.rst.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

use tulle_wire::FrameBuf;
use tulle_wire::vnet::{Offload, VNET_HDR_LEN};

use super::set_packet_option;
use super::vlan::{self, VlanTag};
use crate::header;
use crate::mapping::Mapping;
use crate::outcome::Received;
use crate::sys::set_option;

/// Bytes of a slot: header, virtio-net header and a frame of 1900 bytes.
pub(crate) const SLOT_LEN: usize = 2048;
/// Bytes that the kernel allocates in one piece.
const BLOCK_LEN: usize = 64 << 10;
const HEADER_LEN: usize = size_of::<libc::tpacket2_hdr>();
/// Where a slot's mark lies: behind header and address, in the same cache line as these.
const MARK_AT: usize = HEADER_LEN.next_multiple_of(16) + size_of::<libc::sockaddr_ll>();
/// Bytes reserved for it; a multiple of 16 leaves frames aligned as they were.
const RESERVED_LEN: i32 = 16;

/// The slots of one socket, and which is the next.
#[derive(Debug)]
pub(crate) struct ReceiveRing {
    slots: Mapping,
    next: usize,
    taken: u32,
}

/// What the next slot holds.
pub(crate) enum Next {
    /// Nothing yet.
    Nothing,
    /// A frame, which has been taken over.
    Taken(Received),
    /// The mark of a frame that waits in the socket's queue; whoever has taken that one gives the slot back.
    Queued,
}

impl ReceiveRing {
    /// Gives the socket, not yet bound and already set to virtio-net headers, a ring of at least
    /// `slots` slots.  Errors: ENOMEM.
    pub(super) fn open(socket: &OwnedFd, slots: u32) -> io::Result<Self> {
        let blocks = (slots as usize * SLOT_LEN).div_ceil(BLOCK_LEN).max(1);
        let request = libc::tpacket_req {
            tp_block_size: BLOCK_LEN as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: SLOT_LEN as u32,
            tp_frame_nr: (blocks * (BLOCK_LEN / SLOT_LEN)) as u32,
        };
        set_packet_option(socket, libc::PACKET_VERSION, libc::tpacket_versions::TPACKET_V2 as i32)?;
        set_packet_option(socket, libc::PACKET_COPY_THRESH, 1)?;
        set_packet_option(socket, libc::PACKET_RESERVE, RESERVED_LEN)?;
        set_option(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        Ok(Self { slots: Mapping::shared(socket, 0, blocks * BLOCK_LEN)?, next: 0, taken: 0 })
    }

    /// The ring of a socket that another process has given it, of exactly `slots` slots.  Nothing is to be received
    /// before [`catch_up`](Self::catch_up).  Errors: EINVAL if it has no such ring.
    pub(super) fn adopt(socket: &OwnedFd, slots: usize) -> io::Result<Self> {
        Ok(Self { slots: Mapping::shared(socket, 0, slots * SLOT_LEN)?, next: 0, taken: 0 })
    }

    /// Goes on where whoever received last has left off, once that one receives no more.
    pub(crate) fn catch_up(&mut self) {
        let marked = (0..self.slots()).map(|slot| (slot, self.mark(slot).load(Ordering::Relaxed)));
        let marked = marked.filter(|(_, mark)| *mark != 0);
        // Counting may have begun anew at its end.
        let last = marked.reduce(|a, b| if b.1.wrapping_sub(a.1) < 1 << 31 { b } else { a });
        let Some((slot, mark)) = last else { return };
        (self.next, self.taken) = ((slot + 1) % self.slots(), mark);
        let is_filled =
            |slot| self.slots.word(slot * SLOT_LEN).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
        // The last one is either full again, like all others, or its receiver was killed before he gave it back.
        if is_filled(slot) && !(0..self.slots()).all(is_filled) {
            self.slots.word(slot * SLOT_LEN).store(libc::TP_STATUS_KERNEL, Ordering::Release);
        }
    }

    #[inline]
    fn mark(&self, slot: usize) -> &AtomicU32 {
        self.slots.word(slot * SLOT_LEN + MARK_AT)
    }

    /// How many there are.
    pub(crate) fn slots(&self) -> usize {
        self.slots.length() / SLOT_LEN
    }

    /// Takes over what is in the next slot and gives the slot back to the kernel.  The slot of a frame in the queue
    /// is given back later: a mark too many, left by a process that was killed between the two, does no harm, a frame
    /// too many would put all later ones in the wrong place.
    #[inline]
    pub(crate) fn receive(&mut self, frame: &mut FrameBuf, offload: &mut Offload) -> Next {
        let at = self.next * SLOT_LEN;
        let flags = self.slots.word(at).load(Ordering::Acquire);
        if flags & libc::TP_STATUS_USER == 0 {
            return Next::Nothing;
        }
        if flags & libc::TP_STATUS_COPY != 0 {
            return Next::Queued;
        }
        // SAFETY: the slot is the process's until its status says otherwise, which is done below.
        let slot = unsafe { self.slots.bytes(at, SLOT_LEN) };
        let received = take_over(slot, flags, frame, offload);
        self.give_back();
        Next::Taken(received)
    }

    /// Gives the next slot back to the kernel, which has filled it.
    #[inline]
    pub(crate) fn give_back(&mut self) {
        self.taken = self.taken.wrapping_add(1).max(1);
        self.mark(self.next).store(self.taken, Ordering::Relaxed);
        self.slots.word(self.next * SLOT_LEN).store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = if self.next + 1 < self.slots() { self.next + 1 } else { 0 };
    }
}

fn take_over(slot: &[u8], flags: u32, frame: &mut FrameBuf, offload: &mut Offload) -> Received {
    let header = slot_header(slot);
    let start = usize::from(header.tp_mac);
    let end = start + header.tp_snaplen as usize;
    let virtio = start.checked_sub(VNET_HDR_LEN).and_then(|at| slot.get(at..start)?.first_chunk());
    let (Some(virtio), Some(bytes)) = (virtio, slot.get(start..end)) else {
        frame.reset();
        return Received::Truncated;
    };
    frame.fill(bytes);
    let Some(parsed) = header::parse(virtio) else {
        return Received::Undescribable;
    };
    *offload = parsed;
    if flags & libc::TP_STATUS_VLAN_VALID != 0 {
        vlan::insert(stripped_tag(&header, flags), frame, offload);
    }
    if header.tp_snaplen < header.tp_len { Received::Truncated } else { Received::Frame }
}

#[inline]
fn slot_header(slot: &[u8]) -> libc::tpacket2_hdr {
    assert!(slot.len() >= HEADER_LEN, "a slot without a header");
    // SAFETY: long enough, and tpacket2_hdr is a C struct of integers; read unaligned to be sure.
    unsafe { slot.as_ptr().cast::<libc::tpacket2_hdr>().read_unaligned() }
}

fn stripped_tag(header: &libc::tpacket2_hdr, flags: u32) -> VlanTag {
    let has_protocol = flags & libc::TP_STATUS_VLAN_TPID_VALID != 0;
    let protocol = if has_protocol { header.tp_vlan_tpid } else { vlan::TPID_8021Q };
    VlanTag { protocol, control: header.tp_vlan_tci }
}
