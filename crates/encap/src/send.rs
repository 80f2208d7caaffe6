//! Into a tunnel that cuts nothing itself: one outer packet for a frame, or one for each piece of a
//! TCP frame that is to be cut, or trains of pieces where a device cuts these.

use std::ops::Range;

use tulle_wire::vnet::{GsoKind, Offload, Tunnel};
use tulle_wire::{FrameBuf, Layers, TcpCutter, ethernet};

use crate::template::Look;
use crate::{DropReason, Outers, Passage, Pushed, Template, inner};

const MOST_PACKET: usize = 65535;

/// What stands between the outer IP header and the inner frame.
pub(crate) trait Carrier {
    /// Whether the transport header is UDP's.
    const IS_UDP: bool = false;
    /// Length of the transport header, which a train of frames has once.
    const TRANSPORT_LEN: usize;

    /// The header in front of each inner frame.
    fn header(&self) -> &[u8];

    /// How many frames a train may have.
    fn most(&self) -> usize;

    /// Whether the headers of all segments are the same but for lengths and IPv4's identification, so that a device may
    /// cut within the tunnel.
    fn may_go_uncut(&self, template: &Template) -> bool;

    /// Writes the transport header, or what is missing in the other, to the front of `packet`, which
    /// is all that follows the IP header. `id` is the packet's own; `size` is the length of all but the
    /// last frame of a train with their headers, 0 if there is one frame. Gives what is left undone.
    fn finish(&self, template: &Template, id: u32, packet: &mut [u8], size: usize) -> Offload;
}

#[inline]
pub(crate) fn push<C: Carrier>(
    carrier: &C,
    template: &Template,
    passage: &mut Passage<'_>,
    buffer: &mut FrameBuf,
    offload: &Offload,
    scratch: &mut FrameBuf,
    each: &mut dyn FnMut(Outers<'_>),
) -> Result<Pushed, DropReason> {
    let layers = inner::check(buffer.bytes(), offload)?;
    let look = template.look(passage, buffer.bytes(), layers.as_ref());
    let sender = Sender { carrier, template, look };
    if offload.gso != GsoKind::None {
        let cutter = sender.cutter(buffer.bytes(), offload, layers.as_ref())?;
        if let Some(layers) =
            layers.filter(|layers| cutter.count() > 1 && sender.goes_uncut(passage, buffer, offload, layers))
        {
            return sender.push_uncut(passage, buffer, offload, &layers, each);
        }
        return sender.push_cut(passage, &cutter, scratch, each).map(Pushed::Cut);
    }
    sender.push_whole(passage, buffer, offload).map(Pushed::Whole)
}

/// What all packets of one frame have in common.
struct Sender<'a, C> {
    carrier: &'a C,
    template: &'a Template,
    look: Look,
}

