//! Where in its datagram a fragment belongs.

use tulle_wire::{ipv4, ipv6};

use super::Key;
use crate::headers::Headers;
use crate::packet::addresses;
use crate::tuple::Family;

/// RFC 791, RFC 8200: the length fields have 16 bits.
const MOST: usize = 65535;
const FRAGMENT_HEADER: u8 = 44;
pub(super) const FRAGMENT_HEADER_LEN: usize = 8;

/// What one fragment holds of its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// From the first byte of what was cut up.
    pub start: usize,
    pub end: usize,
    /// No more follows.
    pub last: bool,
    /// Where in the frame the network header begins.
    pub l3: usize,
    /// Where in the frame the piece begins; behind an IPv6 fragment header.
    pub data: usize,
    /// Where in the frame stands the number that announces an IPv6 fragment header.
    pub announced_at: usize,
}

/// Reads a fragment. `None`: it contradicts itself, or is none.
pub(super) fn parse(frame: &[u8], headers: &Headers, zone: u16) -> Option<(Key, Place)> {
    let network = frame.get(headers.l3..headers.end)?;
    let ends = addresses(network, headers.family)?;
    let read = match headers.family {
        Family::V4 => read_v4(network)?,
        Family::V6 => read_v6(network)?,
    };
    let start = usize::from(read.word >> 3) * 8;
    let len = network.len() - read.data;
    let end = start + len;
    let is_fragment = start > 0 || read.more;
    let is_whole_units = !read.more || len % 8 == 0;
    // The headers that stand before it, too, are within the length of the datagram.
    let fits = read.before + end <= MOST;
    if !is_fragment || len == 0 || !is_whole_units || !fits {
        return None;
    }
    let place = Place {
        start,
        end,
        last: !read.more,
        l3: headers.l3,
        data: headers.l3 + read.data,
        announced_at: headers.l3 + read.announced_at,
    };
    Some((Key::new(zone, headers.family, read.protocol, read.id, ends), place))
}

struct Read {
    id: u32,
    /// Offset in units of 8 bytes, in the upper 13 bits.
    word: u16,
    more: bool,
    protocol: u8,
    data: usize,
    announced_at: usize,
    /// Bytes in front of the data that count in the length field.
    before: usize,
}

fn read_v4(network: &[u8]) -> Option<Read> {
    let packet = ipv4::Packet::new_checked(network).ok()?;
    let word = packet.fragment_word();
    packet.verify_checksum().then_some(Read {
        id: u32::from(packet.id()),
        word: word << 3,
        more: word & ipv4::MORE_FRAGMENTS != 0,
        protocol: packet.protocol(),
        data: packet.header_len(),
        announced_at: 0,
        before: packet.header_len(),
    })
}

/// The fragment header follows hop-by-hop options, destination options and a routing header at most
/// (RFC 8200 section 4.5).
fn read_v6(network: &[u8]) -> Option<Read> {
    const MOST_BEFORE: usize = 4;
    let (mut announced_at, mut at) = (6, ipv6::HEADER_LEN);
    for _ in 0..=MOST_BEFORE {
        let header: &[u8; FRAGMENT_HEADER_LEN] = network.get(at..)?.first_chunk()?;
        match network[announced_at] {
            0 | 43 | 60 => {
                announced_at = at;
                at += (usize::from(header[1]) + 1) * 8;
            }
            FRAGMENT_HEADER => {
                let word = u16::from_be_bytes([header[2], header[3]]);
                return Some(Read {
                    id: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
                    word,
                    more: word & 1 != 0,
                    // The first fragment decides, whatever later ones say.
                    protocol: 0,
                    data: at + FRAGMENT_HEADER_LEN,
                    announced_at,
                    before: at - ipv6::HEADER_LEN,
                });
            }
            _ => return None,
        }
    }
    None
}
