//! Out of the tunnel: one inner frame for each datagram, several if the packet is a train of them.

use std::ops::Range;

use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, ethernet, protocol, udp};

use super::{HEADER_LEN, parse_header};
use crate::outer::Outer;
use crate::{DropReason, Popped, ecn};

pub(super) fn pop(
    port: u16,
    buffer: &mut FrameBuf,
    offload: &Offload,
    each: &mut dyn FnMut(Result<Popped, DropReason>, &mut FrameBuf),
) {
    let train = match Train::parse(buffer.bytes(), port, offload) {
        Ok(train) => train,
        Err(reason) => return each(Err(reason), buffer),
    };
    let start = buffer.range().start;
    for from in train.payload.clone().step_by(train.size) {
        let to = (from + train.size).min(train.payload.end);
        buffer.set_range(start + from..start + to);
        each(open(buffer, &train), buffer);
    }
}

/// Datagrams behind one outer header.
struct Train {
    outer: Outer,
    payload: Range<usize>,
    /// UDP payload bytes of each datagram, the last may have less.
    size: usize,
    /// What is left undone on the inner frame; only if there is one datagram.
    inner: Offload,
}

impl Train {
    fn parse(frame: &[u8], port: u16, offload: &Offload) -> Result<Self, DropReason> {
        let outer = Outer::parse(frame, protocol::UDP, port)?;
        let bytes = &frame[outer.transport..outer.end];
        let datagram = udp::Packet::new_checked(bytes).map_err(|_| DropReason::OuterMalformed)?;
        let outer = Outer { end: outer.transport + datagram.total_len(), ..outer };
        if datagram.checksum() != 0 {
            outer.verify(frame, protocol::UDP, offload)?;
        }
        let payload = outer.transport + udp::HEADER_LEN..outer.end;
        if payload.is_empty() {
            return Err(DropReason::VxlanTruncated);
        }
        let inner = inner_offload(offload, payload.start + HEADER_LEN, payload.end)?;
        let size = match offload.gso {
            GsoKind::UdpL4 => usize::from(offload.gso_size),
            _ => payload.len(),
        };
        if size == 0 { Err(DropReason::BadOffload) } else { Ok(Self { outer, payload, size, inner }) }
    }
}

/// A kernel tunnel on the same machine leaves work on the inner frame undone, and describes it by
/// offsets that reach into it.
fn inner_offload(offload: &Offload, inner_at: usize, end: usize) -> Result<Offload, DropReason> {
    let is_inner = offload.needs_csum && usize::from(offload.csum_start) >= inner_at;
    match offload.gso {
        GsoKind::None if !is_inner => return Ok(Offload::default()),
        GsoKind::UdpL4 if !is_inner => return Ok(Offload::default()),
        GsoKind::UdpL4 => return Err(DropReason::UdpSegmentation),
        GsoKind::TcpV4 | GsoKind::TcpV6 if !is_inner => return Err(DropReason::BadOffload),
        _ => {}
    }
    let inner = Offload {
        data_valid: false,
        csum_start: offload.csum_start - inner_at as u16,
        hdr_len: offload.hdr_len.saturating_sub(inner_at as u16),
        ..*offload
    };
    if inner.fits(end.saturating_sub(inner_at)) { Ok(inner) } else { Err(DropReason::BadOffload) }
}

/// Takes the VXLAN header off one datagram's payload.
fn open(buffer: &mut FrameBuf, train: &Train) -> Result<Popped, DropReason> {
    let context = parse_header(buffer.bytes())?;
    buffer.pull_front(HEADER_LEN);
    if buffer.len() < ethernet::HEADER_LEN {
        return Err(DropReason::InnerTruncated);
    }
    ecn::combine(train.outer.tos, buffer.bytes_mut())?;
    let Outer { source, destination, tos, ttl, .. } = train.outer;
    Ok(Popped { context, source, destination, tos, ttl, offload: train.inner })
}
