//! Into the tunnel: one datagram for a frame, or trains of them for a TCP frame that is to be cut.

use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, Layers, TcpCutter, checksum, ipv4, udp};

use super::{HEADER_AT, HEADER_LEN, OVERHEAD, UDP_AT, emit_header};
use crate::template::source_port;
use crate::{DropReason, Passage, Pushed, Template, ecn, inner};

/// UDP_MAX_SEGMENTS of Linux before 6.10.
const MOST_DATAGRAMS: usize = 64;
const MOST_PACKET: usize = 65535;
/// What the outer headers add to an inner frame's length to give the length of the IPv4 packet.
const PACKET_OVERHEAD: usize = ipv4::HEADER_LEN + udp::HEADER_LEN + HEADER_LEN;

pub(super) fn push(
    template: &Template,
    mut passage: Passage<'_>,
    buffer: &mut FrameBuf,
    offload: &Offload,
    scratch: &mut FrameBuf,
    udp_segmentation: bool,
    each: &mut dyn FnMut(&[u8], &Offload),
) -> Result<Pushed, DropReason> {
    let layers = inner::check(buffer.bytes(), offload)?;
    let tos = ecn::outer_tos(template.options.dscp, layers.as_ref());
    if offload.gso != GsoKind::None {
        let cutter = cutter(template, buffer.bytes(), offload, layers.as_ref())?;
        let most = if udp_segmentation { MOST_DATAGRAMS } else { 1 };
        return push_trains(template, &mut passage, &cutter, tos, scratch, most, each).map(Pushed::Cut);
    }
    if PACKET_OVERHEAD + buffer.len() > usize::from(template.options.mtu) {
        return Err(DropReason::TooBig);
    }
    if buffer.headroom() < OVERHEAD {
        return Err(DropReason::NoHeadroom);
    }
    inner::complete(buffer, offload)?;
    let out = buffer.push_front(OVERHEAD).ok_or(DropReason::NoHeadroom)?;
    out[HEADER_AT..].copy_from_slice(&emit_header(passage.context));
    emit_outer(template, &mut passage, buffer.bytes_mut(), tos, 0);
    Ok(Pushed::Whole(Offload::default()))
}

fn cutter<'a>(
    template: &Template,
    frame: &'a [u8],
    offload: &Offload,
    layers: Option<&Layers>,
) -> Result<TcpCutter<'a>, DropReason> {
    if !layers.is_some_and(|layers| inner::describes(offload, layers)) {
        return Err(DropReason::BadOffload);
    }
    let cutter = TcpCutter::new(frame, offload.gso_size).map_err(|_| DropReason::BadOffload)?;
    if PACKET_OVERHEAD + cutter.full_len() > usize::from(template.options.mtu) {
        return Err(DropReason::TooBig);
    }
    Ok(cutter)
}

fn push_trains(
    template: &Template,
    passage: &mut Passage<'_>,
    cutter: &TcpCutter<'_>,
    tos: u8,
    scratch: &mut FrameBuf,
    most: usize,
    each: &mut dyn FnMut(&[u8], &Offload),
) -> Result<usize, DropReason> {
    let room = (MOST_PACKET - ipv4::HEADER_LEN - udp::HEADER_LEN) / (HEADER_LEN + cutter.full_len());
    let most = most.min(room).max(1);
    let mut trains = 0;
    for first in (0..cutter.count()).step_by(most) {
        let last = (first + most).min(cutter.count());
        fill_train(passage.context, cutter, first..last, scratch)?;
        let size = if last - first > 1 { HEADER_LEN + cutter.full_len() } else { 0 };
        emit_outer(template, passage, scratch.bytes_mut(), tos, size);
        each(scratch.bytes(), &train_offload(size));
        trains += 1;
    }
    Ok(trains)
}

/// Room for the outer headers, then VXLAN header and frame of each piece.
fn fill_train(
    context: u64,
    cutter: &TcpCutter<'_>,
    pieces: std::ops::Range<usize>,
    scratch: &mut FrameBuf,
) -> Result<(), DropReason> {
    scratch.reset();
    let room = scratch.spare_mut();
    let mut at = HEADER_AT;
    for index in pieces {
        let header = room.get_mut(at..at + HEADER_LEN).ok_or(DropReason::TooBig)?;
        header.copy_from_slice(&emit_header(context));
        at += HEADER_LEN;
        at += cutter.emit(index, &mut room[at..]).map_err(|_| DropReason::TooBig)?;
    }
    scratch.set_len(at);
    Ok(())
}

/// Writes Ethernet, IPv4 and UDP headers to the front of `frame`. The UDP checksum is 0, except in a
/// packet to be cut into datagrams of `size`: there it is the pseudo sum, for the device to complete.
fn emit_outer(template: &Template, passage: &mut Passage<'_>, frame: &mut [u8], tos: u8, size: usize) {
    let datagram_len = (frame.len() - UDP_AT) as u16;
    let id = passage.next_id();
    template.emit_network(frame, datagram_len + ipv4::HEADER_LEN as u16, id as u16, tos);
    let sum = if size == 0 { 0 } else { template.pseudo(datagram_len) };
    let header = &mut frame[UDP_AT..HEADER_AT];
    header[..2].copy_from_slice(&source_port(passage.entropy).to_be_bytes());
    header[2..4].copy_from_slice(&template.options.dst_port.to_be_bytes());
    header[4..6].copy_from_slice(&datagram_len.to_be_bytes());
    header[6..8].copy_from_slice(&sum.to_be_bytes());
}

fn train_offload(size: usize) -> Offload {
    if size == 0 {
        return Offload::default();
    }
    Offload {
        needs_csum: true,
        csum_start: UDP_AT as u16,
        csum_offset: checksum::UDP_CSUM_OFFSET,
        gso: GsoKind::UdpL4,
        gso_size: size as u16,
        hdr_len: HEADER_AT as u16,
        ..Offload::default()
    }
}
