//! The outer IP packet of a received frame: checked, and where its parts are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tulle_wire::vnet::Offload;
use tulle_wire::{Layers, checksum, ipv4, ipv6};

use crate::DropReason;

/// The outer network header of a frame for this tunnel endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outer {
    v4: bool,
    /// As numbers, which move without a stop through memory; an `IpAddr` is made where it is wanted.
    source: u128,
    destination: u128,
    pub(crate) tos: u8,
    pub(crate) ttl: u8,
    /// Where the transport header begins and the packet ends, from the first byte of the frame.
    pub(crate) transport: usize,
    pub(crate) end: usize,
}

impl Outer {
    /// Checks the outer IP header of an Ethernet frame, and its protocol. Always inlined: its answer
    /// would else go through memory twice, for a third of the time that a frame takes here.
    #[inline(always)]
    pub(crate) fn parse(frame: &[u8], protocol: u8) -> Result<Self, DropReason> {
        let layers = Layers::parse(frame).ok_or(DropReason::OuterMalformed)?;
        // Such a header is as long as it has to be: the layers have been found behind it.
        let (header, v4) = (&frame[layers.network..layers.transport], layers.is_v4());
        if v4 { check_v4(header) } else { check_v6(&layers) }?;
        if layers.fragment {
            return Err(DropReason::OuterFragment);
        }
        if layers.protocol != protocol {
            return Err(DropReason::OuterForeign);
        }
        let (source, destination, ttl) =
            if v4 { v4_fields(header) } else { v6_fields(header) }.ok_or(DropReason::OuterMalformed)?;
        let (tos, transport, end) = (layers.tos, layers.transport, layers.end);
        Ok(Self { v4, source, destination, tos, ttl, transport, end })
    }

    /// Whether it is IPv4.
    #[inline]
    pub(crate) fn is_v4(&self) -> bool {
        self.v4
    }

    /// The far end.
    #[inline]
    pub(crate) fn source(&self) -> IpAddr {
        self.address(self.source)
    }

    /// This end.
    #[inline]
    pub(crate) fn destination(&self) -> IpAddr {
        self.address(self.destination)
    }

    #[inline]
    fn address(&self, number: u128) -> IpAddr {
        if self.v4 { Ipv4Addr::from(number as u32).into() } else { Ipv6Addr::from(number).into() }
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
        // Zeros above an IPv4 address add nothing to the sum.
        checksum::pseudo_v6(self.source.into(), self.destination.into(), protocol, len)
    }
}

#[inline]
fn check_v4(header: &[u8]) -> Result<(), DropReason> {
    if checksum::sum(header) == 0xffff { Ok(()) } else { Err(DropReason::OuterChecksum) }
}

/// No tunnel endpoint sends extension headers: a packet that has them is not looked at any further.
#[inline]
fn check_v6(layers: &Layers) -> Result<(), DropReason> {
    let plain = layers.transport == layers.network + ipv6::HEADER_LEN;
    if plain || layers.fragment { Ok(()) } else { Err(DropReason::OuterExtension) }
}

/// Source, destination and time to live.
#[inline]
fn v4_fields(header: &[u8]) -> Option<(u128, u128, u8)> {
    let header: &[u8; ipv4::HEADER_LEN] = header.first_chunk()?;
    let address =
        |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    Some((address(12).into(), address(16).into(), header[ipv4::TTL_AT]))
}

/// Source, destination and hop limit.
#[inline]
fn v6_fields(header: &[u8]) -> Option<(u128, u128, u8)> {
    let (start, rest) = header.split_first_chunk::<8>()?;
    let (source, rest) = rest.split_first_chunk()?;
    let destination = rest.first_chunk()?;
    Some((u128::from_be_bytes(*source), u128::from_be_bytes(*destination), start[ipv6::HOP_LIMIT_AT]))
}
