//! IPv4 and IPv6 headers, and fragments.

use super::{Layout, extensions, half, transport, wide, word};
use crate::drop::DropReason;
use tulle_flow::{Field, Key};

/// Bits of `ip_frag`: any fragment, and any but the first.
const FRAGMENT: u128 = 1;
pub(super) const LATER_FRAGMENT: u128 = 2;

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
    let extensions = extensions::walk(&frame[..layout.end], at + 40, header[6])?;
    layout.proto = extensions.proto;
    layout.routed = extensions.routed;
    layout.fragment = extensions.frag as u8;
    ip_fields(key, extensions.proto, tos, ttl, extensions.frag);
    if extensions.seen != 0 {
        key.set(Field::Ipv6Exthdr, u128::from(extensions.seen));
    }
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

pub(super) fn fragment(more: bool, offset: u16) -> u128 {
    match (more, offset) {
        (false, 0) => 0,
        (true, 0) => FRAGMENT,
        _ => FRAGMENT | LATER_FRAGMENT,
    }
}
