//! The Internet checksum (RFC 1071), its incremental update (RFC 1624) and pseudo headers.
//!
//! A *sum* here is the folded, uncomplemented one's complement sum; a *checksum* is its complement,
//! as it stands in a header. A field under `needs_csum` holds the sum of the pseudo header.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::WireError;
use crate::bytes::{set_u16, u16_at};

/// Place of the checksum in a UDP header; the offset by which UDP is told from TCP.
pub const UDP_CSUM_OFFSET: u16 = 6;
/// Place of the checksum in a TCP header.
pub const TCP_CSUM_OFFSET: u16 = 16;

/// The sum over `bytes`, which begin at an even offset of what is summed.
#[inline]
#[must_use]
pub fn sum(bytes: &[u8]) -> u16 {
    let chunks = bytes.chunks_exact(4);
    let rest = chunks.remainder();
    // Whole 32-bit words into 64 bits: no carry is lost below 16 GB, and compilers vectorize it.
    let mut total: u64 =
        chunks.map(|chunk| u64::from(u32::from_ne_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    total += u64::from(u32::from_ne_bytes(last));
    // The sum of swapped words is the swapped sum (RFC 1071 section 2 (B)).
    u16::from_be(fold(total))
}

#[inline]
fn fold(total: u64) -> u16 {
    let total = (total >> 32) + (total & 0xffff_ffff);
    let total = (total >> 32) + (total & 0xffff_ffff);
    let total = (total >> 16) + (total & 0xffff);
    let total = (total >> 16) + (total & 0xffff);
    ((total >> 16) + (total & 0xffff)) as u16
}

/// Adds two sums.
#[inline]
#[must_use]
pub fn add(a: u16, b: u16) -> u16 {
    let (total, carry) = a.overflowing_add(b);
    total + u16::from(carry)
}

/// The sum without the part `b`.
#[inline]
#[must_use]
pub fn subtract(a: u16, b: u16) -> u16 {
    add(a, !b)
}

/// The sum of the IPv4 pseudo header (RFC 9293 section 3.1); `len` is that of transport header and payload.
#[inline]
#[must_use]
pub fn pseudo_v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, len: usize) -> u16 {
    let addresses = add(sum(&source.octets()), sum(&destination.octets()));
    add(addresses, pseudo_tail(protocol, len))
}

/// The sum of the IPv6 pseudo header (RFC 8200 section 8.1); `len` is that of transport header and payload.
#[inline]
#[must_use]
pub fn pseudo_v6(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, len: usize) -> u16 {
    let addresses = add(sum(&source.octets()), sum(&destination.octets()));
    add(addresses, pseudo_tail(protocol, len))
}

#[inline]
fn pseudo_tail(protocol: u8, len: usize) -> u16 {
    add(u16::from(protocol), sum(&(len as u32).to_be_bytes()))
}

/// The checksum after a 16-bit word changed from `old` to `new` (RFC 1624 equation 3).
#[inline]
#[must_use]
pub fn replace(checksum: u16, old: u16, new: u16) -> u16 {
    !add(add(!checksum, !old), new)
}

/// The checksum after bytes at an even offset changed from `old` to `new`, both of one length.
#[inline]
#[must_use]
pub fn replace_bytes(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    replace(checksum, sum(old), sum(new))
}

/// Completes the checksum of a frame that needs it (`needs_csum`), in place: sums from `csum_start` to
/// the end with the pseudo sum still in the field. For UDP a result of 0 becomes 0xffff (RFC 768).
/// Errors: the field is not in the frame.
pub fn finish_checksum(frame: &mut [u8], csum_start: u16, csum_offset: u16) -> Result<(), WireError> {
    let range = frame.get_mut(usize::from(csum_start)..).ok_or(WireError::Truncated)?;
    let at = usize::from(csum_offset);
    if range.len() < at + 2 {
        return Err(WireError::Truncated);
    }
    let checksum = !sum(range);
    let udp_zero = csum_offset == UDP_CSUM_OFFSET && checksum == 0;
    set_u16(range, at, if udp_zero { 0xffff } else { checksum });
    Ok(())
}

/// Whether transport header and payload fit the checksum in them, given the pseudo header's sum.
#[inline]
#[must_use]
pub fn verify(pseudo: u16, segment: &[u8]) -> bool {
    add(pseudo, sum(segment)) == 0xffff
}

/// Replaces the 16-bit word at `at` and updates the checksum at `csum_at`. Out of range: no change.
pub fn rewrite_word(header: &mut [u8], csum_at: usize, at: usize, new: u16) {
    if header.len() < at.max(csum_at).saturating_add(2) {
        return;
    }
    let checksum = replace(u16_at(header, csum_at), u16_at(header, at), new);
    set_u16(header, at, new);
    set_u16(header, csum_at, checksum);
}
