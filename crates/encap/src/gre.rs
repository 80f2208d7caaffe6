//! GRE (RFC 2784, RFC 2890): Ethernet frames straight behind IP, with a key of 32 bits if wanted.
//!
//! Few devices cut it: for any other, a TCP frame that is to be cut becomes its pieces here, with one copy. A checksum
//! covers header and frame, and a number is a packet's own, so with these all are cut here. Numbered packets must come in order, as Linux has it: what is older than
//! what has come is dropped, a gap is not waited for.

mod header;
mod order;

use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, checksum, ethernet, ipv6, protocol};

use crate::outer::Outer;
use crate::send::Carrier;
use crate::{
    DropReason, Encap, Endpoints, MixedFamilies, Outers, Passage, Popped, Pushed, Template, TunnelOptions,
    inner, send,
};

pub use header::{Header, MOST_HEADER_LEN};

use order::{Order, Stream};

const KEY_BITS: u8 = 32;
const MOST_OVERHEAD: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN + MOST_HEADER_LEN;

/// GRE on one thread.
#[derive(Debug, Default)]
pub struct Gre {
    /// Present where packets must be numbered.
    order: Option<Order>,
}

impl Gre {
    /// Takes packets with and without numbers, in any order.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether packets must be numbered and in order.
    #[must_use]
    pub fn with_sequence(self, sequence: bool) -> Self {
        Self { order: sequence.then(Order::default) }
    }

    fn open(&mut self, buffer: &mut FrameBuf, offload: &Offload) -> Result<Popped, DropReason> {
        let frame = buffer.bytes();
        let outer = Outer::parse(frame, protocol::GRE)?;
        let packet = &frame[outer.transport..outer.end];
        let header = Header::parse(packet)?;
        let undone = inner::undone(offload, outer.transport)?;
        // A kernel tunnel on this machine leaves the sum to whoever completes the inner frame.
        if header.checksum && undone.is_none() && checksum::sum(packet) != 0xffff {
            return Err(DropReason::OuterChecksum);
        }
        let inner_at = outer.transport + header.len();
        buffer.truncate(outer.end);
        buffer.pull_front(inner_at);
        let offload = inner::arrived(buffer, undone, inner_at, outer.tos)?;
        if let Some(order) = &mut self.order {
            let (source, destination) = (outer.source(), outer.destination());
            order.accept(Stream { source, destination, key: header.key }, header.sequence)?;
        }
        let context = header.key.map_or(0, u64::from);
        let (key, checksum) = (header.key.is_some(), header.checksum);
        Ok(Popped { key, checksum, ..Popped::new(&outer, context, offload) })
    }
}

impl Encap for Gre {
    fn name(&self) -> &'static str {
        "gre"
    }

    fn headroom(&self) -> usize {
        MOST_OVERHEAD
    }

    fn context_bits(&self) -> u8 {
        KEY_BITS
    }

    fn template(&self, ends: &Endpoints, options: &TunnelOptions) -> Result<Template, MixedFamilies> {
        Template::new(ends, options, protocol::GRE)
    }

    fn longest_frame(&self, template: &Template) -> Option<usize> {
        Some(template.room(sent_header(template, 0).len()))
    }

    fn push(
        &self,
        template: &Template,
        mut passage: Passage<'_>,
        buffer: &mut FrameBuf,
        offload: &Offload,
        scratch: &mut FrameBuf,
        each: &mut dyn FnMut(Outers<'_>),
    ) -> Result<Pushed, DropReason> {
        let bits = if template.options.key { KEY_BITS } else { 0 };
        if passage.context >> bits != 0 {
            return Err(DropReason::BadContext);
        }
        let header = sent_header(template, passage.context as u32);
        send::push(&Packets::new(&header), template, &mut passage, buffer, offload, scratch, each)
    }

    fn pop(
        &mut self,
        buffer: &mut FrameBuf,
        offload: &Offload,
        _now_ns: u64,
        each: &mut dyn FnMut(Result<Popped, DropReason>, &mut FrameBuf),
    ) {
        let popped = self.open(buffer, offload);
        each(popped, buffer);
    }
}

/// The header of what is sent, its number and checksum still to come.
fn sent_header(template: &Template, context: u32) -> Header {
    Header {
        checksum: template.has_checksum(),
        key: template.options.key.then_some(context),
        sequence: template.options.sequence.then_some(0),
    }
}

/// The packets of one inner frame: their header, its number and checksum still to come.
struct Packets {
    header: [u8; MOST_HEADER_LEN],
    len: usize,
}

impl Packets {
    fn new(header: &Header) -> Self {
        Self { header: header.emit(), len: header.len() }
    }
}

impl Carrier for Packets {
    const TRANSPORT_LEN: usize = 0;

    #[inline]
    fn header(&self) -> &[u8] {
        &self.header[..self.len]
    }

    fn most(&self) -> usize {
        1
    }

    fn may_go_uncut(&self, template: &Template) -> bool {
        !template.options.sequence && !template.has_checksum()
    }

    #[inline]
    fn finish(&self, template: &Template, id: u32, packet: &mut [u8], _size: usize) -> Offload {
        if template.options.sequence {
            packet[self.len - header::SEQUENCE_LEN..self.len].copy_from_slice(&id.to_be_bytes());
        }
        if template.has_checksum() {
            let sum = !checksum::sum(packet);
            packet[header::CHECKSUM_AT..header::CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
        }
        Offload::default()
    }
}
