//! VLAN tags and MPLS labels: put on, taken off, TTLs copied between headers.
//!
//! What stands before the place moves towards the headroom; the payload stays where it is.

use super::{Change, update_ipv4};
use crate::extract::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Layout};
use tulle_wire::FrameBuf;
use tulle_wire::checksum::sum;
use tulle_wire::vnet::Offload;

/// The two addresses, before which nothing is ever put.
const ADDRESSES: usize = 12;
/// A tag, and a label stack entry.
const TAG: usize = 4;
/// Last entry of a label stack.
const BOTTOM: u8 = 1;

/// Puts a tag around the frame.  False where there is no room.
pub(crate) fn push_vlan(
    frame: &mut FrameBuf,
    layout: &mut Layout,
    offload: &mut Offload,
    tpid: u16,
    tci: u16,
) -> bool {
    let [a, b] = tpid.to_be_bytes();
    let [c, d] = tci.to_be_bytes();
    insert(frame, layout, offload, ADDRESSES, [a, b, c, d])
}

/// Takes the outermost tag off.
pub(crate) fn pop_vlan(frame: &mut FrameBuf, layout: &mut Layout, offload: &mut Offload) {
    if layout.payload >= ADDRESSES + 2 + TAG {
        remove(frame, layout, offload, ADDRESSES);
    }
}

/// Puts a label in front of what follows the tags.  False where there is no room.
pub(crate) fn push_mpls(
    frame: &mut FrameBuf,
    layout: &mut Layout,
    offload: &mut Offload,
    ethertype: u16,
    entry: u32,
) -> bool {
    let at = layout.payload;
    if !insert(frame, layout, offload, at, entry.to_be_bytes()) {
        return false;
    }
    layout.payload = at;
    layout.l3 = 0;
    set_ethertype(frame, layout, ethertype);
    true
}

/// Takes the outermost label off; what follows has this Ethernet type.
pub(crate) fn pop_mpls(frame: &mut FrameBuf, layout: &mut Layout, offload: &mut Offload, ethertype: u16) {
    let at = layout.payload;
    if frame.len() < at + TAG {
        return;
    }
    remove(frame, layout, offload, at);
    layout.payload = at;
    (layout.l3, layout.l4) = (0, 0);
    set_ethertype(frame, layout, ethertype);
}

/// Copies the TTL of the second outermost header to the outermost label (OpenFlow 1.3.5 section 5.12).
pub(crate) fn copy_ttl_out(frame: &mut FrameBuf, layout: &Layout) {
    let Some(inner) = second_ttl(frame.bytes(), layout) else { return };
    let ttl = match inner {
        Second::Label(at) | Second::Ipv4(at) | Second::Ipv6(at) => frame.bytes().get(at).copied(),
    };
    if let (Some(slot), Some(ttl)) = (frame.bytes_mut().get_mut(layout.payload + 3), ttl) {
        *slot = ttl;
    }
}

/// Copies the TTL of the outermost label to the second outermost header.
pub(crate) fn copy_ttl_in(frame: &mut FrameBuf, layout: &Layout) {
    let Some(inner) = second_ttl(frame.bytes(), layout) else { return };
    let Some(ttl) = frame.bytes().get(layout.payload + 3).copied() else { return };
    let (at, is_ipv4) = match inner {
        Second::Ipv4(at) => (at, true),
        Second::Label(at) | Second::Ipv6(at) => (at, false),
    };
    let Some(pair) = frame.bytes_mut().get_mut(at..at + 2) else { return };
    let old = sum(pair);
    pair[0] = ttl;
    let new = sum(pair);
    if is_ipv4 {
        let header = Layout { l3: at - 8, ..*layout };
        update_ipv4(frame.bytes_mut(), &header, Change { old, new });
    }
}

/// Where the TTL of what follows the outermost label lies.
enum Second {
    Label(usize),
    Ipv4(usize),
    Ipv6(usize),
}

/// Behind the last label nothing says what follows: the version does, as routers take it.
fn second_ttl(frame: &[u8], layout: &Layout) -> Option<Second> {
    let label = frame.get(layout.payload..layout.payload + TAG)?;
    let next = layout.payload + TAG;
    if label[2] & BOTTOM == 0 {
        return (frame.len() >= next + TAG).then_some(Second::Label(next + 3));
    }
    match frame.get(next)? >> 4 {
        4 if frame.len() >= next + 20 => Some(Second::Ipv4(next + 8)),
        6 if frame.len() >= next + 40 => Some(Second::Ipv6(next + 7)),
        _ => None,
    }
}

fn insert(
    frame: &mut FrameBuf,
    layout: &mut Layout,
    offload: &mut Offload,
    at: usize,
    bytes: [u8; TAG],
) -> bool {
    if frame.len() < at || frame.push_front(TAG).is_none() {
        return false;
    }
    let whole = frame.bytes_mut();
    whole.copy_within(TAG..TAG + at, 0);
    whole[at..at + TAG].copy_from_slice(&bytes);
    let moved = |place: usize| if place >= at && place > 0 { place + TAG } else { place };
    *layout = Layout {
        payload: moved(layout.payload),
        l3: moved(layout.l3),
        l4: moved(layout.l4),
        end: moved(layout.end),
        ..*layout
    };
    offload.csum_start = offload.csum_start.saturating_add(TAG as u16);
    offload.hdr_len = if offload.hdr_len == 0 { 0 } else { offload.hdr_len.saturating_add(TAG as u16) };
    true
}

fn remove(frame: &mut FrameBuf, layout: &mut Layout, offload: &mut Offload, at: usize) {
    if frame.len() < at + TAG {
        return;
    }
    frame.bytes_mut().copy_within(0..at, TAG);
    if frame.pull_front(TAG).is_none() {
        return;
    }
    let moved = |place: usize| if place >= at + TAG { place - TAG } else { place };
    *layout = Layout {
        payload: moved(layout.payload),
        l3: moved(layout.l3),
        l4: moved(layout.l4),
        end: moved(layout.end),
        ..*layout
    };
    offload.csum_start = offload.csum_start.saturating_sub(TAG as u16);
    offload.hdr_len = offload.hdr_len.saturating_sub(TAG as u16);
}

fn set_ethertype(frame: &mut FrameBuf, layout: &mut Layout, ethertype: u16) {
    layout.ethertype = ethertype;
    let at = layout.payload;
    if let Some(slot) = at.checked_sub(2).and_then(|at| frame.bytes_mut().get_mut(at..at + 2)) {
        slot.copy_from_slice(&ethertype.to_be_bytes());
    }
    debug_assert!(!matches!(ethertype, ETHERTYPE_IPV4 | ETHERTYPE_IPV6) || layout.l3 == 0);
}
