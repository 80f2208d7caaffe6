//! The fixed part of the Geneve header (RFC 8926 section 3.4).

use super::options::check_options;
use crate::DropReason;
use crate::udp::Head;

/// Length of the header without options.
pub const HEADER_LEN: usize = 8;

/// Length of the options in units of 4 bytes; the two bits above are the version, 0.
const LEN_MASK: u8 = 0x3f;
/// For the control plane.
const OAM: u8 = 0x80;
/// There is a critical option.
const CRITICAL: u8 = 0x40;
/// Protocol type: Transparent Ethernet Bridging.
const ETHERNET: [u8; 2] = [0x65, 0x58];

/// The header for a network identifier of 24 bits and so many bytes of options.
#[inline]
pub(super) fn emit(vni: u64, options_len: usize, oam: bool, critical: bool) -> [u8; HEADER_LEN] {
    let [.., a, b, c] = vni.to_be_bytes();
    let flags = if oam { OAM } else { 0 } | if critical { CRITICAL } else { 0 };
    [(options_len / 4) as u8, flags, ETHERNET[0], ETHERNET[1], a, b, c, 0]
}

/// Reads header and options, and whether one of these is critical, which the header must say.
/// Reserved bits are ignored.
#[inline]
pub(super) fn parse(bytes: &[u8]) -> Result<(Head, bool), DropReason> {
    let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(DropReason::GeneveTruncated)?;
    let [first, flags, high, low, a, b, c, _] = *header;
    if first & !LEN_MASK != 0 {
        return Err(DropReason::GeneveVersion);
    }
    let options_len = (first & LEN_MASK) * 4;
    let len = HEADER_LEN + usize::from(options_len);
    let options = bytes.get(HEADER_LEN..len).ok_or(DropReason::GeneveTruncated)?;
    if [high, low] != ETHERNET {
        return Err(DropReason::GeneveNotEthernet);
    }
    let critical = check_options(options)?;
    if critical && flags & CRITICAL == 0 {
        return Err(DropReason::GeneveBadCritical);
    }
    let context = u64::from(u32::from_be_bytes([0, a, b, c]));
    let head = Head { len, options_len, context, oam: flags & OAM != 0, gbp: None };
    Ok((head, critical))
}
