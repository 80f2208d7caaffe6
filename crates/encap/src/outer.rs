//! The outer IP packet of a received frame: checked, and where its parts are.

use std::net::IpAddr;

use tulle_wire::vnet::Offload;
use tulle_wire::{Layers, checksum, ipv4, ipv6};

use crate::DropReason;

/// The outer network header of a frame for this tunnel endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outer {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) tos: u8,
    pub(crate) ttl: u8,
    /// Where the transport header begins and the packet ends, from the first byte of the frame.
    pub(crate) transport: usize,
    pub(crate) end: usize,
}

impl Outer {
    /// Checks the outer IP header of an Ethernet frame, and its protocol.
    #[inline]
    pub(crate) fn parse(frame: &[u8], protocol: u8) -> Result<Self, DropReason> {
        let layers = Layers::parse(frame).ok_or(DropReason::OuterMalformed)?;
        let header = &frame[layers.network..];
        let outer = if layers.is_v4() { Self::of_v4(header, &layers) } else { Self::of_v6(header, &layers) }?;
        if layers.fragment {
            return Err(DropReason::OuterFragment);
        }
        if layers.protocol != protocol {
            return Err(DropReason::OuterForeign);
        }
        Ok(outer)
    }

    #[inline]
    fn of_v4(header: &[u8], layers: &Layers) -> Result<Self, DropReason> {
        let packet = ipv4::Packet::new_checked(header).map_err(|_| DropReason::OuterMalformed)?;
        if !packet.verify_checksum() {
            return Err(DropReason::OuterChecksum);
        }
        Ok(Self {
            source: packet.source().into(),
            destination: packet.destination().into(),
            tos: packet.tos(),
            ttl: packet.ttl(),
            transport: layers.transport,
            end: layers.end,
        })
    }

    /// No tunnel endpoint sends extension headers: one that has them is not looked at any further.
    #[inline]
    fn of_v6(header: &[u8], layers: &Layers) -> Result<Self, DropReason> {
        let packet = ipv6::Packet::new_checked(header).map_err(|_| DropReason::OuterMalformed)?;
        if !layers.fragment && layers.transport != layers.network + ipv6::HEADER_LEN {
            return Err(DropReason::OuterExtension);
        }
        Ok(Self {
            source: packet.source().into(),
            destination: packet.destination().into(),
            tos: packet.traffic_class(),
            ttl: packet.hop_limit(),
            transport: layers.transport,
            end: layers.end,
        })
    }

    /// Whether it is IPv4.
    #[inline]
    pub(crate) fn is_v4(&self) -> bool {
        self.source.is_ipv4()
    }

    /// Whether the destination port of TCP or UDP is `port`; the first bytes of both are the same.
    #[inline]
    pub(crate) fn check_port(&self, frame: &[u8], port: u16) -> Result<(), DropReason> {
        match frame.get(self.transport + 2..self.transport + 4) {
            Some(bytes) if self.transport + 4 <= self.end => {
                if bytes == port.to_be_bytes() {
                    Ok(())
                } else {
                    Err(DropReason::OuterForeign)
                }
            }
            _ => Err(DropReason::OuterMalformed),
        }
    }

    /// Verifies the transport checksum, unless the kernel says that it has, or that it is not filled in.
    #[inline]
    pub(crate) fn verify(&self, frame: &[u8], protocol: u8, offload: &Offload) -> Result<(), DropReason> {
        if offload.needs_csum || offload.data_valid {
            return Ok(());
        }
        let segment = &frame[self.transport..self.end];
        let pseudo = self.pseudo(protocol, segment.len());
        if checksum::verify(pseudo, segment) { Ok(()) } else { Err(DropReason::OuterChecksum) }
    }

    fn pseudo(&self, protocol: u8, len: usize) -> u16 {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                checksum::pseudo_v4(source, destination, protocol, len)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                checksum::pseudo_v6(source, destination, protocol, len)
            }
            // Both come out of one header.
            _ => 0,
        }
    }
}
