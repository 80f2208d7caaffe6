//! Between the bytes of the virtio-net header that the kernel reads and writes, and [`Offload`].

use tulle_wire::vnet::{self, Offload, VNET_HDR_LEN};

/// `None` for kinds of super-frame that [`Offload`] has no words for.
pub(crate) fn parse(header: &[u8; VNET_HDR_LEN]) -> Option<Offload> {
    vnet::parse(header).ok()
}

pub(crate) fn emit(offload: &Offload) -> [u8; VNET_HDR_LEN] {
    let mut header = [0; VNET_HDR_LEN];
    vnet::emit(offload, &mut header);
    header
}

/// Moves the offsets by the length of what was put in front of the headers.
pub(crate) fn shift(offload: &mut Offload, length: u16) {
    if offload.needs_csum {
        offload.csum_start = offload.csum_start.saturating_add(length);
    }
    if offload.hdr_len != 0 {
        offload.hdr_len = offload.hdr_len.saturating_add(length);
    }
}
