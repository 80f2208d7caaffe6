//! Which headers the packet has.

use super::{Observer, Walk};
use tulle_flow::{Field, Prerequisite};

pub(super) const IPV4: u128 = 0x0800;
const ARP: u128 = 0x0806;
const RARP: u128 = 0x8035;
pub(super) const IPV6: u128 = 0x86dd;
pub(super) const MPLS_UNICAST: u128 = 0x8847;
pub(super) const MPLS_MULTICAST: u128 = 0x8848;
pub(super) const PBB: u128 = 0x88e7;
/// The bit of `vlan_tci` that says that there is a tag.
pub(super) const VLAN_PRESENT: u128 = 0x1000;

impl<O: Observer> Walk<'_, '_, O> {
    /// True where the packet has the headers; notes the bits that this depends on.
    pub(super) fn has(&mut self, prerequisite: Prerequisite) -> bool {
        use Prerequisite as P;
        match prerequisite {
            P::None => true,
            P::Ipv4 => self.is(Field::EthType, &[IPV4]),
            P::Ipv6 => self.is(Field::EthType, &[IPV6]),
            P::Ip => self.is(Field::EthType, &[IPV4, IPV6]),
            P::Arp => self.is(Field::EthType, &[ARP, RARP]),
            P::Vlan => self.is_tagged(),
            P::Mpls => self.is(Field::EthType, &[MPLS_UNICAST, MPLS_MULTICAST]),
            P::Pbb => self.is(Field::EthType, &[PBB]),
            P::CtIp => self.has(P::Ip),
            P::CtIpv4 => self.has(P::Ipv4),
            P::CtIpv6 => self.has(P::Ipv6),
            P::CtTp => self.has(P::Ip) && self.is(Field::CtProto, &[1, 6, 17, 58, 132]),
            P::Sctp => self.has(P::Ip) && self.is(Field::IpProto, &[132]),
            P::Tcp => self.has(P::Ip) && self.is(Field::IpProto, &[6]),
            P::Udp => self.has(P::Ip) && self.is(Field::IpProto, &[17]),
            P::Icmpv4 => self.has(P::Ipv4) && self.is(Field::IpProto, &[1]),
            P::Icmpv6 => self.has(P::Ipv6) && self.is(Field::IpProto, &[58]),
            P::Nd => self.has(P::Icmpv6) && self.is(Field::Icmpv6Type, &[135, 136]),
            P::NdSolicitation => self.has(P::Icmpv6) && self.is(Field::Icmpv6Type, &[135]),
            P::NdAdvertisement => self.has(P::Icmpv6) && self.is(Field::Icmpv6Type, &[136]),
        }
    }

    /// True where there is a VLAN tag.
    pub(super) fn is_tagged(&mut self) -> bool {
        self.look_at_field(Field::VlanTci, VLAN_PRESENT);
        self.key.field(Field::VlanTci) & VLAN_PRESENT != 0
    }

    pub(super) fn is(&mut self, field: Field, values: &[u128]) -> bool {
        self.look_at_field(field, u128::MAX);
        values.contains(&self.key.field(field))
    }
}
