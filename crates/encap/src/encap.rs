//! What every encapsulation can do.

use std::net::IpAddr;

use tulle_wire::FrameBuf;
use tulle_wire::vnet::{Offload, Tunnel};

use crate::outer::Outer;
use crate::{DropReason, Endpoints, MixedFamilies, Template, TunnelOptions};

/// The group policy of VXLAN (draft-smith-vxlan-group-policy-05).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Gbp {
    /// The source's group.
    pub id: u16,
    /// [`Gbp::DONT_LEARN`] and [`Gbp::APPLIED`], as Open vSwitch's `tun_gbp_flags` has them.
    pub flags: u8,
}

impl Gbp {
    /// The receiver must not learn the source.
    pub const DONT_LEARN: u8 = 0x40;
    /// The policy has been applied already.
    pub const APPLIED: u8 = 0x08;
}

/// What goes along with one frame into a tunnel.
#[derive(Debug)]
pub struct Passage<'a> {
    /// Carried to the far end; at most [`Encap::context_bits`] bits.
    pub context: u64,
    /// Any number that is constant in an inner flow, such as `tulle_wire::flow_hash`; it chooses the
    /// outer source port, the IPv6 flow label and NVGRE's FlowID.
    pub entropy: u32,
    /// The sender's counter; each outer frame takes a number from it, so that recent ones differ. A
    /// GRE tunnel with sequence numbers has one of its own that begins with 0.
    pub frame_id: &'a mut u32,
    /// In place of the tunnel's DSCP, 6 bits.
    pub dscp: Option<u8>,
    /// In place of the tunnel's TTL or hop limit.
    pub ttl: Option<u8>,
    /// Geneve: options in their wire form (RFC 8926 section 3.5), 252 bytes at most.
    pub options: &'a [u8],
    /// Geneve: the frame is for the far end's control plane.
    pub oam: bool,
    /// VXLAN with group policy: the frame's.
    pub gbp: Option<Gbp>,
    /// Whether whoever sends takes a TCP super-frame in such a tunnel whole, to have it cut within the tunnel.
    pub takes_uncut: bool,
}

impl<'a> Passage<'a> {
    /// With the tunnel's own look and nothing but a context.
    #[inline]
    #[must_use]
    pub fn new(context: u64, entropy: u32, frame_id: &'a mut u32) -> Self {
        let (dscp, ttl, options, oam, gbp, takes_uncut) = (None, None, &[][..], false, None, false);
        Self { context, entropy, frame_id, dscp, ttl, options, oam, gbp, takes_uncut }
    }

    /// A number for one more outer frame.
    #[inline]
    pub(crate) fn next_id(&mut self) -> u32 {
        let id = *self.frame_id;
        *self.frame_id = id.wrapping_add(1);
        id
    }
}

/// What `push` made of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The buffer now holds the outer frame, to be sent with this offload.
    Whole(Offload),
    /// The frame was cut: so many outer frames have been given to the closure, the buffer is spent.
    Cut(usize),
}

/// Outer frames as they leave: one, or several of one frame, which stand behind each other in memory.
#[derive(Clone, Copy, Debug)]
pub struct Outers<'a> {
    bytes: &'a [u8],
    /// Of each frame; the last may be shorter.
    frame_len: usize,
    /// What is left undone on each.
    pub offload: &'a Offload,
    /// The tunnel that a super-frame is in, where it is to be cut within; the offload is that of the inner frame, with
    /// offsets from the outer one's first byte.
    pub tunnel: Option<Tunnel>,
}

impl<'a> Outers<'a> {
    /// How many are given together at most.
    pub const MOST: usize = 32;

    /// Frames of `frame_len` bytes each, the last of which may be shorter.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], frame_len: usize, offload: &'a Offload) -> Self {
        Self { bytes, frame_len: frame_len.max(1), offload, tunnel: None }
    }

    /// The one frame that `push` has left in the buffer ([`Pushed::Whole`]).
    #[inline]
    #[must_use]
    pub fn whole(frame: &'a [u8], offload: &'a Offload) -> Self {
        Self::new(frame, frame.len(), offload)
    }

    /// One super-frame, to be cut within the tunnel that it is in.
    #[inline]
    pub(crate) fn uncut(frame: &'a [u8], offload: &'a Offload, tunnel: Tunnel) -> Self {
        Self { tunnel: Some(tunnel), ..Self::whole(frame, offload) }
    }

    /// Each of them, from Ethernet header to end.
    #[inline]
    pub fn frames(&self) -> impl ExactSizeIterator<Item = &'a [u8]> {
        self.bytes.chunks(self.frame_len)
    }
}

