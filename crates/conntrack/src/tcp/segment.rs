//! What of a TCP header matters to tracking.

use tulle_wire::tcp::flag::{ACK, FIN, PSH, RST, SYN};
use tulle_wire::tcp::{HEADER_LEN, Packet};

const URG: u8 = 0x20;

const OPTION_END: u8 = 0;
const OPTION_NOTHING: u8 = 1;
const OPTION_WINDOW_SCALE: u8 = 3;

/// A segment without its ports and payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub sequence: u32,
    pub acknowledgment: u32,
    pub window: u16,
    pub flags: u8,
    pub payload_len: u32,
    /// The window scale option, of a SYN only (RFC 7323).
    pub scale: Option<u8>,
}

impl Segment {
    /// Reads a transport header and what follows it. `None`: it is cut short or lies about its length.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let packet = Packet::new_checked(bytes).ok()?;
        let header_len = packet.header_len();
        let flags = packet.flags();
        Some(Self {
            sequence: packet.sequence(),
            acknowledgment: packet.acknowledgment(),
            window: packet.window(),
            flags,
            payload_len: (bytes.len() - header_len) as u32,
            scale: if flags & SYN != 0 { window_scale(&bytes[HEADER_LEN..header_len]) } else { None },
        })
    }

    /// Behind its last byte; SYN and FIN count as one each.
    #[inline]
    pub fn end(&self) -> u32 {
        let counted = (self.flags & SYN != 0) as u32 + (self.flags & FIN != 0) as u32;
        self.sequence.wrapping_add(self.payload_len).wrapping_add(counted)
    }

    #[inline]
    pub fn scaled_window(&self, scale: u8) -> u32 {
        u32::from(self.window) << scale
    }

    /// Whether some connection could have a segment with these flags.
    #[inline]
    pub fn has_valid_flags(&self) -> bool {
        let has = |flags| self.flags & flags != 0;
        if has(SYN) { !has(RST | FIN) } else { has(ACK | RST) && (has(ACK) || !has(FIN | PSH | URG)) }
    }

    /// Whether it may be the first of a connection: a SYN, or one from the middle.
    pub fn may_open(&self) -> bool {
        self.has_valid_flags() && self.flags & RST == 0 && self.flags & (SYN | ACK) != SYN | ACK
    }
}

fn window_scale(mut options: &[u8]) -> Option<u8> {
    loop {
        match *options {
            [] | [OPTION_END, ..] => return None,
            [OPTION_NOTHING, ..] => options = &options[1..],
            [OPTION_WINDOW_SCALE, 3, scale, ..] => return Some(scale),
            [_, len, ..] => options = options.get(usize::from(len.max(2))..)?,
            [_] => return None,
        }
    }
}
