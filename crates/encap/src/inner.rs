//! Inner frames on their way into a tunnel: what their offload says, and doing it in software.

use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, Layers, checksum, ethernet, finish_checksum, protocol};

use crate::DropReason;

/// Refuses what no encapsulation carries, and looks at the layers of the frame (`None`: not IP).
#[inline]
pub(crate) fn check(frame: &[u8], offload: &Offload) -> Result<Option<Layers>, DropReason> {
    if frame.len() < ethernet::HEADER_LEN {
        return Err(DropReason::InnerTruncated);
    }
    if !offload.fits(frame.len()) {
        return Err(DropReason::BadOffload);
    }
    if offload.gso == GsoKind::UdpL4 {
        return Err(DropReason::UdpSegmentation);
    }
    Ok(Layers::parse(frame))
}

/// Whether the offload describes the transport header that the frame really has.
#[inline]
pub(crate) fn describes(offload: &Offload, layers: &Layers) -> bool {
    let offset = match layers.protocol {
        protocol::TCP => checksum::TCP_CSUM_OFFSET,
        protocol::UDP => checksum::UDP_CSUM_OFFSET,
        _ => return false,
    };
    let gso_fits = match offload.gso {
        GsoKind::None => true,
        GsoKind::TcpV4 => layers.protocol == protocol::TCP && layers.is_v4(),
        GsoKind::TcpV6 => layers.protocol == protocol::TCP && !layers.is_v4(),
        GsoKind::UdpL4 => false,
    };
    let here = usize::from(offload.csum_start) == layers.transport && offload.csum_offset == offset;
    offload.needs_csum && here && gso_fits && !layers.fragment
}

/// Completes the checksum in software where it is left undone.
pub(crate) fn complete(buffer: &mut FrameBuf, offload: &Offload) -> Result<(), DropReason> {
    if !offload.needs_csum {
        return Ok(());
    }
    finish_checksum(buffer.bytes_mut(), offload.csum_start, offload.csum_offset)
        .map_err(|_| DropReason::BadOffload)
}
