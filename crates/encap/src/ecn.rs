//! Explicit congestion notification across a tunnel (RFC 6040).

use tulle_wire::ethernet::ether_type;
use tulle_wire::{Layers, checksum};

use crate::DropReason;

const MASK: u8 = 3;
const NOT_CAPABLE: u8 = 0;
const CAPABLE_1: u8 = 1;
const CAPABLE_0: u8 = 2;
const EXPERIENCED: u8 = 3;

/// Whether the outer header reports congestion.
pub(crate) fn is_marked(tos: u8) -> bool {
    tos & MASK == EXPERIENCED
}

/// `tos` with congestion marked.
pub(crate) fn marked(tos: u8) -> u8 {
    tos | EXPERIENCED
}

/// The outer TOS: the tunnel's DSCP and the inner ECN (RFC 6040 section 4.1, normal mode).
pub(crate) fn outer_tos(dscp: u8, inner: Option<&Layers>) -> u8 {
    dscp << 2 | inner.map_or(NOT_CAPABLE, |layers| layers.tos & MASK)
}

/// Brings the outer mark into the inner frame (RFC 6040 section 4.2). What is not IP carries no mark
/// and passes.
pub(crate) fn combine(outer_tos: u8, frame: &mut [u8]) -> Result<(), DropReason> {
    // The common case needs no look into the frame.
    if matches!(outer_tos & MASK, NOT_CAPABLE | CAPABLE_0) {
        return Ok(());
    }
    let Some(layers) = Layers::parse(frame) else { return Ok(()) };
    let ecn = match (layers.tos & MASK, outer_tos & MASK) {
        (NOT_CAPABLE, EXPERIENCED) => return Err(DropReason::CongestionLost),
        (NOT_CAPABLE, _) => return Ok(()),
        (CAPABLE_0, CAPABLE_1) => CAPABLE_1,
        (_, EXPERIENCED) => EXPERIENCED,
        _ => return Ok(()),
    };
    set_tos(frame, &layers, layers.tos & !MASK | ecn);
    Ok(())
}

fn set_tos(frame: &mut [u8], layers: &Layers, tos: u8) {
    let header = &mut frame[layers.network..];
    if layers.ether_type == ether_type::IPV4 {
        let word = u16::from_be_bytes([header[0], tos]);
        checksum::rewrite_word(header, tulle_wire::ipv4::CSUM_AT, 0, word);
    } else {
        header[0] = header[0] & 0xf0 | tos >> 4;
        header[1] = header[1] & 0x0f | tos << 4;
    }
}
