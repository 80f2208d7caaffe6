//! VXLAN (RFC 7348): frames of one path MTU behind UDP, with a 24-bit network identifier.
//!
//! Strict like Linux: flags and reserved bits must be exactly what no extension uses. A TCP frame
//! that is to be cut becomes datagrams in software, several of them in one packet that the device
//! cuts where it can. Nothing is fragmented. Outer IPv4 only.

mod receive;
mod send;

use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, ethernet, ipv4, protocol, udp};

use crate::{DropReason, Encap, Endpoints, Passage, Popped, Pushed, Template, TunnelOptions};

/// The port that IANA assigned.
pub const PORT: u16 = 4789;
/// Length of the VXLAN header.
pub const HEADER_LEN: usize = 8;

/// The flag for a valid network identifier, the only one.
const FLAG_VNI: u8 = 0x08;
const VNI_BITS: u8 = 24;
const UDP_AT: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;
const HEADER_AT: usize = UDP_AT + udp::HEADER_LEN;
const OVERHEAD: usize = HEADER_AT + HEADER_LEN;

/// VXLAN on one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vxlan {
    port: u16,
    udp_segmentation: bool,
}

impl Vxlan {
    /// Receives on `port`, usually [`PORT`]. With `udp_segmentation` the device is given long UDP
    /// packets to cut into datagrams (Linux 6.2 and later take them).
    #[must_use]
    pub fn new(port: u16, udp_segmentation: bool) -> Self {
        Self { port, udp_segmentation }
    }
}

impl Default for Vxlan {
    fn default() -> Self {
        Self::new(PORT, true)
    }
}

impl Encap for Vxlan {
    fn name(&self) -> &'static str {
        "vxlan"
    }

    fn headroom(&self) -> usize {
        OVERHEAD
    }

    fn context_bits(&self) -> u8 {
        VNI_BITS
    }

    fn template(&self, ends: &Endpoints, options: &TunnelOptions) -> Template {
        Template::new(ends, options, protocol::UDP)
    }

    fn push(
        &self,
        template: &Template,
        passage: Passage<'_>,
        buffer: &mut FrameBuf,
        offload: &Offload,
        scratch: &mut FrameBuf,
        each: &mut dyn FnMut(&[u8], &Offload),
    ) -> Result<Pushed, DropReason> {
        if passage.context >> VNI_BITS != 0 {
            return Err(DropReason::BadContext);
        }
        send::push(template, passage, buffer, offload, scratch, self.udp_segmentation, each)
    }

    fn pop(
        &mut self,
        buffer: &mut FrameBuf,
        offload: &Offload,
        _now_ns: u64,
        each: &mut dyn FnMut(Result<Popped, DropReason>, &mut FrameBuf),
    ) {
        receive::pop(self.port, buffer, offload, each);
    }
}

/// The VXLAN header for a network identifier.
fn emit_header(vni: u64) -> [u8; HEADER_LEN] {
    let [.., a, b, c] = vni.to_be_bytes();
    [FLAG_VNI, 0, 0, 0, a, b, c, 0]
}

/// The network identifier in a VXLAN header.
fn parse_header(bytes: &[u8]) -> Result<u64, DropReason> {
    let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(DropReason::VxlanTruncated)?;
    match *header {
        [FLAG_VNI, 0, 0, 0, a, b, c, 0] => Ok(u64::from(u32::from_be_bytes([0, a, b, c]))),
        [FLAG_VNI, ..] => Err(DropReason::VxlanReservedBits),
        _ => Err(DropReason::VxlanBadFlags),
    }
}
