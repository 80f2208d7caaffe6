//! Provider backbone headers (IEEE 802.1ah): put in front of a frame, and taken off again.
//!
//! What was the frame stays whole behind the backbone's addresses and the service tag.

use crate::extract::{CUSTOMER_TYPE, ETHERTYPE_PBB, Layout, relayout};
use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

/// The two addresses.
const ADDRESSES: usize = 12;
/// An Ethernet header and a service tag.
const HEADER: usize = 18;

/// Puts a header in front of the frame, with the frame's own addresses.  False where there is no room.
pub(crate) fn push_pbb(frame: &mut FrameBuf, layout: &mut Layout, offload: &mut Offload, tag: u32) -> bool {
    if frame.len() < ADDRESSES || frame.push_front(HEADER).is_none() {
        return false;
    }
    let whole = frame.bytes_mut();
    whole.copy_within(HEADER..HEADER + ADDRESSES, 0);
    whole[ADDRESSES..ADDRESSES + 2].copy_from_slice(&ETHERTYPE_PBB.to_be_bytes());
    whole[ADDRESSES + 2..HEADER].copy_from_slice(&tag.to_be_bytes());
    offload.csum_start = offload.csum_start.saturating_add(HEADER as u16);
    offload.hdr_len = if offload.hdr_len == 0 { 0 } else { offload.hdr_len.saturating_add(HEADER as u16) };
    relayout(frame.bytes(), layout);
    true
}

/// Takes the header off.  The backbone's VLAN tags stay, in front of the customer's (OpenFlow 1.3.5 section 5.12).
pub(crate) fn pop_pbb(frame: &mut FrameBuf, layout: &mut Layout, offload: &mut Offload) {
    let inner = layout.payload + CUSTOMER_TYPE;
    let Some(tags) = layout.payload.checked_sub(ADDRESSES + 2).filter(|_| frame.len() >= inner) else {
        return;
    };
    let bytes = frame.bytes_mut();
    let mut customer = [0; ADDRESSES];
    customer.copy_from_slice(&bytes[inner - ADDRESSES..inner]);
    bytes.copy_within(ADDRESSES..ADDRESSES + tags, inner - tags);
    bytes[HEADER..HEADER + ADDRESSES].copy_from_slice(&customer);
    if frame.pull_front(HEADER).is_none() {
        return;
    }
    offload.csum_start = offload.csum_start.saturating_sub(HEADER as u16);
    offload.hdr_len = offload.hdr_len.saturating_sub(HEADER as u16);
    relayout(frame.bytes(), layout);
}
