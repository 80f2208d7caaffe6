//! Into the tunnel: a UDP header in front of a frame and its header, or in front of a train of them.

use tulle_wire::checksum;
use tulle_wire::udp::HEADER_LEN;
use tulle_wire::vnet::{GsoKind, Offload};

use crate::Template;
use crate::send::Carrier;
use crate::template::source_port;

/// UDP_MAX_SEGMENTS of Linux before 6.10.
const MOST_DATAGRAMS: usize = 64;

/// The datagrams of one inner frame.
pub(crate) struct Datagrams<H> {
    /// The encapsulation's header.
    pub(crate) header: H,
    pub(crate) entropy: u32,
    /// Whether a device cuts trains.
    pub(crate) segmentation: bool,
}

impl<H: AsRef<[u8]>> Carrier for Datagrams<H> {
    const IS_UDP: bool = true;
    const TRANSPORT_LEN: usize = HEADER_LEN;

    #[inline]
    fn header(&self) -> &[u8] {
        self.header.as_ref()
    }

    fn most(&self) -> usize {
        if self.segmentation { MOST_DATAGRAMS } else { 1 }
    }

    fn may_go_uncut(&self, _: &Template) -> bool {
        true
    }

    /// A train has checksums whatever the tunnel says: the device that cuts it makes them.
    #[inline]
    fn finish(&self, template: &Template, _id: u32, packet: &mut [u8], size: usize) -> Offload {
        let len = packet.len() as u16;
        let undone = size != 0 || template.has_checksum();
        let sum = if undone { template.pseudo(len) } else { 0 };
        let Some(header) = packet.first_chunk_mut::<HEADER_LEN>() else { return Offload::default() };
        header[..2].copy_from_slice(&source_port(self.entropy).to_be_bytes());
        header[2..4].copy_from_slice(&template.options.dst_port.to_be_bytes());
        header[4..6].copy_from_slice(&len.to_be_bytes());
        header[6..8].copy_from_slice(&sum.to_be_bytes());
        if undone { undone_offload(template, size) } else { Offload::default() }
    }
}

fn undone_offload(template: &Template, size: usize) -> Offload {
    let udp_at = template.network_len();
    Offload {
        needs_csum: true,
        csum_start: udp_at as u16,
        csum_offset: checksum::UDP_CSUM_OFFSET,
        gso: if size == 0 { GsoKind::None } else { GsoKind::UdpL4 },
        gso_size: size as u16,
        hdr_len: (udp_at + HEADER_LEN) as u16,
        ..Offload::default()
    }
}