impl<C: Carrier> Sender<'_, C> {
    #[inline]
    fn push_whole(
        &self,
        passage: &mut Passage<'_>,
        buffer: &mut FrameBuf,
        offload: &Offload,
    ) -> Result<Offload, DropReason> {
        self.check_mtu(buffer.len())?;
        let header = self.carrier.header();
        let header_at = self.header_at();
        if buffer.headroom() < header_at + header.len() {
            return Err(DropReason::NoHeadroom);
        }
        inner::complete(buffer, offload)?;
        let out = buffer.push_front(header_at + header.len()).ok_or(DropReason::NoHeadroom)?;
        out[header_at..].copy_from_slice(header);
        Ok(self.emit_outer(passage, buffer.bytes_mut(), 0))
    }

    /// Whether a super-frame may leave whole.  What carries CWR may not, since only the first of its segments may, and
    /// not everybody who cuts knows that.
    fn goes_uncut(
        &self,
        passage: &Passage<'_>,
        buffer: &FrameBuf,
        offload: &Offload,
        layers: &Layers,
    ) -> bool {
        let headers_len = self.header_at() + self.carrier.header().len();
        let packet_len = headers_len - ethernet::HEADER_LEN + buffer.len();
        let is_plain = layers.network == ethernet::HEADER_LEN && !offload.ecn;
        passage.takes_uncut
            && self.carrier.may_go_uncut(self.template)
            && is_plain
            && packet_len <= MOST_PACKET
            // Whoever cuts takes all that there is for the packet, also what stands behind it.
            && layers.end == buffer.len()
            && buffer.headroom() >= headers_len
    }

    /// One packet with all of the frame, cut by whoever sends it.
    fn push_uncut(
        &self,
        passage: &mut Passage<'_>,
        buffer: &mut FrameBuf,
        offload: &Offload,
        layers: &Layers,
        each: &mut dyn FnMut(Outers<'_>),
    ) -> Result<Pushed, DropReason> {
        let (header, header_at) = (self.carrier.header(), self.header_at());
        let headers_len = (header_at + header.len()) as u16;
        let out = buffer.push_front(headers_len.into()).ok_or(DropReason::NoHeadroom)?;
        out[header_at..].copy_from_slice(header);
        self.emit_outer(passage, buffer.bytes_mut(), 0);
        let offload = Offload {
            csum_start: offload.csum_start + headers_len,
            hdr_len: offload.hdr_len.saturating_add(headers_len),
            ..*offload
        };
        let tunnel = Tunnel {
            is_udp: C::IS_UDP,
            is_v4: self.template.is_v4(),
            has_checksum: self.template.has_checksum(),
            transport: self.template.network_len() as u16,
            network: headers_len + layers.network as u16,
        };
        each(Outers::uncut(buffer.bytes(), &offload, tunnel));
        Ok(Pushed::Cut(1))
    }

    fn cutter<'a>(
        &self,
        frame: &'a [u8],
        offload: &Offload,
        layers: Option<&Layers>,
    ) -> Result<TcpCutter<'a>, DropReason> {
        if !layers.is_some_and(|layers| inner::describes(offload, layers)) {
            return Err(DropReason::BadOffload);
        }
        let cutter = TcpCutter::new(frame, offload.gso_size).map_err(|_| DropReason::BadOffload)?;
        self.check_mtu(cutter.full_len())?;
        Ok(cutter)
    }

    /// Trains where a device cuts them, else packets of one piece; gives how many.
    fn push_cut(
        &self,
        passage: &mut Passage<'_>,
        cutter: &TcpCutter<'_>,
        scratch: &mut FrameBuf,
        each: &mut dyn FnMut(Outers<'_>),
    ) -> Result<usize, DropReason> {
        let size = self.carrier.header().len() + cutter.full_len();
        let room = (MOST_PACKET - self.template.ip_len() - C::TRANSPORT_LEN) / size;
        match self.carrier.most().min(room) {
            0 | 1 => self.push_packets(passage, cutter, scratch, each),
            most => self.push_trains(passage, cutter, (size, most), scratch, each),
        }
    }

    /// Trains of `most` pieces, each of `size` bytes with its header.
    fn push_trains(
        &self,
        passage: &mut Passage<'_>,
        cutter: &TcpCutter<'_>,
        (size, most): (usize, usize),
        scratch: &mut FrameBuf,
        each: &mut dyn FnMut(Outers<'_>),
    ) -> Result<usize, DropReason> {
        let mut trains = 0;
        for first in (0..cutter.count()).step_by(most) {
            let last = (first + most).min(cutter.count());
            scratch.reset();
            let len = self.fill(cutter, first..last, scratch.spare_mut())?;
            scratch.set_len(len);
            let size = if last - first > 1 { size } else { 0 };
            let offload = self.emit_outer(passage, scratch.bytes_mut(), size);
            each(Outers::whole(scratch.bytes(), &offload));
            trains += 1;
        }
        Ok(trains)
    }

    /// Packets of one piece, several given together.
    fn push_packets(
        &self,
        passage: &mut Passage<'_>,
        cutter: &TcpCutter<'_>,
        scratch: &mut FrameBuf,
        each: &mut dyn FnMut(Outers<'_>),
    ) -> Result<usize, DropReason> {
        let frame_len = self.header_at() + self.carrier.header().len() + cutter.full_len();
        scratch.reset();
        let together = (scratch.spare_mut().len() / frame_len).clamp(1, Outers::MOST);
        for first in (0..cutter.count()).step_by(together) {
            scratch.reset();
            let (room, mut end, mut offload) = (scratch.spare_mut(), 0, Offload::default());
            for index in first..(first + together).min(cutter.count()) {
                let frame = room.get_mut(end..).ok_or(DropReason::TooBig)?;
                let len = self.fill(cutter, index..index + 1, frame)?;
                offload = self.emit_outer(passage, &mut frame[..len], 0);
                end += len;
            }
            each(Outers::new(&room[..end], frame_len, &offload));
        }
        Ok(cutter.count())
    }

    /// Room for the outer headers, then header and frame of each piece; gives the length.
    #[inline]
    fn fill(
        &self,
        cutter: &TcpCutter<'_>,
        pieces: Range<usize>,
        room: &mut [u8],
    ) -> Result<usize, DropReason> {
        let header = self.carrier.header();
        let mut at = self.header_at();
        for index in pieces {
            room.get_mut(at..at + header.len()).ok_or(DropReason::TooBig)?.copy_from_slice(header);
            at += header.len();
            at += cutter.emit(index, &mut room[at..]).map_err(|_| DropReason::TooBig)?;
        }
        Ok(at)
    }

    /// Completes the headers at the front of `frame`. Always inlined, which saves a tenth of a push.
    #[inline(always)]
    fn emit_outer(&self, passage: &mut Passage<'_>, frame: &mut [u8], size: usize) -> Offload {
        let id = passage.next_id();
        let (network, packet) = frame.split_at_mut(self.template.network_len());
        // Not over 65535 with IPv4's header: the path MTU and `push_trains` guarantee it.
        self.template.emit_network(network, packet.len() as u16, id as u16, self.look);
        self.carrier.finish(self.template, id, packet, size)
    }

    #[inline]
    fn header_at(&self) -> usize {
        self.template.network_len() + C::TRANSPORT_LEN
    }

    #[inline]
    fn check_mtu(&self, frame_len: usize) -> Result<(), DropReason> {
        let headers_len = self.template.ip_len() + C::TRANSPORT_LEN + self.carrier.header().len();
        let fits = headers_len + frame_len <= usize::from(self.template.options.mtu);
        if fits { Ok(()) } else { Err(DropReason::TooBig) }
    }
}
