//! Puts the VLAN tag that the kernel has taken out of a frame back to its place.
//!
//! The kernel strips the outermost tag on receive and hands it over as auxiliary data (packet(7)).

use tulle_wire::FrameBuf;
use tulle_wire::vnet::Offload;

const TAG_LEN: usize = 4;
const MACS_LEN: usize = 12;
/// The protocol of a tag whose protocol the kernel does not tell.
pub(super) const TPID_8021Q: u16 = 0x8100;

/// Tag protocol identifier and tag control information (IEEE 802.1Q).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VlanTag {
    pub(super) protocol: u16,
    pub(super) control: u16,
}

/// Inserts the tag behind the MAC addresses, in the headroom, and shifts the offload's offsets.
/// Frames too short to be Ethernet stay as they are.
pub(super) fn insert(tag: VlanTag, frame: &mut FrameBuf, offload: &mut Offload) {
    if frame.bytes().len() < MACS_LEN || frame.push_front(TAG_LEN).is_none() {
        return;
    }
    let bytes = frame.bytes_mut();
    bytes.copy_within(TAG_LEN..TAG_LEN + MACS_LEN, 0);
    bytes[MACS_LEN..MACS_LEN + 2].copy_from_slice(&tag.protocol.to_be_bytes());
    bytes[MACS_LEN + 2..MACS_LEN + 4].copy_from_slice(&tag.control.to_be_bytes());
    crate::header::shift(offload, TAG_LEN as u16);
}
