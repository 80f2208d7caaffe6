//! The information elements of records, each with its number, its length and where its value comes from.
//!
//! Templates and records are written from the same lists, so they cannot disagree.

use super::record::{Flow, Key, Network};
use crate::datagram::Datagram;
use crate::headers::{Address, Transport};
use crate::moment::Clock;

/// The length of an element that says its own (RFC 7011 section 7).
const VARIABLE: u16 = 65_535;
/// Whose numbers Open vSwitch's elements about tunnels are: VMware's.
const VMWARE: u32 = 6876;

/// All that a record is made from.
pub(super) struct Told<'a> {
    pub key: &'a Key,
    pub flow: &'a Flow,
    pub end_reason: u8,
    pub clock: &'a Clock,
    pub virtual_observer: &'a [u8],
}

/// An information element.
pub(super) struct Element {
    id: u16,
    length: u16,
    enterprise: Option<u32>,
    pub write: fn(&Told<'_>, &mut Datagram),
}

const fn iana(id: u16, length: u16, write: fn(&Told<'_>, &mut Datagram)) -> Element {
    Element { id, length, enterprise: None, write }
}

const fn vmware(id: u16, length: u16, write: fn(&Told<'_>, &mut Datagram)) -> Element {
    Element { id, length, enterprise: Some(VMWARE), write }
}

impl Element {
    /// Writes its field specifier (RFC 7011 section 3.2).
    pub fn specify(&self, out: &mut Datagram) {
        const IS_ENTERPRISE: u16 = 1 << 15;
        let Some(enterprise) = self.enterprise else {
            out.u16(self.id);
            return out.u16(self.length);
        };
        out.u16(self.id | IS_ENTERPRISE);
        out.u16(self.length);
        out.u32(enterprise);
    }

    #[cfg(test)]
    pub fn fixed_len(&self) -> Option<usize> {
        (self.length != VARIABLE).then_some(usize::from(self.length))
    }
}

pub(super) static COMMON: &[Element] = &[
    iana(138, 4, |told, out| out.u32(told.key.point)), // observationPointId
    iana(61, 1, |told, out| out.u8(told.key.direction as u8)), // flowDirection
    iana(10, 4, |told, out| out.u32(told.key.in_ifindex)), // ingressInterface
    iana(14, 4, |told, out| out.u32(told.key.out_ifindex)), // egressInterface
    iana(56, 6, |told, out| out.put(&told.key.mac_src)), // sourceMacAddress
    iana(80, 6, |told, out| out.put(&told.key.mac_dst)), // destinationMacAddress
    iana(256, 2, |told, out| out.u16(told.key.ethertype)), // ethernetType
    iana(240, 1, |told, out| out.u8(told.key.ethernet_len)), // ethernetHeaderLength
];

pub(super) static VLAN: &[Element] = &[
    iana(58, 2, |told, out| out.u16(vlan(told) & 0xfff)), // vlanId
    iana(243, 2, |told, out| out.u16(vlan(told) & 0xfff)), // dot1qVlanId
    iana(244, 1, |told, out| out.u8((vlan(told) >> 13) as u8)), // dot1qPriority
];

pub(super) static IP: &[Element] = &[
    iana(60, 1, |told, out| out.u8(if told.key.has_ipv4() { 4 } else { 6 })), // ipVersion
    iana(192, 1, |told, out| out.u8(network(told, |ip| ip.ttl))),             // ipTTL
    iana(4, 1, |told, out| out.u8(network(told, |ip| ip.protocol))),          // protocolIdentifier
    iana(195, 1, |told, out| out.u8(network(told, |ip| ip.tos) >> 2)),        // ipDiffServCodePoint
    iana(196, 1, |told, out| out.u8(network(told, |ip| ip.tos) >> 5)),        // ipPrecedence
    iana(5, 1, |told, out| out.u8(network(told, |ip| ip.tos))),               // ipClassOfService
];

pub(super) static IPV4: &[Element] = &[
    iana(8, 4, |told, out| address(told, |ip| ip.src, 4, out)), // sourceIPv4Address
    iana(12, 4, |told, out| address(told, |ip| ip.dst, 4, out)), // destinationIPv4Address
];

pub(super) static IPV6: &[Element] = &[
    iana(27, 16, |told, out| address(told, |ip| ip.src, 16, out)), // sourceIPv6Address
    iana(28, 16, |told, out| address(told, |ip| ip.dst, 16, out)), // destinationIPv6Address
    iana(31, 4, |told, out| out.u32(told.key.network.map_or(0, |ip| ip.flow_label))), // flowLabelIPv6
];

pub(super) static PORTS: &[Element] = &[
    iana(7, 2, |told, out| out.u16(ports(told).0)), // sourceTransportPort
    iana(11, 2, |told, out| out.u16(ports(told).1)), // destinationTransportPort
    iana(6, 2, |told, out| out.u16(u16::from(told.flow.tcp_flags))), // tcpControlBits
];

pub(super) static ICMPV4: &[Element] = &[
    iana(176, 1, |told, out| out.u8(icmp(told).0)), // icmpTypeIPv4
    iana(177, 1, |told, out| out.u8(icmp(told).1)), // icmpCodeIPv4
];

pub(super) static ICMPV6: &[Element] = &[
    iana(178, 1, |told, out| out.u8(icmp(told).0)), // icmpTypeIPv6
    iana(179, 1, |told, out| out.u8(icmp(told).1)), // icmpCodeIPv6
];

pub(super) static TUNNEL: &[Element] = &[
    vmware(891, 1, |told, out| out.u8(told.key.tunnel.map_or(0, |tunnel| tunnel.kind))), // tunnelType
    vmware(892, VARIABLE, tunnel_key),                                                   // tunnelKey
    vmware(893, 4, |told, out| out.u32(told.key.tunnel.map_or(0, |tunnel| tunnel.src.to_bits()))), // source
    vmware(894, 4, |told, out| out.u32(told.key.tunnel.map_or(0, |tunnel| tunnel.dst.to_bits()))), // destination
    vmware(895, 1, |told, out| out.u8(told.key.tunnel.map_or(0, |tunnel| tunnel.protocol))), // tunnelProtocolIdentifier
    vmware(896, 2, |_, out| out.u16(0)), // tunnelSourceTransportPort: differs from packet to packet
    vmware(897, 2, |told, out| out.u16(told.key.tunnel.map_or(0, |tunnel| tunnel.port))), // destination port
];

pub(super) static VIRTUAL_OBSERVER: &[Element] = &[vmware(898, VARIABLE, |told, out| {
    out.u8(told.virtual_observer.len() as u8);
    out.put(told.virtual_observer);
})];

pub(super) static COUNTS: &[Element] = &[
    iana(152, 8, |told, out| out.u64(told.clock.unix_ms(told.flow.first_ns))), // flowStartMilliseconds
    iana(153, 8, |told, out| out.u64(told.clock.unix_ms(told.flow.last_ns))),  // flowEndMilliseconds
    iana(2, 8, |told, out| out.u64(told.flow.packets)),                        // packetDeltaCount
    iana(352, 8, |told, out| out.u64(told.flow.frame_octets)),                 // layer2OctetDeltaCount
    iana(136, 1, |told, out| out.u8(told.end_reason)),                         // flowEndReason
];

pub(super) static IP_COUNTS: &[Element] = &[
    iana(1, 8, |told, out| out.u64(told.flow.octets)), // octetDeltaCount
    iana(198, 8, |told, out| out.u64(told.flow.octets_squared)), // octetDeltaSumOfSquares
    iana(25, 8, |told, out| out.u64(told.flow.shortest)), // minimumIpTotalLength
    iana(26, 8, |told, out| out.u64(told.flow.longest)), // maximumIpTotalLength
];

fn vlan(told: &Told<'_>) -> u16 {
    told.key.vlan.unwrap_or_default()
}

fn network(told: &Told<'_>, value: impl Fn(Network) -> u8) -> u8 {
    told.key.network.map_or(0, value)
}

fn address(told: &Told<'_>, which: impl Fn(Network) -> Address, length: usize, out: &mut Datagram) {
    match told.key.network.map(which) {
        Some(Address::V4(bytes)) if length == bytes.len() => out.put(&bytes),
        Some(Address::V6(bytes)) if length == bytes.len() => out.put(&bytes),
        _ => out.zeros(length),
    }
}

fn ports(told: &Told<'_>) -> (u16, u16) {
    if let Transport::Ports(src, dst) = told.key.transport { (src, dst) } else { (0, 0) }
}

fn icmp(told: &Told<'_>) -> (u8, u8) {
    if let Transport::Icmp(kind, code) = told.key.transport { (kind, code) } else { (0, 0) }
}

/// As long as the encapsulation's own: 64 bits of STT, 24 of the others.
fn tunnel_key(told: &Told<'_>, out: &mut Datagram) {
    const STT: u8 = 4;
    let (kind, id) = told.key.tunnel.map_or((0, 0), |tunnel| (tunnel.kind, tunnel.id));
    let bytes = id.to_be_bytes();
    let key = if kind == STT { &bytes[..] } else { &bytes[5..] };
    out.u8(key.len() as u8);
    out.put(key);
}