/// What came along with one frame out of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Popped {
    /// As the far end gave it; 0 without a key.
    pub context: u64,
    /// Whether there was a context at all. Only GRE can be without.
    pub key: bool,
    /// Outer source: the far end.
    pub source: IpAddr,
    /// Outer destination: this end.
    pub destination: IpAddr,
    /// Outer DSCP and ECN; the ECN is already combined into the frame.
    pub tos: u8,
    /// Outer time to live or hop limit.
    pub ttl: u8,
    /// Whether the outer UDP or GRE header had a checksum.
    pub checksum: bool,
    /// Geneve: it is for the control plane, not for tenants.
    pub oam: bool,
    /// VXLAN with group policy: the frame's.
    pub gbp: Option<Gbp>,
    /// Geneve: where the options are, see [`Popped::options`].
    pub(crate) options: Place,
    /// What is left undone on the inner frame.
    pub offload: Offload,
}

impl Popped {
    /// With a context and nothing else that only some encapsulations have.
    #[inline]
    pub(crate) fn new(outer: &Outer, context: u64, offload: Offload) -> Self {
        let Outer { tos, ttl, .. } = *outer;
        let (source, destination) = (outer.source(), outer.destination());
        let (key, checksum, oam, gbp, options) = (true, false, false, None, Place::default());
        Self { context, key, source, destination, tos, ttl, checksum, oam, gbp, options, offload }
    }

    /// Whether there are Geneve options. Frames that have none came the same way if their `Popped` are
    /// equal, and may be joined (`tulle_wire::TcpMerger`).
    #[inline]
    #[must_use]
    pub fn has_options(&self) -> bool {
        self.options.len != 0
    }

    /// Geneve's options in their wire form, checked; empty with all others. They stand in the headroom
    /// of the frame: read them before anything is pushed in front of it.
    #[inline]
    #[must_use]
    pub fn options<'a>(&self, frame: &'a FrameBuf) -> &'a [u8] {
        let Place { start, len } = self.options;
        frame.memory(start as usize..start as usize + usize::from(len))
    }

    /// Where in the memory of the frame's buffer begins what belongs to it: the frame, or its options.
    #[inline]
    #[must_use]
    pub fn start(&self, frame: &FrameBuf) -> usize {
        let start = frame.range().start;
        if self.options.len == 0 { start } else { start.min(self.options.start as usize) }
    }
}

/// A part of a buffer's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) start: u32,
    pub(crate) len: u8,
}

/// One way to carry Ethernet frames over IPv4 and IPv6.
pub trait Encap: Send {
    /// Its name, as users write it.
    fn name(&self) -> &'static str;

    /// The headroom that `push` needs in front of a frame at most, in bytes.
    fn headroom(&self) -> usize;

    /// How many low bits of a context are carried.
    fn context_bits(&self) -> u8;

    /// The headers for one peer, filled but for what differs from frame to frame. It is a hundred
    /// bytes and a few sums: cheap to make and to keep for each peer that a flow names.
    fn template(&self, ends: &Endpoints, options: &TunnelOptions) -> Result<Template, MixedFamilies>;

    /// The longest inner frame without options that the path of these headers takes, in bytes; `None` where longer
    /// ones travel in several packets.
    fn longest_frame(&self, _template: &Template) -> Option<usize> {
        None
    }

    /// Puts the headers in front of the frame in `buffer`, which moves no payload. Only a frame that
    /// cannot travel whole is cut, by way of `scratch`, and its pieces are given to `each`.
    fn push(
        &self,
        template: &Template,
        passage: Passage<'_>,
        buffer: &mut FrameBuf,
        offload: &Offload,
        scratch: &mut FrameBuf,
        each: &mut dyn FnMut(Outers<'_>),
    ) -> Result<Pushed, DropReason>;

    /// Takes the outer Ethernet frame in `buffer` apart. Gives `each` the inner frames, none while
    /// segments are missing, and every loss. `each` may change the frame and use its headroom, but
    /// replace the buffer only where [`gives_buffers`](Self::gives_buffers) says so; afterwards the buffer is spent. `now_ns` is monotonic.
    fn pop(
        &mut self,
        buffer: &mut FrameBuf,
        offload: &Offload,
        now_ns: u64,
        each: &mut dyn FnMut(Result<Popped, DropReason>, &mut FrameBuf),
    );

    /// Whether `pop` has no more use for the buffer of a frame that it has given.
    fn gives_buffers(&self) -> bool {
        false
    }

    /// Forgets what has waited too long, and reports each loss. To be called every second or so.
    fn expire(&mut self, _now_ns: u64, _lost: &mut dyn FnMut(DropReason)) {}
}
