//! A match: a key and the mask of the bits that must agree.

use crate::field::{Field, Prerequisite};
use crate::key::{KEY_WORDS, Key};
use crate::option::OptionLengths;

/// Which packets a flow applies to.  Invariant: the key has no bit outside the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Match {
    key: Key,
    mask: Key,
    lengths: OptionLengths,
}

const IPV4: u128 = 0x0800;
const ARP: u128 = 0x0806;
const IPV6: u128 = 0x86dd;
const MPLS_UNICAST: u128 = 0x8847;
const MPLS_MULTICAST: u128 = 0x8848;
const PBB: u128 = 0x88e7;
/// The bit of `vlan_tci` that says that there is a tag.
const VLAN_PRESENT: u128 = 0x1000;

impl Default for Match {
    fn default() -> Self {
        Self::ANY
    }
}

impl Match {
    /// Matches every packet.
    pub const ANY: Match = Match { key: Key::ZERO, mask: Key::ZERO, lengths: OptionLengths::NONE };

    /// Requires a packet to agree with `key` in the bits of `mask`.
    pub fn new(key: &Key, mask: &Key) -> Match {
        Match::with_lengths(key, mask, OptionLengths::NONE)
    }

    pub(crate) fn with_lengths(key: &Key, mask: &Key, lengths: OptionLengths) -> Match {
        Match { key: key.masked(mask), mask: *mask, lengths }
    }

    pub(crate) fn lengths(&self) -> &OptionLengths {
        &self.lengths
    }

    /// The bits that must agree, already masked.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The mask.
    pub fn mask(&self) -> &Key {
        &self.mask
    }

    /// Requires `value` in the bits of `mask`.
    pub fn require(&mut self, field: Field, value: u128, mask: u128) {
        let mask = mask & field.ones();
        self.mask.set(field, mask);
        self.key.set(field, value & mask);
    }

    /// True where a packet's key fits.
    #[inline]
    pub fn covers(&self, packet: &Key) -> bool {
        packet.matches(&self.key, &self.mask)
    }

    /// True where every packet of `other` also fits this match (OpenFlow's non-strict selection).
    pub fn contains(&self, other: &Match) -> bool {
        let narrower = (0..KEY_WORDS).all(|i| self.mask.words[i] & !other.mask.words[i] == 0);
        narrower && other.key.matches(&self.key, &self.mask)
    }

    /// The exact value of a field, or nothing where the match leaves some of its bits open.
    pub fn exact(&self, field: Field) -> Option<u128> {
        (self.mask.field(field) == field.ones()).then(|| self.key.field(field))
    }

    /// True where the match itself guarantees the prerequisite (OpenFlow 1.3.5 section 7.2.3.6).
    pub fn guarantees(&self, prerequisite: Prerequisite) -> bool {
        let ethertype = self.exact(Field::EthType);
        let ip = matches!(ethertype, Some(IPV4 | IPV6));
        let proto = self.exact(Field::IpProto);
        let icmpv6 = ethertype == Some(IPV6) && proto == Some(58);
        let icmpv6_type = self.exact(Field::Icmpv6Type);
        match prerequisite {
            Prerequisite::None => true,
            Prerequisite::Ipv4 => ethertype == Some(IPV4),
            Prerequisite::Ipv6 => ethertype == Some(IPV6),
            Prerequisite::Ip => ip,
            Prerequisite::Arp => ethertype == Some(ARP),
            Prerequisite::Tcp => ip && proto == Some(6),
            Prerequisite::Udp => ip && proto == Some(17),
            Prerequisite::Sctp => ip && proto == Some(132),
            Prerequisite::Vlan => {
                let (tci, mask) = (self.key.field(Field::VlanTci), self.mask.field(Field::VlanTci));
                tci & mask & VLAN_PRESENT != 0
            }
            Prerequisite::Mpls => matches!(ethertype, Some(MPLS_UNICAST | MPLS_MULTICAST)),
            Prerequisite::Pbb => ethertype == Some(PBB),
            Prerequisite::CtIp => ip,
            Prerequisite::CtIpv4 => ethertype == Some(IPV4),
            Prerequisite::CtIpv6 => ethertype == Some(IPV6),
            Prerequisite::CtTp => matches!(self.exact(Field::CtProto), Some(1 | 6 | 17 | 58 | 132)),
            Prerequisite::Icmpv4 => ethertype == Some(IPV4) && proto == Some(1),
            Prerequisite::Icmpv6 => icmpv6,
            Prerequisite::Nd => icmpv6 && matches!(icmpv6_type, Some(135 | 136)),
            Prerequisite::NdSolicitation => icmpv6 && icmpv6_type == Some(135),
            Prerequisite::NdAdvertisement => icmpv6 && icmpv6_type == Some(136),
        }
    }

    /// The fields that this match looks at, with value and mask, in canonical order; `tun_metadata` has
    /// [`options`](Self::options) of its own.
    pub fn fields(&self) -> impl Iterator<Item = (Field, u128, u128)> + '_ {
        Field::ALL.iter().copied().filter(|field| !field.is_hidden()).filter_map(|field| {
            let mask = self.mask.field(field);
            (mask != 0 && self.guarantees(field.prerequisite())).then(|| (field, self.key.field(field), mask))
        })
    }
}
