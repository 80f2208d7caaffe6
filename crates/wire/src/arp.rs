//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;

use crate::bytes::{array_at, set_u16, u16_at};
use crate::{Mac, WireError};

/// Length of a packet.
pub const PACKET_LEN: usize = 28;
/// Hardware Ethernet, protocol IPv4, address lengths 6 and 4.
const KIND: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// What a packet asks or tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
    /// Any other operation.
    Other(u16),
}

impl From<u16> for Operation {
    fn from(number: u16) -> Self {
        match number {
            1 => Self::Request,
            2 => Self::Reply,
            other => Self::Other(other),
        }
    }
}

impl From<Operation> for u16 {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Request => 1,
            Operation::Reply => 2,
            Operation::Other(other) => other,
        }
    }
}

/// A view of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Checks length and kind of addresses.
    pub fn new_checked(buffer: T) -> Result<Self, WireError> {
        let bytes = buffer.as_ref().get(..PACKET_LEN).ok_or(WireError::Truncated)?;
        if bytes[..6] != KIND {
            return Err(WireError::BadVersion);
        }
        Ok(Self { buffer })
    }

    /// What it asks or tells.
    pub fn operation(&self) -> Operation {
        u16_at(self.buffer.as_ref(), 6).into()
    }

    /// Ethernet address of the sender.
    pub fn sender_mac(&self) -> Mac {
        array_at(self.buffer.as_ref(), 8)
    }

    /// IPv4 address of the sender.
    pub fn sender_ip(&self) -> Ipv4Addr {
        array_at(self.buffer.as_ref(), 14).into()
    }

    /// Ethernet address of the target; unknown in a request.
    pub fn target_mac(&self) -> Mac {
        array_at(self.buffer.as_ref(), 18)
    }

    /// IPv4 address of the target.
    pub fn target_ip(&self) -> Ipv4Addr {
        array_at(self.buffer.as_ref(), 24).into()
    }
}

/// The packet as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// What it asks or tells.
    pub operation: Operation,
    /// Ethernet address of the sender.
    pub sender_mac: Mac,
    /// IPv4 address of the sender.
    pub sender_ip: Ipv4Addr,
    /// Ethernet address of the target; zero in a request.
    pub target_mac: Mac,
    /// IPv4 address of the target.
    pub target_ip: Ipv4Addr,
}

impl Repr {
    /// Reads a packet.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Result<Self, WireError> {
        Ok(Self {
            operation: packet.operation(),
            sender_mac: packet.sender_mac(),
            sender_ip: packet.sender_ip(),
            target_mac: packet.target_mac(),
            target_ip: packet.target_ip(),
        })
    }

    /// Length of what [`emit`](Self::emit) writes.
    #[must_use]
    pub fn buffer_len(&self) -> usize {
        PACKET_LEN
    }

    /// Writes the packet. Errors: `bytes` is too short.
    pub fn emit(&self, bytes: &mut [u8]) -> Result<(), WireError> {
        let bytes = bytes.get_mut(..PACKET_LEN).ok_or(WireError::Truncated)?;
        bytes[..6].copy_from_slice(&KIND);
        set_u16(bytes, 6, self.operation.into());
        bytes[8..14].copy_from_slice(&self.sender_mac);
        bytes[14..18].copy_from_slice(&self.sender_ip.octets());
        bytes[18..24].copy_from_slice(&self.target_mac);
        bytes[24..28].copy_from_slice(&self.target_ip.octets());
        Ok(())
    }
}
