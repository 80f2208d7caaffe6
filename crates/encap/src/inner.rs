//! Inner frames on their way into a tunnel: what their offload says, and doing it in software.

use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, Layers, checksum, ethernet, finish_checksum, protocol};

use crate::{DropReason, ecn};

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

/// The offload, if a kernel tunnel on the same machine has left something undone on the inner frame and
/// says so by offsets that reach into it; `None` if nothing is, or only on the outer one, whose transport
/// header begins at `transport`.
#[inline]
pub(crate) fn undone(offload: &Offload, transport: usize) -> Result<Option<&Offload>, DropReason> {
    let is_inner = offload.needs_csum && usize::from(offload.csum_start) > transport;
    match offload.gso {
        GsoKind::None | GsoKind::UdpL4 if !is_inner => Ok(None),
        GsoKind::UdpL4 => Err(DropReason::UdpSegmentation),
        GsoKind::TcpV4 | GsoKind::TcpV6 if !is_inner => Err(DropReason::BadOffload),
        _ => Ok(Some(offload)),
    }
}

/// Checks the inner frame in `buffer`, which begins `inner_at` bytes into the outer one, marks the
/// congestion that the outer header met, and gives what is left undone.
#[inline]
pub(crate) fn arrived(
    buffer: &mut FrameBuf,
    undone: Option<&Offload>,
    inner_at: usize,
    outer_tos: u8,
) -> Result<Offload, DropReason> {
    if buffer.len() < ethernet::HEADER_LEN {
        return Err(DropReason::InnerTruncated);
    }
    let offload = undone.map_or(Ok(Offload::default()), |undone| moved(undone, inner_at, buffer.len()))?;
    ecn::combine(outer_tos, buffer.bytes_mut())?;
    Ok(offload)
}

/// The same offload by offsets into the inner frame, which is `len` bytes long.
fn moved(undone: &Offload, inner_at: usize, len: usize) -> Result<Offload, DropReason> {
    let csum_start = usize::from(undone.csum_start).checked_sub(inner_at).ok_or(DropReason::BadOffload)?;
    let inner = Offload {
        data_valid: false,
        csum_start: csum_start as u16,
        hdr_len: undone.hdr_len.saturating_sub(inner_at as u16),
        ..*undone
    };
    if inner.fits(len) { Ok(inner) } else { Err(DropReason::BadOffload) }
}
