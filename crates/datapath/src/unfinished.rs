//! Checksums that the sender has left unfinished: whether they may be finished at all, and those of SCTP.
//!
//! Whoever finishes one writes two bytes of the frame, after the tables and the tracker have judged it.  Those bytes
//! must be a checksum, or lie behind all that has been judged: else a sender could choose what they become.

use tulle_wire::checksum::{TCP_CSUM_OFFSET, UDP_CSUM_OFFSET};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, sctp};

use crate::drop::DropReason;
use crate::extract::{ICMPV4, ICMPV6, Layout, SCTP, TCP, UDP, reach};

/// Where the checksum lies in ICMP and ICMPv6.
const ICMP_CSUM_OFFSET: u16 = 2;
/// Where it lies in SCTP, and in no other protocol whose checksum is left unfinished.
const SCTP_CSUM_OFFSET: u16 = 8;

/// Checks that what is left undone on a frame can be done, and changes nothing then that has been looked at.
#[inline]
pub(crate) fn check(frame: &[u8], layout: &Layout, offload: &Offload) -> Result<(), DropReason> {
    let is_right = !offload.needs_csum || is_own(layout, offload) || is_beyond(frame, layout, offload);
    if is_right && offload.fits(frame.len()) { Ok(()) } else { Err(DropReason::BadOffload) }
}

/// Whether the field is the checksum of the frame's transport header.
#[inline]
fn is_own(layout: &Layout, offload: &Offload) -> bool {
    let offset = match layout.proto {
        TCP => TCP_CSUM_OFFSET,
        UDP => UDP_CSUM_OFFSET,
        SCTP => SCTP_CSUM_OFFSET,
        ICMPV4 | ICMPV6 => ICMP_CSUM_OFFSET,
        _ => return false,
    };
    layout.l4 > 0 && usize::from(offload.csum_start) == layout.l4 && offload.csum_offset == offset
}

/// Whether it lies in what the frame carries, such as the packet in a tunnel of the sender's own.
#[cold]
fn is_beyond(frame: &[u8], layout: &Layout, offload: &Offload) -> bool {
    usize::from(offload.csum_start) >= reach(frame, layout)
}

/// Finishes a checksum of SCTP, which is a CRC (RFC 9260 section 6.8) and no Internet checksum: nothing that handles
/// the frame later can tell the two apart.
#[inline]
pub(crate) fn finish_sctp(frame: &mut FrameBuf, layout: &Layout, offload: &Offload) -> Offload {
    if offload.needs_csum && offload.csum_offset == SCTP_CSUM_OFFSET {
        finish_crc(frame, layout, offload)
    } else {
        *offload
    }
}

#[cold]
#[inline(never)]
fn finish_crc(frame: &mut FrameBuf, layout: &Layout, offload: &Offload) -> Offload {
    let packet = frame.bytes_mut().get_mut(usize::from(offload.csum_start)..layout.end);
    match packet.map(sctp::finish_checksum) {
        Some(Ok(())) => Offload { needs_csum: false, csum_start: 0, csum_offset: 0, ..*offload },
        _ => *offload,
    }
}
