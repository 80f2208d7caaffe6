//! TCP segments without data, as both ends send them.

use std::net::Ipv4Addr;

use tulle_wire::{WireError, checksum, ethernet, ipv4, tcp};

use tcp::flag::{ACK, FIN, SYN};

pub(crate) const FRAME_LEN: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN + tcp::HEADER_LEN;
const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 255, 0, 1), 80);
const FIRST_PORT: u64 = 1024;
const PORTS: u64 = 60_000;
/// The first of the addresses that connections come from.
const FIRST_ADDRESS: u32 = 0x0a01_0000;
const IPPROTO_TCP: u8 = 6;

/// One segment.  `connection` stands for the client's address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub connection: u64,
    pub from_client: bool,
    pub flags: u8,
    pub sequence: u32,
    pub acknowledgment: u32,
}

impl Segment {
    /// What opens a connection.
    pub(crate) fn first(connection: u64) -> Self {
        let sequence = (connection as u32).wrapping_mul(0x9e37_79b1);
        Self { connection, from_client: true, flags: SYN, sequence, acknowledgment: 0 }
    }

    /// What the other end says next; each SYN and FIN counts as one byte.
    pub(crate) fn answer(&self, flags: u8) -> Self {
        let chosen = if self.flags & ACK == 0 { !self.sequence } else { self.acknowledgment };
        Self {
            connection: self.connection,
            from_client: !self.from_client,
            flags,
            sequence: chosen,
            acknowledgment: self.sequence.wrapping_add(1),
        }
    }

    /// What the server says to a segment of a client, if anything.  It remembers nothing.
    pub(crate) fn server_reply(&self) -> Option<Self> {
        match self.flags & (SYN | FIN) {
            SYN => Some(self.answer(SYN | ACK)),
            FIN => Some(self.answer(FIN | ACK)),
            _ => None,
        }
    }

    pub(crate) fn emit(&self, frame: &mut [u8; FRAME_LEN]) -> Result<(), WireError> {
        let client = (
            Ipv4Addr::from_bits(FIRST_ADDRESS + (self.connection / PORTS) as u32),
            (FIRST_PORT + self.connection % PORTS) as u16,
        );
        let (macs, source, target) = if self.from_client {
            ((CLIENT_MAC, SERVER_MAC), client, SERVER)
        } else {
            ((SERVER_MAC, CLIENT_MAC), SERVER, client)
        };
        let ether_type = ethernet::ether_type::IPV4;
        ethernet::Repr { source: macs.0, destination: macs.1, vlan: None, ether_type }.emit(frame)?;
        let network = ipv4::Repr {
            source: source.0,
            destination: target.0,
            protocol: IPPROTO_TCP,
            payload_len: tcp::HEADER_LEN,
            ttl: 64,
            tos: 0,
            id: 0,
            dont_fragment: true,
        };
        network.emit(&mut frame[ethernet::HEADER_LEN..])?;
        let transport = tcp::Repr {
            source_port: source.1,
            destination_port: target.1,
            sequence: self.sequence,
            acknowledgment: self.acknowledgment,
            flags: self.flags,
            window: 0xffff,
            payload_len: 0,
        };
        let pseudo = checksum::pseudo_v4(source.0, target.0, IPPROTO_TCP, tcp::HEADER_LEN);
        transport.emit(&mut frame[ethernet::HEADER_LEN + ipv4::HEADER_LEN..], pseudo)
    }

    /// Reads a frame; `None` if it is none of ours.
    pub(crate) fn parse(frame: &[u8]) -> Option<Self> {
        let network = ipv4::Packet::new_checked(frame.get(ethernet::HEADER_LEN..)?).ok()?;
        let transport = tcp::Packet::new_checked(network.payload()).ok()?;
        let from_client = (network.destination(), transport.destination_port()) == SERVER;
        let (address, port) = if from_client {
            (network.source(), transport.source_port())
        } else {
            (network.destination(), transport.destination_port())
        };
        let address = address.to_bits().checked_sub(FIRST_ADDRESS)?;
        Some(Self {
            connection: u64::from(address) * PORTS + u64::from(port).checked_sub(FIRST_PORT)?,
            from_client,
            flags: transport.flags(),
            sequence: transport.sequence(),
            acknowledgment: transport.acknowledgment(),
        })
    }
}
