//! Cutting a long TCP frame into segments, as a network card with segmentation offload does.
//!
//! Sequence and IP id grow, FIN and PSH stay on the last segment and CWR on the first, lengths and
//! checksums are made anew.

use crate::bytes::{set_u16, set_u32, u16_at, u32_at};
use crate::tcp::flag;
use crate::{FrameBuf, Layers, WireError, checksum, ipv4, protocol, tcp};

/// A frame that is to be cut, and where. The TCP checksum in it is not looked at.
#[derive(Clone, Copy, Debug)]
pub struct TcpCutter<'a> {
    frame: &'a [u8],
    layers: Layers,
    payload: usize,
    size: usize,
    count: usize,
    /// The sum of the pseudo header without its length.
    pseudo: u16,
}

impl<'a> TcpCutter<'a> {
    /// Looks at an Ethernet frame, tagged or not, that holds TCP over IPv4 or IPv6; each piece gets
    /// at most `gso_size` payload bytes. Errors: anything else, a fragment, a size of 0.
    pub fn new(frame: &'a [u8], gso_size: u16) -> Result<Self, WireError> {
        Self::at(frame, Layers::parse(frame), gso_size)
    }

    /// The same, behind whatever [`Layers::parse_within`] finds it.
    pub fn within(frame: &'a [u8], gso_size: u16) -> Result<Self, WireError> {
        Self::at(frame, Layers::parse_within(frame), gso_size)
    }

    fn at(frame: &'a [u8], layers: Option<Layers>, gso_size: u16) -> Result<Self, WireError> {
        let layers = layers.ok_or(WireError::Unsupported)?;
        if layers.protocol != protocol::TCP || layers.fragment || gso_size == 0 {
            return Err(WireError::Unsupported);
        }
        let frame = &frame[..layers.end];
        let segment = tcp::Packet::new_checked(&frame[layers.transport..])?;
        let payload = layers.transport + segment.header_len();
        let size = usize::from(gso_size);
        let count = (frame.len() - payload).div_ceil(size).max(1);
        let pseudo = checksum::add(checksum::sum(layers.addresses(frame)), u16::from(protocol::TCP));
        Ok(Self { frame, layers, payload, size, count, pseudo })
    }

    /// Number of pieces, at least 1.
    #[inline]
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Length of the frame of each piece; the last may be shorter.
    #[must_use]
    pub fn full_len(&self) -> usize {
        self.frame_len(0)
    }

    /// Length of the frame of piece `index`.
    #[must_use]
    pub fn frame_len(&self, index: usize) -> usize {
        let (from, to) = self.slice(index);
        self.payload + to - from
    }

    fn slice(&self, index: usize) -> (usize, usize) {
        let from = self.payload.saturating_add(index.saturating_mul(self.size)).min(self.frame.len());
        (from, from.saturating_add(self.size).min(self.frame.len()))
    }

    /// Writes the frame of piece `index` to the front of `out` and gives its length. Errors: no such
    /// piece, too little room.
    pub fn emit(&self, index: usize, out: &mut [u8]) -> Result<usize, WireError> {
        if index >= self.count() {
            return Err(WireError::BadLength);
        }
        let (from, to) = self.slice(index);
        let len = self.payload + to - from;
        let out = out.get_mut(..len).ok_or(WireError::Truncated)?;
        out[..self.payload].copy_from_slice(&self.frame[..self.payload]);
        out[self.payload..].copy_from_slice(&self.frame[from..to]);
        self.fix_network(index, &mut out[self.layers.network..]);
        self.fix_transport(index, out);
        Ok(len)
    }

    fn fix_network(&self, index: usize, packet: &mut [u8]) {
        if !self.layers.is_v4() {
            let payload_len = packet.len() - crate::ipv6::HEADER_LEN;
            return set_u16(packet, 4, payload_len as u16);
        }
        let total_len = packet.len() as u16;
        let header = &mut packet[..self.layers.transport - self.layers.network];
        set_u16(header, 2, total_len);
        let id = u16_at(header, 4).wrapping_add(index as u16);
        set_u16(header, 4, id);
        set_u16(header, ipv4::CSUM_AT, 0);
        let checksum = !checksum::sum(header);
        set_u16(header, ipv4::CSUM_AT, checksum);
    }

    fn fix_transport(&self, index: usize, frame: &mut [u8]) {
        let segment = &mut frame[self.layers.transport..];
        let sequence = u32_at(segment, 4).wrapping_add((index * self.size) as u32);
        set_u32(segment, 4, sequence);
        if index > 0 {
            segment[tcp::FLAGS_AT] &= !flag::CWR;
        }
        if index + 1 < self.count() {
            segment[tcp::FLAGS_AT] &= !(flag::FIN | flag::PSH);
        }
        // A segment is shorter than 65536 bytes: the upper half of the length adds nothing.
        set_u16(segment, 16, checksum::add(self.pseudo, segment.len() as u16));
        let checksum = !checksum::sum(segment);
        set_u16(segment, 16, checksum);
    }
}

/// Cuts `frame` and gives each piece in turn, in `scratch` with full headroom, to `each`. Gives the
/// number of pieces. Errors: see [`TcpCutter::new`]; nothing has been given then.
pub fn tcp_segments(
    frame: &[u8],
    gso_size: u16,
    scratch: &mut FrameBuf,
    each: impl FnMut(&mut FrameBuf),
) -> Result<usize, WireError> {
    cut(&TcpCutter::new(frame, gso_size)?, scratch, each)
}

/// The same with [`TcpCutter::within`].
pub fn tcp_segments_within(
    frame: &[u8],
    gso_size: u16,
    scratch: &mut FrameBuf,
    each: impl FnMut(&mut FrameBuf),
) -> Result<usize, WireError> {
    cut(&TcpCutter::within(frame, gso_size)?, scratch, each)
}

fn cut(
    cutter: &TcpCutter<'_>,
    scratch: &mut FrameBuf,
    mut each: impl FnMut(&mut FrameBuf),
) -> Result<usize, WireError> {
    for index in 0..cutter.count() {
        scratch.reset();
        let len = cutter.emit(index, scratch.spare_mut())?;
        scratch.set_len(len);
        each(scratch);
    }
    Ok(cutter.count())
}
