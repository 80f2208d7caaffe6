//! What names one direction of a connection: addresses, ports, protocol, zone.

use std::net::IpAddr;

use tulle_wire::protocol;

/// The version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Which way a packet of a connection travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// As the packet that opened the connection.
    Original,
    /// The opposite way.
    Reply,
}

impl Direction {
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Original => Self::Reply,
            Self::Reply => Self::Original,
        }
    }
}

/// An address of either family; IPv4 in the first four bytes.
pub(crate) type Address = [u8; 16];

/// What a packet asks or answers, if it is an ICMP query; odd asks, the next even one answers.
pub(crate) type Query = u8;
pub(crate) const NO_QUERY: Query = 0;
pub(crate) const ECHO: Query = 1;
pub(crate) const TIMESTAMP: Query = 3;
pub(crate) const INFORMATION: Query = 5;

const V6_BIT: u8 = 0x10;
const QUERY_MASK: u8 = 0x0f;

/// The header fields that packets of one direction of a connection share, within a zone.
///
/// An ICMP query has its identifier as both ports, and its type in `kind`, so that a request in one
/// direction is never taken for a reply in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tuple {
    pub source: Address,
    pub destination: Address,
    pub source_port: u16,
    pub destination_port: u16,
    pub zone: u16,
    pub protocol: u8,
    /// Family and ICMP query.
    pub kind: u8,
}

impl Tuple {
    pub fn kind_of(family: Family, query: Query) -> u8 {
        query | if family == Family::V6 { V6_BIT } else { 0 }
    }

    #[inline]
    pub fn family(&self) -> Family {
        if self.kind & V6_BIT == 0 { Family::V4 } else { Family::V6 }
    }

    #[inline]
    pub fn query(&self) -> Query {
        self.kind & QUERY_MASK
    }

    /// Whether it is of ICMP queries.
    #[inline]
    pub fn is_query(&self) -> bool {
        self.query() != NO_QUERY
    }

    /// The tuple of packets that travel the opposite way.
    #[inline]
    pub fn reversed(&self) -> Self {
        let query = self.query();
        let answer = if query == NO_QUERY { query } else { ((query - 1) ^ 1) + 1 };
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            kind: self.kind & !QUERY_MASK | answer,
            ..*self
        }
    }

    /// Everything as words, to be hashed.
    #[inline]
    pub fn words(&self) -> [u64; 5] {
        let (source, destination) = (u128::from_ne_bytes(self.source), u128::from_ne_bytes(self.destination));
        let ports = u64::from(self.source_port) << 48 | u64::from(self.destination_port) << 32;
        let rest = u64::from(self.zone) << 16 | u64::from(self.protocol) << 8 | u64::from(self.kind);
        [source as u64, (source >> 64) as u64, destination as u64, (destination >> 64) as u64, ports | rest]
    }

    /// Whether ports (or an ICMP identifier) tell connections between the same hosts apart.
    pub fn has_ports(&self) -> bool {
        matches!(self.protocol, protocol::TCP | protocol::UDP | protocol::SCTP) || self.is_query()
    }

    /// The ICMP type of a query.
    pub fn icmp_type(&self) -> u8 {
        const V4: [u8; 7] = [0, 8, 0, 13, 14, 15, 16];
        const V6: [u8; 7] = [0, 128, 129, 0, 0, 0, 0];
        let types = if self.family() == Family::V4 { V4 } else { V6 };
        types.get(usize::from(self.query())).copied().unwrap_or(0)
    }

    /// The tuple of what others see. `None`: addresses of two families, or a type that is no query.
    pub fn of(zone: u16, endpoints: &Endpoints) -> Option<Self> {
        let family = family_of(endpoints.source);
        let is_icmp = match family {
            Family::V4 => endpoints.protocol == protocol::ICMP,
            Family::V6 => endpoints.protocol == protocol::ICMPV6,
        };
        let mut tuple = Self {
            source: address_of(endpoints.source),
            destination: address_of(endpoints.destination),
            source_port: endpoints.source_port,
            destination_port: endpoints.destination_port,
            zone,
            protocol: endpoints.protocol,
            kind: Self::kind_of(family, NO_QUERY),
        };
        if is_icmp {
            let queries = ECHO..=INFORMATION + 1;
            let kinds = queries.map(|query| Self { kind: Self::kind_of(family, query), ..tuple });
            tuple = kinds.into_iter().find(|it| u16::from(it.icmp_type()) == endpoints.source_port)?;
            (tuple.source_port, tuple.destination_port) = (endpoints.icmp_id, endpoints.icmp_id);
        }
        (family_of(endpoints.destination) == family).then_some(tuple)
    }

    /// The plain value that others see.
    pub fn endpoints(&self) -> Endpoints {
        let is_query = self.is_query();
        Endpoints {
            source: ip(&self.source, self.family()),
            destination: ip(&self.destination, self.family()),
            protocol: self.protocol,
            source_port: if is_query { u16::from(self.icmp_type()) } else { self.source_port },
            destination_port: if is_query { 0 } else { self.destination_port },
            icmp_id: if is_query { self.source_port } else { 0 },
        }
    }
}

pub(crate) fn ip(address: &Address, family: Family) -> IpAddr {
    match family {
        Family::V4 => {
            let [a, b, c, d, ..] = *address;
            [a, b, c, d].into()
        }
        Family::V6 => (*address).into(),
    }
}

pub(crate) fn address_of(ip: IpAddr) -> Address {
    let mut address = [0; 16];
    match ip {
        IpAddr::V4(ip) => address[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => address = ip.octets(),
    }
    address
}

pub(crate) fn family_of(ip: IpAddr) -> Family {
    if ip.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// One direction of a connection as a plain value: `ct_nw_src` and its kin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoints {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// Protocol of the transport header.
    pub protocol: u8,
    /// Source port; the type of an ICMP query.
    pub source_port: u16,
    /// Destination port; the code (0) of an ICMP query.
    pub destination_port: u16,
    /// The identifier of an ICMP query, 0 for others.
    pub icmp_id: u16,
}
