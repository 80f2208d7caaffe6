//! NVGRE (RFC 7637): GRE whose key is a 24-bit network identifier and 8 bits of entropy.
//!
//! The header is always the same 8 bytes: a key, neither checksum nor number. Tagged frames are not
//! carried, in either direction; a tag must be taken off before, and is not put back.

use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, ethernet, ipv6, protocol};

use crate::outer::Outer;
use crate::send::Carrier;
use crate::{
    DropReason, Encap, Endpoints, MixedFamilies, Outers, Passage, Popped, Pushed, Template, TunnelOptions,
    inner, send,
};

/// Length of the header.
pub const HEADER_LEN: usize = 8;

const VSID_BITS: u8 = 24;
const MOST_OVERHEAD: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN + HEADER_LEN;
/// A key and nothing else, version 0; then Transparent Ethernet Bridging.
const FLAGS: [u8; 2] = [0x20, 0x00];
const ETHERNET: [u8; 2] = [0x65, 0x58];

/// NVGRE; it has no state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nvgre;

impl Nvgre {
    /// There is nothing to choose.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Encap for Nvgre {
    fn name(&self) -> &'static str {
        "nvgre"
    }

    fn headroom(&self) -> usize {
        MOST_OVERHEAD
    }

    fn context_bits(&self) -> u8 {
        VSID_BITS
    }

    fn template(&self, ends: &Endpoints, options: &TunnelOptions) -> Result<Template, MixedFamilies> {
        Template::new(ends, options, protocol::GRE)
    }

    fn longest_frame(&self, template: &Template) -> Option<usize> {
        Some(template.room(HEADER_LEN))
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
        if passage.context >> VSID_BITS != 0 {
            return Err(DropReason::BadContext);
        }
        check_untagged(buffer.bytes())?;
        let packets = Packets(emit(passage.context, passage.entropy));
        send::push(&packets, template, &mut passage, buffer, offload, scratch, each)
    }

    fn pop(
        &mut self,
        buffer: &mut FrameBuf,
        offload: &Offload,
        _now_ns: u64,
        each: &mut dyn FnMut(Result<Popped, DropReason>, &mut FrameBuf),
    ) {
        let popped = open(buffer, offload);
        each(popped, buffer);
    }
}

fn open(buffer: &mut FrameBuf, offload: &Offload) -> Result<Popped, DropReason> {
    let outer = Outer::parse(buffer.bytes(), protocol::GRE)?;
    let context = parse(&buffer.bytes()[outer.transport..outer.end])?;
    let undone = inner::undone(offload, outer.transport)?;
    let inner_at = outer.transport + HEADER_LEN;
    buffer.truncate(outer.end);
    buffer.pull_front(inner_at);
    check_untagged(buffer.bytes())?;
    let offload = inner::arrived(buffer, undone, inner_at, outer.tos)?;
    Ok(Popped::new(&outer, context, offload))
}

fn emit(vsid: u64, entropy: u32) -> [u8; HEADER_LEN] {
    let [.., a, b, c] = vsid.to_be_bytes();
    let folded = entropy ^ (entropy >> 16);
    let flow = (folded ^ (folded >> 8)) as u8;
    [FLAGS[0], FLAGS[1], ETHERNET[0], ETHERNET[1], a, b, c, flow]
}

fn parse(bytes: &[u8]) -> Result<u64, DropReason> {
    let flags = bytes.first_chunk().ok_or(DropReason::GreTruncated)?;
    if *flags != FLAGS {
        return Err(DropReason::NvgreBadFlags);
    }
    let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(DropReason::GreTruncated)?;
    let [_, _, high, low, a, b, c, _] = *header;
    if [high, low] != ETHERNET {
        return Err(DropReason::GreNotEthernet);
    }
    Ok(u64::from(u32::from_be_bytes([0, a, b, c])))
}

/// The tag of 802.1Q; a service tag is as little carried.
fn check_untagged(frame: &[u8]) -> Result<(), DropReason> {
    let ether_type = frame.get(ethernet::MACS_LEN..ethernet::HEADER_LEN);
    let tags = [ethernet::ether_type::VLAN, ethernet::ether_type::SERVICE_VLAN];
    let tagged = tags.iter().any(|tag| ether_type == Some(&tag.to_be_bytes()));
    if tagged { Err(DropReason::NvgreTagged) } else { Ok(()) }
}

/// The packets of one inner frame; the header is complete.
struct Packets([u8; HEADER_LEN]);

impl Carrier for Packets {
    const TRANSPORT_LEN: usize = 0;

    #[inline]
    fn header(&self) -> &[u8] {
        &self.0
    }

    fn most(&self) -> usize {
        1
    }

    fn may_go_uncut(&self, _: &Template) -> bool {
        true
    }

    #[inline]
    fn finish(&self, _: &Template, _: u32, _: &mut [u8], _: usize) -> Offload {
        Offload::default()
    }
}
