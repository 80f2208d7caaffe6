//! Writes header fields into a frame in place, and keeps its checksums right without reading the payload
//! (RFC 1624, equation 3).
//!
//! A transport checksum that the sender has left to the device holds only the sum over the pseudo-header, not
//! complemented: new addresses change it, new ports do not.

mod backbone;
mod places;
mod tags;

pub(crate) use backbone::{pop_pbb, push_pbb};
pub(crate) use tags::{copy_ttl_in, copy_ttl_out, pop_mpls, pop_vlan, push_mpls, push_vlan};

use crate::extract::{ICMPV4, ICMPV6, Layout, TCP, UDP, VLAN_PRESENT};
use places::{Cover, Place};
use tulle_flow::Field;
use tulle_wire::checksum::{add, replace, subtract, sum};
use tulle_wire::sctp;
use tulle_wire::vnet::Offload;

/// Sums of the same words before and after a change.
#[derive(Clone, Copy, Debug)]
struct Change {
    old: u16,
    new: u16,
}

impl Change {
    fn apply(self, checksum: u16) -> u16 {
        replace(checksum, self.old, self.new)
    }

    /// For a sum that has not been complemented.
    fn apply_partial(self, sum: u16) -> u16 {
        add(subtract(sum, self.old), self.new)
    }
}

/// Writes the bits of `mask` in a field.  A field that the frame does not have is left alone.
pub(crate) fn rewrite(
    frame: &mut [u8],
    layout: &Layout,
    offload: &Offload,
    field: Field,
    value: u128,
    mask: u128,
) {
    let Some(place) = places::place(frame, layout, field) else { return };
    if place.cover == Cover::Sctp {
        let Some(packet) = frame.get_mut(layout.l4..layout.end) else { return };
        return sctp::write_word(packet, place.at - layout.l4, value as u16, mask as u16);
    }
    let mask = if field == Field::VlanTci { mask & !u128::from(VLAN_PRESENT) } else { mask };
    let Some(change) = write(frame, &place, value, mask) else { return };
    match place.cover {
        Cover::Nothing | Cover::Sctp => {}
        Cover::Ipv4Header => update_ipv4(frame, layout, change),
        Cover::Addresses => {
            if layout.ethertype == crate::extract::ETHERTYPE_IPV4 {
                update_ipv4(frame, layout, change);
            }
            update_transport(frame, layout, offload, change, true);
        }
        Cover::Transport => update_transport(frame, layout, offload, change, false),
    }
}

/// Writes whole 16-bit words, so that the change fits a checksum; nothing where the frame ends before.
fn write(frame: &mut [u8], place: &Place, value: u128, mask: u128) -> Option<Change> {
    let bytes = frame.get_mut(place.at..place.at + place.len)?;
    let mut word = [0; 16];
    word[16 - place.len..].copy_from_slice(bytes);
    let old = sum(bytes);
    let mask = mask & place.width();
    let kept = u128::from_be_bytes(word) & !(mask << place.shift);
    let written = kept | ((value & mask) << place.shift);
    bytes.copy_from_slice(&written.to_be_bytes()[16 - place.len..]);
    Some(Change { old, new: sum(bytes) })
}

fn update_ipv4(frame: &mut [u8], layout: &Layout, change: Change) {
    update(frame, layout.l3 + 10, |sum| change.apply(sum));
}

fn update_transport(frame: &mut [u8], layout: &Layout, offload: &Offload, change: Change, addresses: bool) {
    let offset = match layout.proto {
        _ if layout.l4 == 0 => return,
        TCP => 16,
        UDP => 6,
        ICMPV4 if addresses => return,
        ICMPV4 | ICMPV6 => 2,
        _ => return,
    };
    let at = layout.l4 + offset;
    if offload.needs_csum && usize::from(offload.csum_start) == layout.l4 {
        if addresses {
            update(frame, at, |sum| change.apply_partial(sum));
        }
    } else if layout.proto == UDP {
        update(frame, at, |sum| if sum == 0 { 0 } else { nonzero(change.apply(sum)) });
    } else {
        update(frame, at, |sum| change.apply(sum));
    }
}

/// A UDP checksum of zero means that there is none (RFC 768).
fn nonzero(sum: u16) -> u16 {
    if sum == 0 { 0xffff } else { sum }
}

fn update(frame: &mut [u8], at: usize, new: impl FnOnce(u16) -> u16) {
    if let Some(slot) = frame.get_mut(at..at + 2) {
        let sum = new(u16::from_be_bytes([slot[0], slot[1]]));
        slot.copy_from_slice(&sum.to_be_bytes());
    }
}
