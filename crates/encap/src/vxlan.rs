//! VXLAN (RFC 7348): frames of one path MTU behind UDP, with a 24-bit network identifier.
//!
//! Strict like Linux: flags and reserved bits must be exactly what the extension in use explains. A
//! TCP frame that is to be cut becomes datagrams in software, several of them in one packet that the
//! device cuts where it can. Nothing is fragmented.

mod header;

use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, ethernet, ipv6, protocol, udp};

use crate::udp::{Datagrams, Receiver};
use crate::{
    DropReason, Encap, Endpoints, MixedFamilies, Passage, Popped, Pushed, Template, TunnelOptions, send,
};

pub use header::{Extension, HEADER_LEN};

/// The port that IANA assigned.
pub const PORT: u16 = 4789;
/// The port that IANA assigned for the Generic Protocol Extension.
pub const GPE_PORT: u16 = 4790;

const VNI_BITS: u8 = 24;
const MOST_OVERHEAD: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN + udp::HEADER_LEN + HEADER_LEN;

/// VXLAN on one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vxlan {
    receiver: Receiver,
    udp_segmentation: bool,
    extension: Extension,
}

impl Vxlan {
    /// Receives on `port`, usually [`PORT`]. With `udp_segmentation` the device is given long UDP
    /// packets to cut into datagrams (Linux 6.2 and later take them).
    #[must_use]
    pub fn new(port: u16, udp_segmentation: bool) -> Self {
        Self { receiver: Receiver::new(port), udp_segmentation, extension: Extension::Plain }
    }

    /// With an extension of the header, which the far ends must have too.
    #[must_use]
    pub fn with_extension(self, extension: Extension) -> Self {
        Self { extension, ..self }
    }

    /// Whether datagrams over IPv6 may do without a checksum (RFC 6936); they may not at first.
    #[must_use]
    pub fn accept_zero_checksum_v6(mut self, accept: bool) -> Self {
        self.receiver.zero_checksum_v6 = accept;
        self
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
        MOST_OVERHEAD
    }

    fn context_bits(&self) -> u8 {
        VNI_BITS
    }

    fn template(&self, ends: &Endpoints, options: &TunnelOptions) -> Result<Template, MixedFamilies> {
        Template::new(ends, options, protocol::UDP)
    }

    fn longest_frame(&self, template: &Template) -> Option<usize> {
        Some(template.room(udp::HEADER_LEN + HEADER_LEN))
    }

    fn push(
        &self,
        template: &Template,
        mut passage: Passage<'_>,
        buffer: &mut FrameBuf,
        offload: &Offload,
        scratch: &mut FrameBuf,
        each: &mut dyn FnMut(&[u8], &Offload),
    ) -> Result<Pushed, DropReason> {
        if passage.context >> VNI_BITS != 0 {
            return Err(DropReason::BadContext);
        }
        let header = self.extension.emit(passage.context, passage.gbp);
        let datagrams = Datagrams { header, entropy: passage.entropy, segmentation: self.udp_segmentation };
        send::push(&datagrams, template, &mut passage, buffer, offload, scratch, each)
    }

    fn pop(
        &mut self,
        buffer: &mut FrameBuf,
        offload: &Offload,
        _now_ns: u64,
        each: &mut dyn FnMut(Result<Popped, DropReason>, &mut FrameBuf),
    ) {
        let extension = self.extension;
        self.receiver.pop(buffer, offload, |bytes| extension.parse(bytes), each);
    }
}
