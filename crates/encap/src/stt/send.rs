//! Into the tunnel: one frame becomes one long TCP-like segment that the device cuts.

use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, Layers, checksum, ethernet, tcp, tcp_segments};

use super::MOST_INNER;
use super::header::{HEADER_LEN, Header, flag};
use crate::template::source_port;
use crate::{DropReason, Outers, Passage, Pushed, Template, inner};

/// Both Open vSwitch implementations send this; the kernel's GRO wants it constant.
const WINDOW: u16 = 0xffff;
const DROP_ELIGIBLE: u16 = 0x1000;

pub(super) fn push(
    template: &Template,
    mut passage: Passage<'_>,
    buffer: &mut FrameBuf,
    offload: &Offload,
    scratch: &mut FrameBuf,
    each: &mut dyn FnMut(Outers<'_>),
) -> Result<Pushed, DropReason> {
    let layers = inner::check(buffer.bytes(), offload)?;
    if carries(buffer.bytes(), offload, layers.as_ref()) {
        return push_whole(template, &mut passage, buffer, offload, layers.as_ref()).map(Pushed::Whole);
    }
    if offload.gso == GsoKind::None {
        inner::complete(buffer, offload)?;
        let done = Offload::default();
        return push_whole(template, &mut passage, buffer, &done, layers.as_ref()).map(Pushed::Whole);
    }
    push_cut(template, &mut passage, buffer, offload, scratch, each)
}

/// Whether the far end can be told everything that is left undone on the frame.
fn carries(frame: &[u8], offload: &Offload, layers: Option<&Layers>) -> bool {
    let undone = offload.needs_csum || offload.gso != GsoKind::None;
    let tag_len = tag(frame).map_or(0, |_| ethernet::TAG_LEN);
    let Some(layers) = layers.filter(|_| undone) else { return !undone };
    // Only the outermost 802.1Q tag travels in the header; offloads behind others are not portable.
    let untagged = layers.network - tag_len == ethernet::HEADER_LEN;
    let near = layers.transport - tag_len <= usize::from(u8::MAX);
    let short = offload.gso == GsoKind::None || frame.len() - tag_len <= MOST_INNER;
    untagged && near && short && !offload.ecn && inner::describes(offload, layers)
}

/// The tag that travels in the header. There the V bit has the place of the drop-eligible bit: a tag
/// with that one set stays in the frame.
fn tag(frame: &[u8]) -> Option<u16> {
    ethernet::Packet::new_checked(frame).ok()?.vlan().filter(|tag| tag & DROP_ELIGIBLE == 0)
}

fn push_cut(
    template: &Template,
    passage: &mut Passage<'_>,
    buffer: &FrameBuf,
    offload: &Offload,
    scratch: &mut FrameBuf,
    each: &mut dyn FnMut(Outers<'_>),
) -> Result<Pushed, DropReason> {
    let mut result = Ok(());
    let count = tcp_segments(buffer.bytes(), offload.gso_size, scratch, |piece| {
        let layers = Layers::parse(piece.bytes());
        match push_whole(template, passage, piece, &Offload::default(), layers.as_ref()) {
            Ok(outer) => each(Outers::whole(piece.bytes(), &outer)),
            Err(reason) => result = Err(reason),
        }
    });
    let count = count.map_err(|_| DropReason::BadOffload)?;
    result.map(|()| Pushed::Cut(count))
}

fn push_whole(
    template: &Template,
    passage: &mut Passage<'_>,
    buffer: &mut FrameBuf,
    offload: &Offload,
    layers: Option<&Layers>,
) -> Result<Offload, DropReason> {
    let vlan = tag(buffer.bytes());
    let (segment_at, segment_len) = check_room(template, buffer, vlan)?;
    let look = template.look(passage, buffer.bytes(), layers);
    if vlan.is_some() {
        buffer.bytes_mut().copy_within(..ethernet::MACS_LEN, ethernet::TAG_LEN);
        buffer.pull_front(ethernet::TAG_LEN);
    }
    let header = header(passage.context, vlan, offload, layers);
    let header_at = segment_at + tcp::HEADER_LEN;
    let out = buffer.push_front(header_at + HEADER_LEN).ok_or(DropReason::NoHeadroom)?;
    let id = passage.next_id();
    // Not over 65535 with IPv4's header: MOST_INNER guarantees it.
    template.emit_network(out, segment_len as u16, id as u16, look);
    let segment = Segment { len: segment_len as u16, id, entropy: passage.entropy };
    segment.emit(template, &mut out[segment_at..header_at]);
    out[header_at..].copy_from_slice(&header.emit());
    Ok(outer_offload(template, segment_len))
}

/// Where the segment begins, and how long it is. Errors: too long, no path, no headroom.
#[inline]
fn check_room(
    template: &Template,
    buffer: &FrameBuf,
    vlan: Option<u16>,
) -> Result<(usize, usize), DropReason> {
    let tag_len = vlan.map_or(0, |_| ethernet::TAG_LEN);
    let (segment_at, inner_len) = (template.network_len(), buffer.len() - tag_len);
    if inner_len > MOST_INNER {
        return Err(DropReason::SttTooLong);
    }
    if usize::from(template.options.mtu) <= template.ip_len() + tcp::HEADER_LEN {
        return Err(DropReason::TooBig);
    }
    if buffer.headroom() + tag_len < segment_at + tcp::HEADER_LEN + HEADER_LEN {
        return Err(DropReason::NoHeadroom);
    }
    Ok((segment_at, tcp::HEADER_LEN + HEADER_LEN + inner_len))
}

fn header(context: u64, vlan: Option<u16>, offload: &Offload, layers: Option<&Layers>) -> Header {
    let tag_len = vlan.map_or(0, |_| ethernet::TAG_LEN);
    let mut header = Header { vlan, context, ..Header::default() };
    match layers {
        Some(layers) if offload.needs_csum => {
            let tcp = offload.csum_offset == checksum::TCP_CSUM_OFFSET;
            header.flags = flag::CHECKSUM_PARTIAL
                | if layers.is_v4() { flag::IPV4 } else { 0 }
                | if tcp { flag::TCP } else { 0 };
            header.l4_offset = (layers.transport - tag_len) as u8;
            header.mss = if offload.gso == GsoKind::None { 0 } else { offload.gso_size };
        }
        _ if offload.data_valid => header.flags = flag::CHECKSUM_VERIFIED,
        _ => {}
    }
    header
}

/// The TCP-like header of a frame that has not been cut yet.
struct Segment {
    len: u16,
    id: u32,
    entropy: u32,
}

impl Segment {
    #[inline]
    fn emit(&self, template: &Template, bytes: &mut [u8]) {
        let frame_len = u32::from(self.len) - tcp::HEADER_LEN as u32;
        bytes[..2].copy_from_slice(&source_port(self.entropy).to_be_bytes());
        bytes[2..4].copy_from_slice(&template.options.dst_port.to_be_bytes());
        bytes[4..8].copy_from_slice(&(frame_len << 16).to_be_bytes());
        bytes[8..12].copy_from_slice(&self.id.to_be_bytes());
        bytes[12..14].copy_from_slice(&[0x50, tcp::flag::ACK | tcp::flag::PSH]);
        bytes[14..16].copy_from_slice(&WINDOW.to_be_bytes());
        bytes[16..18].copy_from_slice(&template.pseudo(self.len).to_be_bytes());
        bytes[18..20].fill(0);
    }
}

fn outer_offload(template: &Template, segment_len: usize) -> Offload {
    let segment_at = template.network_len();
    let size = template.options.mtu - (template.ip_len() + tcp::HEADER_LEN) as u16;
    let cut = segment_len - tcp::HEADER_LEN > usize::from(size);
    let kind = if template.is_v4() { GsoKind::TcpV4 } else { GsoKind::TcpV6 };
    Offload {
        needs_csum: true,
        csum_start: segment_at as u16,
        csum_offset: checksum::TCP_CSUM_OFFSET,
        gso: if cut { kind } else { GsoKind::None },
        gso_size: if cut { size } else { 0 },
        hdr_len: (segment_at + tcp::HEADER_LEN) as u16,
        ..Offload::default()
    }
}
