//! Receiving through memory shared with the kernel (TPACKET_V2): no system call for a frame.
//!
//! The kernel copies each frame into the next slot while it has it in hand, on the sender's processor.
//! A slot holds what an Ethernet MTU allows.  A longer frame, which only offloads make, leaves its
//! beginning in a slot, marked, and waits whole in the socket's queue (PACKET_COPY_THRESH): slots of
//! 64 KB would cost 30 times the memory.  The older version is used because a slot is handed over at
//! once; TPACKET_V3 hands over blocks, after a time or when full.  Source: packet(7),
//! Documentation/networking/packet_mmap.rst.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

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

/// The slots of one socket, and which is the next.
#[derive(Debug)]
pub(crate) struct ReceiveRing {
    slots: Mapping,
    next: usize,
}

/// What the next slot holds.
pub(crate) enum Next {
    /// Nothing yet.
    Nothing,
    /// A frame, which has been taken over.
    Taken(Received),
    /// The mark of a frame that waits in the socket's queue.
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
        set_option(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        Ok(Self { slots: Mapping::shared(socket, 0, blocks * BLOCK_LEN)?, next: 0 })
    }

    /// How many there are.
    pub(crate) fn slots(&self) -> usize {
        self.slots.length() / SLOT_LEN
    }

    /// Takes over what is in the next slot and gives the slot back to the kernel.
    #[inline]
    pub(crate) fn receive(&mut self, frame: &mut FrameBuf, offload: &mut Offload) -> Next {
        let at = self.next * SLOT_LEN;
        let status = self.slots.word(at);
        let flags = status.load(Ordering::Acquire);
        if flags & libc::TP_STATUS_USER == 0 {
            return Next::Nothing;
        }
        // SAFETY: the slot is the process's until its status says otherwise, which is done below.
        let slot = unsafe { self.slots.bytes(at, SLOT_LEN) };
        let next = if flags & libc::TP_STATUS_COPY != 0 {
            Next::Queued
        } else {
            Next::Taken(take_over(slot, flags, frame, offload))
        };
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = if at + SLOT_LEN < self.slots.length() { self.next + 1 } else { 0 };
        next
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
