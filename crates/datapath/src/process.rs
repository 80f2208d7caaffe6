//! One packet through the switch: key, verdict, and the verdict's operations on the frame.

use crate::drop::{DropCounters, DropReason};
use crate::extract::Layout;
use crate::metadata::TunnelKey;
use crate::rewrite::rewrite;
use crate::verdict::{Drop, Op, PacketIn, Verdict};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

/// What the switch wants done with packets.  Each packet processed causes at least one of these.
pub trait Effects {
    /// Send a frame out of a port.  The frame may be changed or destroyed; `last` says that it is the packet's own
    /// buffer rather than a copy.
    fn output(
        &mut self,
        port: u32,
        tunnel: Option<TunnelKey>,
        frame: &mut FrameBuf,
        offload: &Offload,
        last: bool,
    );

    /// Send a frame to the controller; cutting it to `info.max_len` is left to the receiver.
    fn packet_in(&mut self, frame: &[u8], offload: &Offload, info: &PacketIn);

    /// A packet, or a copy of it, was lost; it has been counted.
    fn dropped(&mut self, drop: Drop, in_port: u32, length_bytes: usize);
}

/// Where a packet came in, and what to count its losses in.
pub(crate) struct Losses<'a> {
    pub counters: &'a mut DropCounters,
    pub in_port: u32,
}

impl Losses<'_> {
    #[inline]
    pub fn count(&mut self, drop: Drop, bytes: usize, effects: &mut impl Effects) {
        self.counters.count(self.in_port, drop.reason);
        effects.dropped(drop, self.in_port, bytes);
    }
}

/// Does what a verdict says.  `scratch` takes copies of the frame for all outputs but the last.
#[inline]
pub(crate) fn execute(
    verdict: &Verdict,
    frame: &mut FrameBuf,
    scratch: &mut FrameBuf,
    offload: &Offload,
    layout: &Layout,
    losses: &mut Losses<'_>,
    effects: &mut impl Effects,
) {
    let length = frame.len();
    for (i, op) in verdict.ops.iter().enumerate() {
        match op {
            Op::Set { field, value, mask } => {
                rewrite(frame.bytes_mut(), layout, offload, *field, *value, *mask);
            }
            Op::Output { port, tunnel } if i == verdict.last_send => {
                effects.output(*port, *tunnel, frame, offload, true);
            }
            Op::Output { port, tunnel } => {
                scratch.fill(frame.bytes());
                effects.output(*port, *tunnel, scratch, offload, false);
            }
            Op::Controller(info) => effects.packet_in(frame.bytes(), offload, info),
            Op::Drop(drop) => losses.count(*drop, length, effects),
        }
    }
}

/// Checks that what is left undone on a frame can be done at all.
#[inline]
pub(crate) fn check_offload(frame: &[u8], offload: &Offload) -> Result<(), DropReason> {
    if offload.fits(frame.len()) { Ok(()) } else { Err(DropReason::BadOffload) }
}
