//! Out of the tunnel: segments become frames, and headers become offloads.

use std::ops::Range;

use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, Layers, checksum, ethernet, protocol, tcp, udp};

use super::header::{HEADER_LEN, Header, flag};
use super::reassembly::{Key, Piece, Reassembly};
use crate::outer::Outer;
use crate::{DropReason, Popped, ecn};

pub(super) fn pop(
    port: u16,
    reassembly: &mut Reassembly,
    buffer: &mut FrameBuf,
    offload: &Offload,
    now_ns: u64,
    each: &mut dyn FnMut(Result<Popped, DropReason>, &mut FrameBuf),
) {
    let segment = match Segment::parse(buffer.bytes(), port, offload) {
        Ok(segment) => segment,
        Err(reason) => return each(Err(reason), buffer),
    };
    if segment.payload.len() == segment.total {
        let start = buffer.range().start;
        buffer.set_range(start + segment.payload.start..start + segment.payload.end);
        return each(open(buffer, &segment.outer, segment.outer.tos), buffer);
    }
    let mut evicted = 0;
    let piece = segment.piece(buffer.bytes());
    let outcome = reassembly.insert(&piece, now_ns, &mut |_| evicted += 1);
    for _ in 0..evicted {
        each(Err(DropReason::SttEvicted), buffer);
    }
    match outcome {
        Ok(None) => {}
        Ok(Some(mut whole)) => {
            let result = open(&mut whole.frame, &segment.outer, whole.tos);
            each(result, &mut whole.frame);
            reassembly.recycle(whole);
        }
        Err(reason) => each(Err(reason), buffer),
    }
}

/// A part of a frame, and where it belongs.
struct Segment {
    outer: Outer,
    id: u32,
    total: usize,
    offset: usize,
    payload: Range<usize>,
}

impl Segment {
    fn parse(frame: &[u8], port: u16, offload: &Offload) -> Result<Self, DropReason> {
        let outer = Outer::parse(frame, protocol::TCP)?;
        outer.check_port(frame, port)?;
        let bytes = &frame[outer.transport..outer.end];
        let segment = tcp::Packet::new_checked(bytes).map_err(|_| DropReason::OuterMalformed)?;
        outer.verify(frame, protocol::TCP, offload)?;
        let (total, offset) = ((segment.sequence() >> 16) as usize, (segment.sequence() & 0xffff) as usize);
        let payload = outer.transport + segment.header_len()..outer.end;
        if payload.is_empty() {
            return Err(DropReason::SttEmptySegment);
        }
        if offset + payload.len() > total {
            return Err(DropReason::SttBadOffset);
        }
        Ok(Self { outer, id: segment.acknowledgment(), total, offset, payload })
    }

    fn piece<'a>(&self, frame: &'a [u8]) -> Piece<'a> {
        Piece {
            key: Key { source: self.outer.source(), destination: self.outer.destination(), id: self.id },
            total: self.total,
            offset: self.offset,
            tos: self.outer.tos,
            bytes: &frame[self.payload.clone()],
        }
    }
}

/// Takes the STT header off a complete frame.
fn open(buffer: &mut FrameBuf, outer: &Outer, tos: u8) -> Result<Popped, DropReason> {
    let header = Header::parse(buffer.bytes())?;
    buffer.pull_front(HEADER_LEN);
    if buffer.len() < ethernet::HEADER_LEN {
        return Err(DropReason::InnerTruncated);
    }
    let mut offload = inner_offload(&header, buffer.bytes())?;
    ecn::combine(tos, buffer.bytes_mut())?;
    if let Some(tag) = header.vlan {
        insert_tag(buffer, tag, &mut offload);
    }
    Ok(Popped { tos, ..Popped::new(outer, header.context, offload) })
}

/// What the header leaves undone, if the frame really is what the header says.
fn inner_offload(header: &Header, frame: &[u8]) -> Result<Offload, DropReason> {
    if header.flags & flag::CHECKSUM_PARTIAL == 0 {
        let data_valid = header.flags & flag::CHECKSUM_VERIFIED != 0;
        return Ok(Offload { data_valid, ..Offload::default() });
    }
    let layers = Layers::parse(frame).ok_or(DropReason::SttBadOffload)?;
    let is_tcp = header.flags & flag::TCP != 0;
    let payload = payload_at(&layers, frame, is_tcp)?;
    let same = layers.transport == usize::from(header.l4_offset)
        && layers.is_v4() == (header.flags & flag::IPV4 != 0)
        && !layers.fragment;
    if !same {
        return Err(DropReason::SttBadOffload);
    }
    let mut offload = Offload {
        needs_csum: true,
        csum_start: u16::from(header.l4_offset),
        csum_offset: if is_tcp { checksum::TCP_CSUM_OFFSET } else { checksum::UDP_CSUM_OFFSET },
        ..Offload::default()
    };
    if header.mss != 0 {
        if !is_tcp {
            return Err(DropReason::UdpSegmentation);
        }
        add_gso(&mut offload, header.mss, &layers, payload);
    }
    Ok(offload)
}

fn add_gso(offload: &mut Offload, mss: u16, layers: &Layers, payload: usize) {
    if layers.end - payload > usize::from(mss) {
        offload.gso = if layers.is_v4() { GsoKind::TcpV4 } else { GsoKind::TcpV6 };
        offload.gso_size = mss;
        offload.hdr_len = payload as u16;
    }
}

/// Where the transport payload begins. Errors: another protocol, or a header cut short.
fn payload_at(layers: &Layers, frame: &[u8], is_tcp: bool) -> Result<usize, DropReason> {
    let transport = &frame[layers.transport..layers.end];
    let header_len = match (layers.protocol, is_tcp) {
        (protocol::TCP, true) => tcp::Packet::new_checked(transport).map(|segment| segment.header_len()),
        (protocol::UDP, false) => udp::Packet::new_checked(transport).map(|_| udp::HEADER_LEN),
        _ => return Err(DropReason::SttBadOffload),
    };
    header_len.map(|len| layers.transport + len).map_err(|_| DropReason::SttBadOffload)
}

/// Puts the tag back behind the addresses; there is room where the STT header was.
fn insert_tag(buffer: &mut FrameBuf, tag: u16, offload: &mut Offload) {
    if buffer.push_front(ethernet::TAG_LEN).is_none() {
        return;
    }
    let bytes = buffer.bytes_mut();
    bytes.copy_within(ethernet::TAG_LEN..ethernet::TAG_LEN + ethernet::MACS_LEN, 0);
    let [high, low] = ethernet::ether_type::VLAN.to_be_bytes();
    let [tag_high, tag_low] = tag.to_be_bytes();
    bytes[ethernet::MACS_LEN..][..ethernet::TAG_LEN].copy_from_slice(&[high, low, tag_high, tag_low]);
    if offload.needs_csum {
        offload.csum_start += ethernet::TAG_LEN as u16;
    }
    if offload.hdr_len != 0 {
        offload.hdr_len += ethernet::TAG_LEN as u16;
    }
}
