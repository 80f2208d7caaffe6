//! Stateless Transport Tunneling (draft-davie-stt-08, as deployed by Open vSwitch).
//!
//! A frame of up to 65477 bytes travels whole behind a header that looks like TCP, so that network
//! cards and kernels cut it into segments; the far end puts these together again. There is no
//! connection, no handshake and no retransmission. UDP frames that are to be cut into datagrams are
//! refused.

mod header;
mod reassembly;
mod receive;
mod send;

use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, ethernet, ipv6, protocol, tcp};

use crate::{
    DropReason, Encap, Endpoints, MixedFamilies, Outers, Passage, Popped, Pushed, Template, TunnelOptions,
};

pub use header::{HEADER_LEN, Header};
pub use reassembly::{Key, Limits, Piece, Reassembly, Whole};

/// The port that IANA assigned.
pub const PORT: u16 = 7471;
/// The longest inner frame, its VLAN tag not counted: 65535 - 20 - 20 - 18, over IPv6 too.
pub const MOST_INNER: usize = 65477;

const MOST_OVERHEAD: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN + tcp::HEADER_LEN + HEADER_LEN;

/// STT on one thread: stateless towards peers, but for the frames it is putting together.
#[derive(Debug)]
pub struct Stt {
    port: u16,
    reassembly: Reassembly,
}

impl Stt {
    /// Receives on `port`, usually [`PORT`].
    #[must_use]
    pub fn new(port: u16, limits: Limits) -> Self {
        Self { port, reassembly: Reassembly::new(limits) }
    }
}

impl Default for Stt {
    fn default() -> Self {
        Self::new(PORT, Limits::default())
    }
}

impl Encap for Stt {
    fn name(&self) -> &'static str {
        "stt"
    }

    fn headroom(&self) -> usize {
        MOST_OVERHEAD
    }

    fn context_bits(&self) -> u8 {
        64
    }

    fn template(&self, ends: &Endpoints, options: &TunnelOptions) -> Result<Template, MixedFamilies> {
        Template::new(ends, options, protocol::TCP)
    }

    fn push(
        &self,
        template: &Template,
        passage: Passage<'_>,
        buffer: &mut FrameBuf,
        offload: &Offload,
        scratch: &mut FrameBuf,
        each: &mut dyn FnMut(Outers<'_>),
    ) -> Result<Pushed, DropReason> {
        send::push(template, passage, buffer, offload, scratch, each)
    }

    fn pop(
        &mut self,
        buffer: &mut FrameBuf,
        offload: &Offload,
        now_ns: u64,
        each: &mut dyn FnMut(Result<Popped, DropReason>, &mut FrameBuf),
    ) {
        receive::pop(self.port, &mut self.reassembly, buffer, offload, now_ns, each);
    }

    fn gives_buffers(&self) -> bool {
        true
    }

    fn expire(&mut self, now_ns: u64, lost: &mut dyn FnMut(DropReason)) {
        self.reassembly.expire(now_ns, lost);
    }
}
