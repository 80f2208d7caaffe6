//! Out of the tunnel: one inner frame for each datagram, several if the packet is a train of them.

use tulle_wire::vnet::{GsoKind, Offload};
use tulle_wire::{FrameBuf, protocol, udp};

use crate::encap::Place;
use crate::outer::Outer;
use crate::{DropReason, Gbp, Popped, inner};

/// What an encapsulation's header says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    /// Length of the header with its options.
    pub(crate) len: usize,
    pub(crate) options_len: u8,
    pub(crate) context: u64,
    pub(crate) oam: bool,
    pub(crate) gbp: Option<Gbp>,
}

/// Where datagrams are received, and what they must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receiver {
    pub(crate) port: u16,
    /// Whether a datagram over IPv6 may do without a checksum (RFC 6936).
    pub(crate) zero_checksum_v6: bool,
}

impl Receiver {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, zero_checksum_v6: false }
    }

    /// Gives `each` the frames behind the headers that `parse` reads.
    pub(crate) fn pop(
        &self,
        buffer: &mut FrameBuf,
        offload: &Offload,
        parse: impl Fn(&[u8]) -> Result<Head, DropReason>,
        each: &mut dyn FnMut(Result<Popped, DropReason>, &mut FrameBuf),
    ) {
        if let Err(reason) = self.walk(buffer, offload, parse, each) {
            each(Err(reason), buffer);
        }
    }

    /// Errors: what is wrong with the outer packet.
    #[inline]
    fn walk(
        &self,
        buffer: &mut FrameBuf,
        offload: &Offload,
        parse: impl Fn(&[u8]) -> Result<Head, DropReason>,
        each: &mut dyn FnMut(Result<Popped, DropReason>, &mut FrameBuf),
    ) -> Result<(), DropReason> {
        let frame = buffer.bytes();
        let mut outer = Outer::parse(frame, protocol::UDP)?;
        outer.check_port(frame, self.port)?;
        let bytes = &frame[outer.transport..outer.end];
        let datagram = udp::Packet::new_checked(bytes).map_err(|_| DropReason::OuterMalformed)?;
        outer.end = outer.transport + datagram.total_len();
        let checksum = datagram.checksum() != 0;
        self.check_sum(checksum, &outer, frame, offload)?;
        let (start, mut from) = (buffer.range().start, outer.transport + udp::HEADER_LEN);
        let size = datagram_size(offload, outer.end - from)?;
        let undone = inner::undone(offload, outer.transport)?;
        let train = Train { outer: &outer, checksum, undone };
        while from < outer.end {
            let to = (from + size).min(outer.end);
            buffer.set_range(start + from..start + to);
            let popped = train.open(buffer, from, &parse);
            each(popped, buffer);
            from = to;
        }
        Ok(())
    }

    #[inline]
    fn check_sum(
        &self,
        is_there: bool,
        outer: &Outer,
        frame: &[u8],
        offload: &Offload,
    ) -> Result<(), DropReason> {
        match is_there {
            true => outer.verify(frame, protocol::UDP, offload),
            false if outer.is_v4() || self.zero_checksum_v6 => Ok(()),
            false => Err(DropReason::NoChecksum),
        }
    }
}

/// UDP payload bytes of each datagram of a train; the last may have less.
#[inline]
fn datagram_size(offload: &Offload, payload_len: usize) -> Result<usize, DropReason> {
    let size = if offload.gso == GsoKind::UdpL4 { usize::from(offload.gso_size) } else { payload_len };
    match (payload_len, size) {
        (0, _) => Err(DropReason::OuterEmpty),
        (_, 0) => Err(DropReason::BadOffload),
        _ => Ok(size),
    }
}

/// Datagrams behind one outer header.
struct Train<'a> {
    outer: &'a Outer,
    checksum: bool,
    /// What is left undone on the inner frame, if anything, by offsets into the outer one.
    undone: Option<&'a Offload>,
}

impl Train<'_> {
    /// Takes the header off the frame in `buffer`, which begins `from` bytes into the outer one. Not
    /// inlined: so the answer is written once, where it is handed on.
    #[inline(never)]
    fn open(
        &self,
        buffer: &mut FrameBuf,
        from: usize,
        parse: &impl Fn(&[u8]) -> Result<Head, DropReason>,
    ) -> Result<Popped, DropReason> {
        let Head { len, options_len, context, oam, gbp } = parse(buffer.bytes())?;
        buffer.pull_front(len);
        let offload = inner::arrived(buffer, self.undone, from + len, self.outer.tos)?;
        let options = match options_len {
            0 => Place::default(),
            len => Place { start: (buffer.range().start - usize::from(len)) as u32, len },
        };
        let checksum = self.checksum;
        Ok(Popped { checksum, oam, gbp, options, ..Popped::new(self.outer, context, offload) })
    }
}
