//! Whole frames: those that a match describes, and ICMP errors.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tulle_flow::{Field, Key, Match};
use tulle_wire::{
    IcmpErrorKind, Mac, arp, checksum, ethernet, icmpv4, icmpv6, ipv4, ipv6, protocol, tcp, udp,
};

use crate::error::refused;
use crate::values::parse_mac;

const DEFAULT_TTL: u8 = 64;

#[pyfunction]
#[pyo3(signature = (text, payload = None))]
pub(crate) fn emit_frame<'py>(
    py: Python<'py>,
    text: &str,
    payload: Option<&[u8]>,
) -> PyResult<Bound<'py, PyBytes>> {
    let matching: Match = text.parse().map_err(refused)?;
    let frame =
        Draft { key: *matching.key(), payload: payload.unwrap_or_default() }.emit().map_err(refused)?;
    Ok(PyBytes::new(py, &frame))
}

#[pyfunction]
#[pyo3(signature = (frame, kind, mac, address, mtu = 0))]
pub(crate) fn icmp_error<'py>(
    py: Python<'py>,
    frame: &[u8],
    kind: &str,
    mac: &str,
    address: &str,
    mtu: u32,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let kind = match kind {
        "ttl-exceeded" => IcmpErrorKind::TimeExceeded,
        "net-unreachable" => IcmpErrorKind::NetUnreachable,
        "host-unreachable" => IcmpErrorKind::HostUnreachable,
        "too-big" => IcmpErrorKind::TooBig { mtu },
        _ => return Err(refused(format!("unknown kind of ICMP error {kind:?}"))),
    };
    let address: IpAddr =
        address.parse().map_err(|_| refused(format!("expected an IP address, got {address:?}")))?;
    let answer = tulle_wire::icmp_error(frame, kind, parse_mac(mac)?, address);
    Ok(answer.map(|bytes| PyBytes::new(py, &bytes)))
}

/// A frame to be made from the fields of a key; what the key leaves open is zero.
struct Draft<'a> {
    key: Key,
    payload: &'a [u8],
}

impl Draft<'_> {
    fn emit(&self) -> Result<Vec<u8>, tulle_wire::WireError> {
        let body = match self.number(Field::EthType) as u16 {
            0x0800 => self.ipv4()?,
            0x86dd => self.ipv6()?,
            0x0806 => self.arp()?,
            _ => self.payload.to_vec(),
        };
        let header = ethernet::Repr {
            source: self.mac(Field::EthSrc),
            destination: self.mac(Field::EthDst),
            vlan: Some(self.number(Field::VlanTci) as u16).filter(|tci| *tci != 0).map(|tci| tci & !0x1000),
            ether_type: self.number(Field::EthType) as u16,
        };
        let mut frame = vec![0; header.buffer_len()];
        header.emit(&mut frame)?;
        frame.extend(body);
        Ok(frame)
    }

    fn number(&self, field: Field) -> u128 {
        self.key.field(field)
    }

    fn mac(&self, field: Field) -> Mac {
        let [_, _, mac @ ..] = (self.number(field) as u64).to_be_bytes();
        mac
    }

    fn v4(&self, field: Field) -> Ipv4Addr {
        Ipv4Addr::from(self.number(field) as u32)
    }

    fn ttl(&self) -> u8 {
        match self.number(Field::IpTtl) as u8 {
            0 => DEFAULT_TTL,
            ttl => ttl,
        }
    }

    fn arp(&self) -> Result<Vec<u8>, tulle_wire::WireError> {
        let repr = arp::Repr {
            operation: arp::Operation::from(self.number(Field::ArpOp) as u16),
            sender_mac: self.mac(Field::ArpSha),
            sender_ip: self.v4(Field::ArpSpa),
            target_mac: self.mac(Field::ArpTha),
            target_ip: self.v4(Field::ArpTpa),
        };
        let mut bytes = vec![0; repr.buffer_len()];
        repr.emit(&mut bytes)?;
        Ok(bytes)
    }

    fn ipv4(&self) -> Result<Vec<u8>, tulle_wire::WireError> {
        let (source, destination) = (self.v4(Field::IpSrc), self.v4(Field::IpDst));
        let protocol = self.number(Field::IpProto) as u8;
        let body = self.transport(|len| checksum::pseudo_v4(source, destination, protocol, len))?;
        let header = ipv4::Repr {
            source,
            destination,
            protocol,
            payload_len: body.len(),
            ttl: self.ttl(),
            tos: self.number(Field::IpTos) as u8,
            id: 0,
            dont_fragment: true,
        };
        let mut bytes = vec![0; header.buffer_len()];
        header.emit(&mut bytes)?;
        bytes.extend(body);
        Ok(bytes)
    }

    fn ipv6(&self) -> Result<Vec<u8>, tulle_wire::WireError> {
        let source = Ipv6Addr::from(self.number(Field::Ipv6Src));
        let destination = Ipv6Addr::from(self.number(Field::Ipv6Dst));
        let next_header = self.number(Field::IpProto) as u8;
        let body = self.transport(|len| checksum::pseudo_v6(source, destination, next_header, len))?;
        let header = ipv6::Repr {
            source,
            destination,
            next_header,
            payload_len: body.len(),
            hop_limit: self.ttl(),
            traffic_class: self.number(Field::IpTos) as u8,
            flow_label: self.number(Field::Ipv6Label) as u32,
        };
        let mut bytes = vec![0; header.buffer_len()];
        header.emit(&mut bytes)?;
        bytes.extend(body);
        Ok(bytes)
    }

    /// Transport header and payload; `pseudo` gives the pseudo-header sum for a length.
    fn transport(&self, pseudo: impl Fn(usize) -> u16) -> Result<Vec<u8>, tulle_wire::WireError> {
        let payload_len = self.payload.len();
        let mut bytes = vec![0; self.transport_header_len()];
        bytes.extend_from_slice(self.payload);
        let sum = pseudo(bytes.len());
        match self.number(Field::IpProto) as u8 {
            protocol::TCP => tcp::Repr {
                source_port: self.number(Field::TcpSrc) as u16,
                destination_port: self.number(Field::TcpDst) as u16,
                sequence: 0,
                acknowledgment: 0,
                flags: self.tcp_flags(),
                window: 0xffff,
                payload_len,
            }
            .emit(&mut bytes, sum)?,
            protocol::UDP => udp::Repr {
                source_port: self.number(Field::UdpSrc) as u16,
                destination_port: self.number(Field::UdpDst) as u16,
                payload_len,
            }
            .emit(&mut bytes, sum)?,
            protocol::ICMP => icmpv4::Repr {
                kind: self.number(Field::IcmpType) as u8,
                code: self.number(Field::IcmpCode) as u8,
                rest: [0; 4],
                payload_len,
            }
            .emit(&mut bytes)?,
            protocol::ICMPV6 => icmpv6::Repr {
                kind: self.number(Field::Icmpv6Type) as u8,
                code: self.number(Field::Icmpv6Code) as u8,
                rest: [0; 4],
                payload_len,
            }
            .emit(&mut bytes, sum)?,
            _ => {}
        }
        Ok(bytes)
    }

    fn transport_header_len(&self) -> usize {
        match self.number(Field::IpProto) as u8 {
            protocol::TCP => 20,
            protocol::UDP | protocol::ICMP | protocol::ICMPV6 => 8,
            _ => 0,
        }
    }

    /// A SYN, unless the match asks for other flags.
    fn tcp_flags(&self) -> u8 {
        match self.number(Field::TcpFlags) as u8 {
            0 => 0x02,
            flags => flags,
        }
    }
}
