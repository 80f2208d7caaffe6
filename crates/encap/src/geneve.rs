//! Geneve (RFC 8926): frames of one path MTU behind UDP, with a 24-bit network identifier and options.
//!
//! Options travel as they are; [`options`] reads them and [`put_option`] writes them. Their lengths and
//! critical bits must add up in both directions. A critical option that nobody has declared to know
//! loses the frame, as the RFC wants.

mod header;
mod options;

use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, ethernet, ipv6, protocol, udp};

use crate::udp::{Datagrams, Receiver};
use crate::{
    DropReason, Encap, Endpoints, MixedFamilies, Passage, Popped, Pushed, Template, TunnelOptions, send,
};

pub use header::HEADER_LEN;
pub use options::{CRITICAL, GeneveOption, MOST_OPTIONS, Options, check_options, options, put_option};

/// The port that IANA assigned.
pub const PORT: u16 = 6081;

const VNI_BITS: u8 = 24;
const MOST_HEADER: usize = HEADER_LEN + MOST_OPTIONS;
const MOST_OVERHEAD: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN + udp::HEADER_LEN + MOST_HEADER;

/// Which critical options do not lose their frame.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    All,
    /// By class and type, sorted.
    These(Vec<(u16, u8)>),
}

/// Geneve on one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geneve {
    receiver: Receiver,
    udp_segmentation: bool,
    known: Known,
}

impl Geneve {
    /// Receives on `port`, usually [`PORT`], and knows no option. With `udp_segmentation` the device
    /// is given long UDP packets to cut into datagrams (Linux 6.2 and later take them).
    #[must_use]
    pub fn new(port: u16, udp_segmentation: bool) -> Self {
        Self { receiver: Receiver::new(port), udp_segmentation, known: Known::These(Vec::new()) }
    }

    /// Whether datagrams over IPv6 may do without a checksum (RFC 6936); they may not at first.
    #[must_use]
    pub fn accept_zero_checksum_v6(mut self, accept: bool) -> Self {
        self.receiver.zero_checksum_v6 = accept;
        self
    }

    /// The options that are known, by class and type, in place of those before: a TLV map.
    pub fn set_known(&mut self, known: &[(u16, u8)]) {
        let mut known = known.to_vec();
        known.sort_unstable();
        self.known = Known::These(known);
    }

    /// Leaves all options to flows, as Open vSwitch does.
    pub fn know_all(&mut self) {
        self.known = Known::All;
    }
}

impl Default for Geneve {
    fn default() -> Self {
        Self::new(PORT, true)
    }
}

impl Known {
    fn check(&self, bytes: &[u8]) -> Result<(), DropReason> {
        let Self::These(known) = self else { return Ok(()) };
        let is_known = |class: u16, kind: u8| known.binary_search(&(class, kind)).is_ok();
        let unknown = options(bytes).any(|option| option.critical() && !is_known(option.class, option.kind));
        if unknown { Err(DropReason::GeneveCritical) } else { Ok(()) }
    }
}

impl Encap for Geneve {
    fn name(&self) -> &'static str {
        "geneve"
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
        let (entropy, segmentation) = (passage.entropy, self.udp_segmentation);
        if passage.options.is_empty() {
            let header = header::emit(passage.context, 0, passage.oam, false);
            let datagrams = Datagrams { header, entropy, segmentation };
            return send::push(&datagrams, template, &mut passage, buffer, offload, scratch, each);
        }
        let critical = check_options(passage.options)?;
        let len = HEADER_LEN + passage.options.len();
        let mut header = [0; MOST_HEADER];
        let base = header::emit(passage.context, passage.options.len(), passage.oam, critical);
        header[..HEADER_LEN].copy_from_slice(&base);
        header[HEADER_LEN..len].copy_from_slice(passage.options);
        let datagrams = Datagrams { header: &header[..len], entropy, segmentation };
        send::push(&datagrams, template, &mut passage, buffer, offload, scratch, each)
    }

    fn pop(
        &mut self,
        buffer: &mut FrameBuf,
        offload: &Offload,
        _now_ns: u64,
        each: &mut dyn FnMut(Result<Popped, DropReason>, &mut FrameBuf),
    ) {
        let parse = |bytes: &[u8]| {
            let (head, critical) = header::parse(bytes)?;
            if critical {
                self.known.check(&bytes[HEADER_LEN..head.len])?;
            }
            Ok(head)
        };
        self.receiver.pop(buffer, offload, parse, each);
    }
}
