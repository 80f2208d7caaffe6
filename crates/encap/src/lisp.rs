//! LISP (RFC 9300): recognized and refused.
//!
//! It carries IP packets without Ethernet, behind the same UDP and 8 bytes as VXLAN. A port of a switch
//! speaks Ethernet, so every packet ends in a reason: what is wrong with it, or that there is no use
//! for it.

use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, ethernet, ipv6, protocol, udp};

use crate::udp::Receiver;
use crate::{
    DropReason, Encap, Endpoints, MixedFamilies, Outers, Passage, Popped, Pushed, Template, TunnelOptions,
};

/// The port that IANA assigned for data.
pub const PORT: u16 = 4341;
/// Length of the header.
pub const HEADER_LEN: usize = 8;

const INSTANCE_BITS: u8 = 24;
const MOST_OVERHEAD: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN + udp::HEADER_LEN + HEADER_LEN;

/// Bits of the flags byte (RFC 9300 section 5.3).
mod flag {
    pub const NONCE: u8 = 0x80;
    pub const ECHO: u8 = 0x20;
    pub const VERSIONS: u8 = 0x10;
    pub const RESERVED: u8 = 0x04;
}

/// LISP, as far as it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lisp {
    receiver: Receiver,
}

impl Lisp {
    /// Refuses what comes to `port`, usually [`PORT`].
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self { receiver: Receiver { port, zero_checksum_v6: true } }
    }
}

impl Default for Lisp {
    fn default() -> Self {
        Self::new(PORT)
    }
}

impl Encap for Lisp {
    fn name(&self) -> &'static str {
        "lisp"
    }

    fn headroom(&self) -> usize {
        MOST_OVERHEAD
    }

    fn context_bits(&self) -> u8 {
        INSTANCE_BITS
    }

    fn template(&self, ends: &Endpoints, options: &TunnelOptions) -> Result<Template, MixedFamilies> {
        Template::new(ends, options, protocol::UDP)
    }

    fn push(
        &self,
        _: &Template,
        _: Passage<'_>,
        _: &mut FrameBuf,
        _: &Offload,
        _: &mut FrameBuf,
        _: &mut dyn FnMut(Outers<'_>),
    ) -> Result<Pushed, DropReason> {
        Err(DropReason::LispNoEthernet)
    }

    fn pop(
        &mut self,
        buffer: &mut FrameBuf,
        offload: &Offload,
        _now_ns: u64,
        each: &mut dyn FnMut(Result<Popped, DropReason>, &mut FrameBuf),
    ) {
        self.receiver.pop(buffer, offload, |bytes| Err(refusal(bytes)), each);
    }
}

/// What is wrong with a packet. A nonce and map versions have one place, an echo is of a nonce.
fn refusal(bytes: &[u8]) -> DropReason {
    let Some((header, packet)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return DropReason::LispTruncated;
    };
    let has = |bit: u8| header[0] & bit != 0;
    let contradicts = has(flag::VERSIONS) && has(flag::NONCE) || has(flag::ECHO) && !has(flag::NONCE);
    if contradicts || has(flag::RESERVED) {
        return DropReason::LispBadFlags;
    }
    match packet.first().map(|first| first >> 4) {
        Some(4 | 6) => DropReason::LispNoEthernet,
        _ => DropReason::LispNotIp,
    }
}
