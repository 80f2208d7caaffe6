//! Receiving: one frame by recvmsg, several by recvmmsg.

use std::io;
use std::mem::zeroed;
use std::os::fd::AsRawFd;

use tulle_wire::FrameBuf;
use tulle_wire::vnet::{Offload, VNET_HDR_LEN};

use super::PacketSocket;
use super::vlan::{self, VlanTag};
use crate::header;
use crate::outcome::Received;
use crate::sys::{check, check_len};

/// More in one call gains nothing and falls out of the processor's cache.
const MOST_FRAMES: usize = 32;
/// A cmsghdr and a tpacket_auxdata, rounded up to whole words.
const CONTROL_WORDS: usize = 8;

/// Room for one frame of a batch, used over and over.
#[derive(Debug)]
pub struct Arrival {
    /// The frame, with headroom in front.
    pub frame: FrameBuf,
    /// What is left undone on it.
    pub offload: Offload,
    /// What was received: `Frame`, `Truncated` or `Undescribable`.
    pub received: Received,
}

impl Arrival {
    /// Empty room.
    #[must_use]
    pub fn new() -> Self {
        Self { frame: FrameBuf::new(), offload: Offload::default(), received: Received::Nothing }
    }
}

impl Default for Arrival {
    fn default() -> Self {
        Self::new()
    }
}

impl PacketSocket {
    /// Receives one frame. Never waits.
    pub fn receive(&self, frame: &mut FrameBuf, offload: &mut Offload) -> io::Result<Received> {
        let mut room = Room::new();
        // SAFETY: an all-zero msghdr describes nothing.
        let mut message: libc::msghdr = unsafe { zeroed() };
        room.describe(&mut message, frame);
        // SAFETY: `message` points into `room` and `frame`, which outlive the call and are not
        // touched by anything else meanwhile.
        let result = check_len(unsafe {
            libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT)
        });
        match result {
            Ok(length) => Ok(room.finish(&message, length, frame, offload)),
            Err(error) => Received::from_error(error),
        }
    }

    /// Receives as many frames as wait, at most `arrivals.len()` and 32. Gives their number (the
    /// first so many arrivals are filled) and what ended the batch: `Frame` if it was full. Never
    /// waits.
    pub fn receive_batch(&self, arrivals: &mut [Arrival]) -> io::Result<(usize, Received)> {
        let wanted = arrivals.len().min(MOST_FRAMES);
        let mut rooms: [Room; MOST_FRAMES] = std::array::from_fn(|_| Room::new());
        // SAFETY: an all-zero mmsghdr describes nothing.
        let mut messages: [libc::mmsghdr; MOST_FRAMES] = unsafe { zeroed() };
        for ((room, message), arrival) in rooms.iter_mut().zip(&mut messages).zip(&mut *arrivals) {
            room.describe(&mut message.msg_hdr, &mut arrival.frame);
        }
        // SAFETY: the first `wanted` messages point into `rooms` and `arrivals`, which outlive the
        // call and are not touched by anything else meanwhile.
        let result = check(unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                messages.as_mut_ptr(),
                wanted as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        });
        let count = match result {
            Ok(count) => count as usize,
            Err(error) => return Ok((0, Received::from_error(error)?)),
        };
        for ((room, message), arrival) in rooms.iter().zip(&messages).zip(arrivals).take(count) {
            let length = message.msg_len as usize;
            let Arrival { frame, offload, received } = arrival;
            *received = room.finish(&message.msg_hdr, length, frame, offload);
        }
        Ok((count, if count < wanted { Received::Nothing } else { Received::Frame }))
    }
}

/// Where the kernel writes what belongs to one frame, apart from the frame itself.
struct Room {
    header: [u8; VNET_HDR_LEN],
    parts: [libc::iovec; 2],
    control: [u64; CONTROL_WORDS],
}

impl Room {
    fn new() -> Self {
        let nowhere = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        Self { header: [0; VNET_HDR_LEN], parts: [nowhere; 2], control: [0; CONTROL_WORDS] }
    }

    /// Makes `message` point at this room and at the empty `frame`. All three must stay where they
    /// are until the system call is over.
    fn describe(&mut self, message: &mut libc::msghdr, frame: &mut FrameBuf) {
        frame.reset();
        self.parts[0] = part(&mut self.header);
        self.parts[1] = part(frame.spare_mut());
        message.msg_iov = self.parts.as_mut_ptr();
        message.msg_iovlen = self.parts.len();
        message.msg_control = self.control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&self.control);
    }

    /// Takes over a frame that came as `length` bytes, the virtio-net header included.
    fn finish(
        &self,
        message: &libc::msghdr,
        length: usize,
        frame: &mut FrameBuf,
        offload: &mut Offload,
    ) -> Received {
        frame.set_len(length.saturating_sub(VNET_HDR_LEN));
        let Some(parsed) = header::parse(&self.header) else {
            return Received::Undescribable;
        };
        *offload = parsed;
        if let Some(tag) = stripped_tag(message) {
            vlan::insert(tag, frame, offload);
        }
        if message.msg_flags & libc::MSG_TRUNC != 0 { Received::Truncated } else { Received::Frame }
    }
}

fn part(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

fn stripped_tag(message: &libc::msghdr) -> Option<VlanTag> {
    let auxdata = auxdata(message)?;
    let has = |bit| auxdata.tp_status & bit != 0;
    has(libc::TP_STATUS_VLAN_VALID).then_some(VlanTag {
        control: auxdata.tp_vlan_tci,
        protocol: if has(libc::TP_STATUS_VLAN_TPID_VALID) { auxdata.tp_vlan_tpid } else { vlan::TPID_8021Q },
    })
}

fn auxdata(message: &libc::msghdr) -> Option<libc::tpacket_auxdata> {
    // SAFETY: the kernel has filled msg_control of a message whose room is alive, and set
    // msg_controllen, so CMSG_FIRSTHDR gives null or a header inside it; the length is checked
    // before the data is read, unaligned to be sure.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message).as_ref()?;
        let length = libc::CMSG_LEN(size_of::<libc::tpacket_auxdata>() as u32) as usize;
        let ours = header.cmsg_level == libc::SOL_PACKET
            && header.cmsg_type == libc::PACKET_AUXDATA
            && header.cmsg_len >= length;
        ours.then(|| libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>().read_unaligned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(header: [u8; VNET_HDR_LEN], flags: libc::c_int) -> (Received, usize) {
        let mut room = Room::new();
        room.header = header;
        // SAFETY: an all-zero msghdr describes nothing.
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_flags = flags;
        let (mut frame, mut offload) = (FrameBuf::new(), Offload::default());
        let received = room.finish(&message, VNET_HDR_LEN + 60, &mut frame, &mut offload);
        (received, frame.len())
    }

    #[test]
    fn a_frame_that_the_kernel_has_cut_is_called_truncated() {
        assert_eq!(finished([0; VNET_HDR_LEN], 0), (Received::Frame, 60));
        assert_eq!(finished([0; VNET_HDR_LEN], libc::MSG_TRUNC), (Received::Truncated, 60));
    }

    #[test]
    fn a_super_frame_of_an_unknown_kind_is_not_taken_for_a_plain_one() {
        let mut header = [0; VNET_HDR_LEN];
        header[1] = 3;
        assert_eq!(finished(header, 0).0, Received::Undescribable);
    }
}
