//! From the bytes of a frame to its flow key, and to where its headers lie.
//!
//! A header that is cut off or wrong leaves its fields, and all behind it, zero; but a frame that no receiver
//! would accept at all (no whole Ethernet or IP header, lengths that lie) is an error with its own reason.

mod extensions;
mod ip;
mod reach;
mod tags;
mod transport;

pub(crate) use reach::reach;
pub(crate) use tags::{CUSTOMER_TYPE, UCA_SHIFT, first_label, set_first_label};
pub(crate) use transport::{ND_OPTIONS, SOURCE_LINK_ADDRESS, TARGET_LINK_ADDRESS, split_option};

use crate::drop::DropReason;
use crate::metadata::Metadata;
use tulle_flow::{Field, Key};

pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(crate) const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_RARP: u16 = 0x8035;
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86dd;
pub(crate) const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_QINQ: u16 = 0x88a8;
const ETHERTYPE_MPLS: u16 = 0x8847;
const ETHERTYPE_MPLS_MULTICAST: u16 = 0x8848;
pub(crate) const ETHERTYPE_PBB: u16 = 0x88e7;
/// Stands for "no type" where the Ethernet field is a length (IEEE 802.3).
const ETHERTYPE_NONE: u16 = 0x05ff;
/// Ethernet types begin here; lower numbers are lengths.
const FIRST_ETHERTYPE: u16 = 0x0600;
/// Of ARP for IPv4 over Ethernet.
const ARP_LEN: usize = 28;
/// LLC and SNAP headers that say that an Ethernet type follows (RFC 1042).
const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];
/// The bit of `vlan_tci` that says that there is a tag.
pub(crate) const VLAN_PRESENT: u16 = 0x1000;

pub(crate) const ICMPV4: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMPV6: u8 = 58;
pub(crate) const SCTP: u8 = 132;

/// Where the headers of a frame lie, counted from its first byte; 0 means that there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The Ethernet type behind the VLAN tags.
    pub ethertype: u16,
    /// What stands behind that type: MPLS labels, a provider backbone's service tag, or the network header.
    pub payload: usize,
    /// The network header (IPv4, IPv6 or ARP); none behind MPLS labels or a service tag.
    pub l3: usize,
    /// The transport header, where it is whole enough to hold the fields of the key.
    pub l4: usize,
    /// The end of the IP packet, without what Ethernet padded.
    pub end: usize,
    /// The transport protocol.
    pub proto: u8,
    /// As `ip_frag` has it: 0 no fragment, 1 the first, 3 a later one.
    pub fragment: u8,
    /// An IPv6 routing header stands before the final destination (RFC 8200 section 8.1: the transport checksum
    /// is over the final destination, not over the one in the header).
    pub routed: bool,
}

/// Finds the key and the layout of a frame.  Errors: the frame is to be dropped for this reason.
pub fn extract(frame: &[u8], metadata: &Metadata) -> Result<(Key, Layout), DropReason> {
    let mut key = Key::ZERO;
    let layout = extract_to(&mut key, frame, metadata)?;
    Ok((key, layout))
}

/// As [`extract`], but writes to a key that is zero.  For a key that has just been written and is moved, the processor
/// waits until all of its fields have reached the cache: longer than it takes to find them.
#[inline]
pub(crate) fn extract_to(key: &mut Key, frame: &[u8], metadata: &Metadata) -> Result<Layout, DropReason> {
    metadata.write(key);
    ethernet(frame, key)
}

/// Finds out anew where the headers of a changed frame lie; what is no whole packet any more keeps none.
#[cold]
pub(crate) fn relayout(frame: &[u8], layout: &mut Layout) {
    *layout = ethernet(frame, &mut { Key::ZERO }).unwrap_or_default();
}

#[inline]
fn ethernet(frame: &[u8], key: &mut Key) -> Result<Layout, DropReason> {
    let Some(header) = frame.first_chunk::<14>() else { return Err(DropReason::FrameTooShort) };
    key.set(Field::EthDst, mac(&header[0..6]));
    key.set(Field::EthSrc, mac(&header[6..12]));
    let ethertype = half(header, 12);
    let mut layout = Layout { ethertype, payload: 14, end: frame.len(), ..Layout::default() };
    if matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_QINQ) {
        tags::vlan(frame, key, &mut layout)?;
    }
    if layout.ethertype < FIRST_ETHERTYPE {
        length(frame, &mut layout);
    }
    key.set(Field::EthType, u128::from(layout.ethertype));
    network(frame, key, &mut layout)?;
    Ok(layout)
}

/// Finds the Ethernet type of a frame that begins with its length (IEEE 802.3), where a SNAP header has one.
#[cold]
fn length(frame: &[u8], layout: &mut Layout) {
    layout.ethertype = ETHERTYPE_NONE;
    let Some(header) = frame.get(layout.payload..layout.payload + 8) else { return };
    let ethertype = half(header, 6);
    if header[..6] == SNAP && ethertype >= FIRST_ETHERTYPE {
        layout.ethertype = ethertype;
        layout.payload += 8;
    }
}

#[inline]
fn network(frame: &[u8], key: &mut Key, layout: &mut Layout) -> Result<(), DropReason> {
    match layout.ethertype {
        ETHERTYPE_IPV4 => ip::ipv4(frame, key, layout),
        ETHERTYPE_IPV6 => ip::ipv6(frame, key, layout),
        ETHERTYPE_ARP | ETHERTYPE_RARP => {
            arp(frame, key, layout);
            Ok(())
        }
        ETHERTYPE_MPLS | ETHERTYPE_MPLS_MULTICAST => tags::mpls(frame, key, layout),
        ETHERTYPE_PBB => tags::pbb(frame, key, layout),
        _ => Ok(()),
    }
}

/// ARP for IPv4 over Ethernet (RFC 826); of any other the key holds only the Ethernet type.
fn arp(frame: &[u8], key: &mut Key, layout: &mut Layout) {
    let at = layout.payload;
    let whole = frame.get(at..at + ARP_LEN).filter(|arp| arp[..6] == [0, 1, 8, 0, 6, 4]);
    let Some(arp) = whole else { return };
    layout.l3 = at;
    key.set(Field::ArpOp, u128::from(half(arp, 6)));
    key.set(Field::ArpSha, mac(&arp[8..14]));
    key.set(Field::ArpSpa, u128::from(word(arp, 14)));
    key.set(Field::ArpTha, mac(&arp[18..24]));
    key.set(Field::ArpTpa, u128::from(word(arp, 24)));
}

#[inline]
fn mac(bytes: &[u8]) -> u128 {
    u128::from(half(bytes, 0)) << 32 | u128::from(word(bytes, 2))
}

#[inline]
fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline]
fn wide(bytes: &[u8], at: usize) -> u128 {
    let mut out = [0; 16];
    out.copy_from_slice(&bytes[at..at + 16]);
    u128::from_be_bytes(out)
}
