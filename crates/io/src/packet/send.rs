//! Sending: one frame by sendmsg, several by sendmmsg.

use std::io;
use std::mem::zeroed;
use std::os::fd::AsRawFd;

use tulle_wire::vnet::{Offload, VNET_HDR_LEN};

use super::PacketSocket;
use crate::header;
use crate::outcome::Sent;
use crate::sys::{check, check_len};

const MOST_FRAMES: usize = 32;

impl PacketSocket {
    /// Sends one frame. Never waits. A frame without segmentation offload must fit the device's MTU.
    pub fn send(&self, frame: &[u8], offload: &Offload) -> io::Result<Sent> {
        let header = header::emit(offload);
        let parts = parts(&header, frame);
        let message = message(&parts);
        // SAFETY: `message` points at `parts`, which point at `header` and `frame`; all outlive the
        // call, which only reads them.
        let result = check_len(unsafe {
            libc::sendmsg(self.socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT)
        });
        match result {
            Ok(_) => Ok(Sent::Sent),
            Err(error) => Sent::from_error(error),
        }
    }

    /// Sends frames in order, at most 32. Gives how many went and what became of the next: `Sent` if
    /// there was none left to try. Never waits.
    pub fn send_batch(&self, frames: &[(&[u8], Offload)]) -> io::Result<(usize, Sent)> {
        let frames = &frames[..frames.len().min(MOST_FRAMES)];
        let count = self.send_many(frames);
        match frames.get(count) {
            None => Ok((count, Sent::Sent)),
            // sendmmsg keeps the reason to itself once one frame has gone: ask by trying again.
            Some((frame, offload)) => match self.send(frame, offload)? {
                Sent::Sent => Ok((count + 1, Sent::Sent)),
                reason => Ok((count, reason)),
            },
        }
    }

    fn send_many(&self, frames: &[(&[u8], Offload)]) -> usize {
        let mut headers = [[0; VNET_HDR_LEN]; MOST_FRAMES];
        for (header, (_, offload)) in headers.iter_mut().zip(frames) {
            *header = header::emit(offload);
        }
        // SAFETY: all-zero iovecs and mmsghdrs describe nothing.
        let (mut all_parts, mut messages): ([[libc::iovec; 2]; MOST_FRAMES], [libc::mmsghdr; MOST_FRAMES]) =
            unsafe { (zeroed(), zeroed()) };
        for (i, (frame, _)) in frames.iter().enumerate() {
            all_parts[i] = parts(&headers[i], frame);
            messages[i].msg_hdr = message(&all_parts[i]);
        }
        // SAFETY: the first `frames.len()` messages point into `all_parts`, `headers` and `frames`,
        // which outlive the call, which only reads them.
        let result = check(unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                messages.as_mut_ptr(),
                frames.len() as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        });
        result.map_or(0, |count| count as usize)
    }
}

fn parts(header: &[u8; VNET_HDR_LEN], frame: &[u8]) -> [libc::iovec; 2] {
    [part(header), part(frame)]
}

/// The kernel only reads what is sent; iovec has no const form.
fn part(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

fn message(parts: &[libc::iovec; 2]) -> libc::msghdr {
    // SAFETY: an all-zero msghdr describes nothing.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = parts.as_ptr().cast_mut();
    message.msg_iovlen = parts.len();
    message
}
