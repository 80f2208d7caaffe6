//! IPv4 and IPv6 headers, with extension headers and fragments.

use super::{Layout, half, transport, wide, word};
use crate::drop::DropReason;
use tulle_flow::{Field, Key};

/// Bits of `ip_frag`: any fragment, and any but the first.
const FRAGMENT: u128 = 1;
const LATER_FRAGMENT: u128 = 2;

/// More extension headers than this have no honest use, and would hide the transport header.
const MAX_EXTENSIONS: usize = 16;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT_HEADER: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// IPv4 (RFC 791).
pub(super) fn ipv4(frame: &[u8], key: &mut Key, layout: &mut Layout) -> Result<(), DropReason> {
    let at = layout.payload;
    layout.l3 = at;
    let Some(header) = frame.get(at..at + 20) else { return Err(DropReason::Ipv4Truncated) };
    let header_len = usize::from(header[0] & 15) * 4;
    if header[0] >> 4 != 4 || header_len < 20 {
        return Err(DropReason::Ipv4BadHeader);
    }
    let total = usize::from(half(header, 2));
    if total < header_len || at + total > frame.len() {
        return Err(DropReason::Ipv4BadLength);
    }
    layout.end = at + total;
    layout.proto = header[9];
    key.set(Field::IpSrc, u128::from(word(header, 12)));
    key.set(Field::IpDst, u128::from(word(header, 16)));
    let frag = fragment(half(header, 6) & 0x2000 != 0, half(header, 6) & 0x1fff);
    layout.fragment = frag as u8;
    ip_fields(key, header[9], header[1], header[8], frag);
    if frag & LATER_FRAGMENT == 0 {
        transport::transport(frame, key, layout, at + header_len);
    }
    Ok(())
}

/// IPv6 (RFC 8200).
pub(super) fn ipv6(frame: &[u8], key: &mut Key, layout: &mut Layout) -> Result<(), DropReason> {
    let at = layout.payload;
    layout.l3 = at;
    let Some(header) = frame.get(at..at + 40) else { return Err(DropReason::Ipv6Truncated) };
    if header[0] >> 4 != 6 {
        return Err(DropReason::Ipv6BadHeader);
    }
    layout.end = at + 40 + usize::from(half(header, 4));
    if layout.end > frame.len() {
        return Err(DropReason::Ipv6BadLength);
    }
    key.set(Field::Ipv6Src, wide(header, 8));
    key.set(Field::Ipv6Dst, wide(header, 24));
    key.set(Field::Ipv6Label, u128::from(word(header, 0) & 0xf_ffff));
    let (tos, ttl) = ((word(header, 0) >> 20) as u8, header[7]);
    let extensions = walk_extensions(&frame[..layout.end], at + 40, header[6])?;
    layout.proto = extensions.proto;
    layout.routed = extensions.routed;
    layout.fragment = extensions.frag as u8;
    ip_fields(key, extensions.proto, tos, ttl, extensions.frag);
    if let Some(l4) = extensions.l4 {
        transport::transport(frame, key, layout, l4);
    }
    Ok(())
}

fn ip_fields(key: &mut Key, proto: u8, tos: u8, ttl: u8, frag: u128) {
    key.set(Field::IpProto, u128::from(proto));
    key.set(Field::IpTos, u128::from(tos));
    key.set(Field::IpTtl, u128::from(ttl));
    key.set(Field::IpFrag, frag);
}

fn fragment(more: bool, offset: u16) -> u128 {
    match (more, offset) {
        (false, 0) => 0,
        (true, 0) => FRAGMENT,
        _ => FRAGMENT | LATER_FRAGMENT,
    }
}

struct Extensions {
    proto: u8,
    frag: u128,
    routed: bool,
    /// Where the transport header begins; nothing in later fragments and behind a header that is cut off.
    l4: Option<usize>,
}

fn walk_extensions(packet: &[u8], mut at: usize, proto: u8) -> Result<Extensions, DropReason> {
    let mut found = Extensions { proto, frag: 0, routed: false, l4: None };
    for _ in 0..MAX_EXTENSIONS {
        if !matches!(found.proto, HOP_BY_HOP | ROUTING | FRAGMENT_HEADER | AUTHENTICATION | DESTINATION) {
            found.l4 = Some(at);
            return Ok(found);
        }
        let Some(header) = packet.get(at..at + 8) else { return Ok(found) };
        let length = match found.proto {
            FRAGMENT_HEADER => 8,
            AUTHENTICATION => (usize::from(header[1]) + 2) * 4,
            _ => (usize::from(header[1]) + 1) * 8,
        };
        if at + length > packet.len() {
            return Ok(found);
        }
        found.routed |= found.proto == ROUTING && header[3] > 0;
        if found.proto == FRAGMENT_HEADER {
            found.frag |= fragment(half(header, 2) & 1 != 0, half(header, 2) >> 3);
        }
        found.proto = header[0];
        at += length;
        if found.frag & LATER_FRAGMENT != 0 {
            return Ok(found);
        }
    }
    Err(DropReason::Ipv6TooManyExtensions)
}
