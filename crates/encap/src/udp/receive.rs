//! Out of the tunnel: one inner frame for each datagram, several if the packet is a train of them.

use std::ops::Range;

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
        let train = match self.train(buffer.bytes(), offload) {
            Ok(train) => train,
            Err(reason) => return each(Err(reason), buffer),
        };
        let start = buffer.range().start;
        for from in train.payload.clone().step_by(train.size) {
            let to = (from + train.size).min(train.payload.end);
            buffer.set_range(start + from..start + to);
            let popped = parse(buffer.bytes()).and_then(|head| train.open(buffer, from, &head));
            each(popped, buffer);
        }
    }

    #[inline]
    fn train(&self, frame: &[u8], offload: &Offload) -> Result<Train, DropReason> {
        let outer = Outer::parse(frame, protocol::UDP)?;
        outer.check_port(frame, self.port)?;
        let bytes = &frame[outer.transport..outer.end];
        let datagram = udp::Packet::new_checked(bytes).map_err(|_| DropReason::OuterMalformed)?;
        let outer = Outer { end: outer.transport + datagram.total_len(), ..outer };
        let checksum = datagram.checksum() != 0;
        if checksum {
            outer.verify(frame, protocol::UDP, offload)?;
        } else if !outer.is_v4() && !self.zero_checksum_v6 {
            return Err(DropReason::NoChecksum);
        }
        Train::new(outer, checksum, offload)
    }
}

/// Datagrams behind one outer header.
struct Train {
    outer: Outer,
    checksum: bool,
    payload: Range<usize>,
    /// UDP payload bytes of each datagram, the last may have less.
    size: usize,
    /// What is left undone on the inner frame, if anything, by offsets into the outer one.
    undone: Option<Offload>,
}

impl Train {
    #[inline]
    fn new(outer: Outer, checksum: bool, offload: &Offload) -> Result<Self, DropReason> {
        let payload = outer.transport + udp::HEADER_LEN..outer.end;
        let undone = inner::undone(offload, outer.transport)?;
        let size = match offload.gso {
            GsoKind::UdpL4 => usize::from(offload.gso_size),
            _ => payload.len(),
        };
        if payload.is_empty() {
            return Err(DropReason::OuterEmpty);
        }
        if size == 0 {
            return Err(DropReason::BadOffload);
        }
        Ok(Self { outer, checksum, payload, size, undone })
    }

    /// Takes the header off the frame in `buffer`, which begins `from` bytes into the outer one.
    #[inline]
    fn open(&self, buffer: &mut FrameBuf, from: usize, head: &Head) -> Result<Popped, DropReason> {
        buffer.pull_front(head.len);
        let offload = inner::arrived(buffer, self.undone.as_ref(), from + head.len, self.outer.tos)?;
        let Head { context, oam, gbp, options_len, .. } = *head;
        let options = match options_len {
            0 => Place::default(),
            len => Place { start: (buffer.range().start - usize::from(len)) as u32, len },
        };
        Ok(Popped {
            checksum: self.checksum,
            oam,
            gbp,
            options,
            ..Popped::new(&self.outer, context, offload)
        })
    }
}
