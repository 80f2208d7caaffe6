//! Shapes of records: which elements they have, and the templates for them.

use super::element::{self, Element};
use super::record::Key;
use crate::headers::Transport;

/// Template numbers begin here (RFC 7011 section 3.4.1).
const FIRST_TEMPLATE: u16 = 256;
/// How many shapes there are.
pub(super) const SHAPES: usize = 36;

/// What kinds of elements a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    has_vlan: bool,
    has_tunnel: bool,
    network: Network,
    transport: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    None,
    V4,
    V6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    None,
    Ports,
    Icmp,
}

impl Shape {
    pub fn of(key: &Key) -> Shape {
        Shape {
            has_vlan: key.vlan.is_some(),
            has_tunnel: key.tunnel.is_some(),
            network: match key.network {
                None => Network::None,
                Some(_) if key.has_ipv4() => Network::V4,
                Some(_) => Network::V6,
            },
            transport: match key.transport {
                Transport::None => Kind::None,
                Transport::Ports(..) => Kind::Ports,
                Transport::Icmp(..) => Kind::Icmp,
            },
        }
    }

    /// Its place among all shapes.
    pub fn index(self) -> usize {
        let kinds = self.network as usize * 3 + self.transport as usize;
        kinds * 4 + usize::from(self.has_tunnel) * 2 + usize::from(self.has_vlan)
    }

    /// The number of its template.
    pub fn template(self) -> u16 {
        FIRST_TEMPLATE + self.index() as u16
    }

    /// Its elements, in order.
    pub fn elements(self, has_virtual_observer: bool) -> impl Iterator<Item = &'static Element> + Clone {
        let none: &[Element] = &[];
        let when = |condition: bool, elements: &'static [Element]| if condition { elements } else { none };
        let is_ip = self.network != Network::None;
        let addresses = match self.network {
            Network::None => none,
            Network::V4 => element::IPV4,
            Network::V6 => element::IPV6,
        };
        let transport = match (self.transport, self.network) {
            (Kind::None, _) => none,
            (Kind::Ports, _) => element::PORTS,
            (Kind::Icmp, Network::V6) => element::ICMPV6,
            (Kind::Icmp, _) => element::ICMPV4,
        };
        let parts = [
            element::COMMON,
            when(self.has_vlan, element::VLAN),
            when(is_ip, element::IP),
            addresses,
            transport,
            when(self.has_tunnel, element::TUNNEL),
            when(has_virtual_observer, element::VIRTUAL_OBSERVER),
            element::COUNTS,
            when(is_ip, element::IP_COUNTS),
        ];
        parts.into_iter().flatten()
    }
}
