//! What every encapsulation can do.

use std::net::Ipv4Addr;

use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

use crate::{DropReason, Endpoints, Template, TunnelOptions};

/// What goes along with one frame into a tunnel.
#[derive(Debug)]
pub struct Passage<'a> {
    /// Carried to the far end; at most [`Encap::context_bits`] bits.
    pub context: u64,
    /// Any number that is constant in an inner flow, such as `tulle_wire::flow_hash`; it chooses the
    /// outer source port.
    pub entropy: u32,
    /// The sender's counter; each outer frame takes a number from it, so that recent ones differ.
    pub frame_id: &'a mut u32,
}

impl Passage<'_> {
    /// A number for one more outer frame.
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

/// What came along with one frame out of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Popped {
    /// As the far end gave it.
    pub context: u64,
    /// Outer source: the far end.
    pub source: Ipv4Addr,
    /// Outer destination: this end.
    pub destination: Ipv4Addr,
    /// Outer DSCP and ECN; the ECN is already combined into the frame.
    pub tos: u8,
    /// Outer time to live.
    pub ttl: u8,
    /// What is left undone on the inner frame.
    pub offload: Offload,
}

/// One way to carry Ethernet frames over IPv4.
pub trait Encap: Send {
    /// Its name, as users write it.
    fn name(&self) -> &'static str;

    /// The headroom that `push` needs in front of a frame, in bytes.
    fn headroom(&self) -> usize;

    /// How many low bits of a context are carried.
    fn context_bits(&self) -> u8;

    /// The headers for one peer, filled but for what differs from frame to frame.
    fn template(&self, ends: &Endpoints, options: &TunnelOptions) -> Template;

    /// Puts the headers in front of the frame in `buffer`, which moves no payload. Only a frame that
    /// cannot travel whole is cut, by way of `scratch`, and its pieces are given to `each`.
    fn push(
        &self,
        template: &Template,
        passage: Passage<'_>,
        buffer: &mut FrameBuf,
        offload: &Offload,
        scratch: &mut FrameBuf,
        each: &mut dyn FnMut(&[u8], &Offload),
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
