//! IPv6 (RFC 8200). Extension headers are walked on receive and never sent.

use std::net::Ipv6Addr;

use crate::WireError;
use crate::bytes::{array_at, set_u16, set_u32, u16_at, u32_at};

/// Length of the fixed header.
pub const HEADER_LEN: usize = 40;
/// Place of the hop limit.
pub const HOP_LIMIT_AT: usize = 7;
/// More extension headers than any honest packet has.
const MOST_EXTENSIONS: usize = 8;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

/// Where the extension headers end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// Protocol of the upper-layer header.
    pub protocol: u8,
    /// Its offset from the start of the IPv6 header.
    pub offset: usize,
    /// Whether there is a fragment header with an offset or more to come.
    pub fragment: bool,
    /// Whether it is a fragment without the upper-layer header.
    pub later_fragment: bool,
}

/// A view of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Checks version and lengths.
    #[inline]
    pub fn new_checked(buffer: T) -> Result<Self, WireError> {
        let bytes = buffer.as_ref();
        if bytes.len() < HEADER_LEN {
            return Err(WireError::Truncated);
        }
        if bytes[0] >> 4 != 6 {
            return Err(WireError::BadVersion);
        }
        if bytes.len() < HEADER_LEN + usize::from(u16_at(bytes, 4)) {
            return Err(WireError::Truncated);
        }
        Ok(Self { buffer })
    }

    /// DSCP 6 bits, ECN 2 bits.
    #[inline]
    pub fn traffic_class(&self) -> u8 {
        (u16_at(self.buffer.as_ref(), 0) >> 4) as u8
    }

    /// Flow label, 20 bits.
    #[inline]
    pub fn flow_label(&self) -> u32 {
        u32_at(self.buffer.as_ref(), 0) & 0xf_ffff
    }

    /// Length of all that follows the fixed header.
    #[inline]
    pub fn payload_len(&self) -> usize {
        usize::from(u16_at(self.buffer.as_ref(), 4))
    }

    /// Protocol of the next header.
    #[inline]
    pub fn next_header(&self) -> u8 {
        self.buffer.as_ref()[6]
    }

    /// Hop limit.
    #[inline]
    pub fn hop_limit(&self) -> u8 {
        self.buffer.as_ref()[7]
    }

    /// Source address.
    #[inline]
    pub fn source(&self) -> Ipv6Addr {
        array_at(self.buffer.as_ref(), 8).into()
    }

    /// Destination address.
    #[inline]
    pub fn destination(&self) -> Ipv6Addr {
        array_at(self.buffer.as_ref(), 24).into()
    }

    /// All that follows the fixed header, without what pads the frame.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.buffer.as_ref()[HEADER_LEN..HEADER_LEN + self.payload_len()]
    }

    /// Walks the extension headers (RFC 8200 section 4). Errors: cut short, or more than 8 of them.
    #[inline]
    pub fn upper(&self) -> Result<Upper, WireError> {
        let bytes = &self.buffer.as_ref()[..HEADER_LEN + self.payload_len()];
        let mut upper = Upper {
            protocol: self.next_header(),
            offset: HEADER_LEN,
            fragment: false,
            later_fragment: false,
        };
        for _ in 0..MOST_EXTENSIONS {
            if upper.later_fragment || !is_extension(upper.protocol) {
                return Ok(upper);
            }
            step(&mut upper, bytes)?;
        }
        Err(WireError::Unsupported)
    }
}

fn is_extension(protocol: u8) -> bool {
    matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY)
}

fn step(upper: &mut Upper, bytes: &[u8]) -> Result<(), WireError> {
    let header: [u8; 8] =
        *bytes.get(upper.offset..).and_then(|rest| rest.first_chunk()).ok_or(WireError::Truncated)?;
    let len = match upper.protocol {
        FRAGMENT => {
            let word = u16::from_be_bytes([header[2], header[3]]);
            upper.fragment = word & 0xfff9 != 0;
            upper.later_fragment = word & 0xfff8 != 0;
            8
        }
        AUTHENTICATION => (usize::from(header[1]) + 2) * 4,
        _ => (usize::from(header[1]) + 1) * 8,
    };
    upper.protocol = header[0];
    upper.offset += len;
    if upper.offset > bytes.len() { Err(WireError::Truncated) } else { Ok(()) }
}

/// A fixed header as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Protocol of the next header.
    pub next_header: u8,
    /// Length of all that follows.
    pub payload_len: usize,
    /// Hop limit.
    pub hop_limit: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
}

impl Repr {
    /// Reads the fixed header.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, WireError> {
        Ok(Self {
            source: packet.source(),
            destination: packet.destination(),
            next_header: packet.next_header(),
            payload_len: packet.payload_len(),
            hop_limit: packet.hop_limit(),
            traffic_class: packet.traffic_class(),
            flow_label: packet.flow_label(),
        })
    }

    /// Length of what [`emit`](Self::emit) writes.
    #[must_use]
    pub fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes the fixed header. Errors: too few bytes, a payload over 65535 bytes.
    pub fn emit(&self, bytes: &mut [u8]) -> Result<(), WireError> {
        let bytes = bytes.get_mut(..HEADER_LEN).ok_or(WireError::Truncated)?;
        let payload_len = u16::try_from(self.payload_len).map_err(|_| WireError::BadLength)?;
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | (self.flow_label & 0xf_ffff);
        set_u32(bytes, 0, first);
        set_u16(bytes, 4, payload_len);
        bytes[6] = self.next_header;
        bytes[7] = self.hop_limit;
        bytes[8..24].copy_from_slice(&self.source.octets());
        bytes[24..40].copy_from_slice(&self.destination.octets());
        Ok(())
    }
}
