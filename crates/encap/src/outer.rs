//! The outer IPv4 packet of a received frame: checked, and where its parts are.

use std::net::Ipv4Addr;

use tulle_wire::vnet::Offload;
use tulle_wire::{Layers, checksum, ipv4};

use crate::DropReason;

/// The outer network header of a frame for this tunnel endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outer {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) tos: u8,
    pub(crate) ttl: u8,
    /// Where the transport header begins and the packet ends, from the first byte of the frame.
    pub(crate) transport: usize,
    pub(crate) end: usize,
}

impl Outer {
    /// Checks the outer IPv4 header of an Ethernet frame, and protocol and destination port.
    #[inline]
    pub(crate) fn parse(frame: &[u8], protocol: u8, port: u16) -> Result<Self, DropReason> {
        let layers = Layers::parse(frame).ok_or(DropReason::OuterMalformed)?;
        if !layers.is_v4() || layers.protocol != protocol {
            return Err(DropReason::OuterForeign);
        }
        let packet =
            ipv4::Packet::new_checked(&frame[layers.network..]).map_err(|_| DropReason::OuterMalformed)?;
        if !packet.verify_checksum() {
            return Err(DropReason::OuterChecksum);
        }
        if layers.fragment {
            return Err(DropReason::OuterFragment);
        }
        match layers.ports(frame) {
            None => return Err(DropReason::OuterMalformed),
            Some((_, destination)) if destination != port => return Err(DropReason::OuterForeign),
            Some(_) => {}
        }
        Ok(Self {
            source: packet.source(),
            destination: packet.destination(),
            tos: packet.tos(),
            ttl: packet.ttl(),
            transport: layers.transport,
            end: layers.end,
        })
    }

    /// Verifies the transport checksum, unless the kernel says that it has, or that it is not filled in.
    #[inline]
    pub(crate) fn verify(&self, frame: &[u8], protocol: u8, offload: &Offload) -> Result<(), DropReason> {
        if offload.needs_csum || offload.data_valid {
            return Ok(());
        }
        let segment = &frame[self.transport..self.end];
        let pseudo = checksum::pseudo_v4(self.source, self.destination, protocol, segment.len());
        if checksum::verify(pseudo, segment) { Ok(()) } else { Err(DropReason::OuterChecksum) }
    }
}
