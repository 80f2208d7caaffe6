//! Hashes over a packet's headers, by which one of several ways is chosen.  What is hashed decides, so it is looked at.

use super::{Observer, Walk};
use tulle_flow::{Field, HashFields, Prerequisite};

const FACTOR: u64 = 0xa076_1d64_78bd_642f;

/// Folds the 128-bit product: every input bit reaches every output bit.
pub(super) fn mix(hash: u64, value: u64) -> u64 {
    let product = u128::from(hash ^ value) * u128::from(FACTOR);
    (product as u64) ^ ((product >> 64) as u64) ^ hash.rotate_left(23)
}

pub(super) fn mix_wide(hash: u64, value: u128) -> u64 {
    mix(mix(hash, value as u64), (value >> 64) as u64)
}

/// A number as if drawn at random, from a hash and a number (the finalizer of MurmurHash3).
pub(super) fn draw(hash: u64, number: u64) -> u64 {
    let mut value = hash ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value = (value ^ value >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    value = (value ^ value >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ value >> 33
}

/// Which transport ports are hashed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transports {
    None,
    TcpSctp,
    All,
}

impl<O: Observer> Walk<'_, '_, O> {
    /// A hash of some headers; the same for both directions where the fields say so.
    pub(super) fn hash(&mut self, fields: HashFields, basis: u64) -> u64 {
        let start = mix(FACTOR.rotate_left(7), basis);
        match fields {
            HashFields::EthSrc => mix_wide(start, self.constant(Field::EthSrc)),
            HashFields::SymmetricL4 => {
                let hash = self.hash_layer_2(start);
                let hash = self.hash_addresses(hash);
                self.hash_ports(hash, Transports::TcpSctp)
            }
            HashFields::SymmetricL3L4 => {
                let hash = self.hash_addresses(start);
                self.hash_ports(hash, Transports::TcpSctp)
            }
            HashFields::SymmetricL3L4Udp => {
                let hash = self.hash_addresses(start);
                self.hash_ports(hash, Transports::All)
            }
            HashFields::SymmetricL3 => {
                let hash = self.hash_addresses(start);
                self.hash_ports(hash, Transports::None)
            }
            HashFields::IpSrc => self.hash_either(start, Field::IpSrc, Field::Ipv6Src),
            HashFields::IpDst => self.hash_either(start, Field::IpDst, Field::Ipv6Dst),
        }
    }

    /// All that tells connections apart, alike in both directions.
    pub(super) fn hash_connection(&mut self, basis: u64) -> u64 {
        let hash = self.hash_layer_2(mix(FACTOR.rotate_left(7), basis));
        let hash = self.hash_arp(hash);
        let hash = self.hash_addresses(hash);
        self.hash_ports(hash, Transports::All)
    }

    /// The two who speak in ARP: a question and its answer go the same way, different pairs different ways.
    fn hash_arp(&mut self, hash: u64) -> u64 {
        if !self.has(Prerequisite::Arp) {
            return hash;
        }
        mix_wide(hash, self.constant(Field::ArpSpa) ^ self.constant(Field::ArpTpa))
    }

    /// Some bits of some fields, as far as the packet has them.
    pub(super) fn hash_bits(&mut self, fields: &[(Field, u128)], basis: u64) -> u64 {
        let mut hash = mix(FACTOR.rotate_left(7), basis);
        for (field, mask) in fields {
            if self.has(field.prerequisite()) {
                self.look_at_field(*field, *mask);
                hash = mix_wide(hash, self.key.field(*field) & mask);
            }
        }
        hash
    }

    fn hash_layer_2(&mut self, hash: u64) -> u64 {
        let macs = self.constant(Field::EthSrc) ^ self.constant(Field::EthDst);
        self.look_at_field(Field::VlanTci, 0xfff);
        let vlan = self.key.field(Field::VlanTci) & 0xfff;
        let ethertype = self.constant(Field::EthType);
        mix_wide(mix_wide(hash, macs), ethertype << 16 | vlan)
    }

    fn hash_addresses(&mut self, hash: u64) -> u64 {
        if self.has(Prerequisite::Ipv4) {
            let addresses = self.constant(Field::IpSrc) ^ self.constant(Field::IpDst);
            return mix_wide(hash, addresses);
        }
        if self.has(Prerequisite::Ipv6) {
            let addresses = self.constant(Field::Ipv6Src) ^ self.constant(Field::Ipv6Dst);
            return mix_wide(hash, addresses);
        }
        hash
    }

    fn hash_ports(&mut self, hash: u64, transports: Transports) -> u64 {
        if transports == Transports::None || !self.has(Prerequisite::Ip) {
            return hash;
        }
        let proto = self.constant(Field::IpProto);
        let is_hashed = match transports {
            Transports::All => matches!(proto, 6 | 17 | 132),
            _ => matches!(proto, 6 | 132),
        };
        // TCP, UDP and SCTP ports lie in one place of the key.
        let ports = if is_hashed { self.constant(Field::TcpSrc) ^ self.constant(Field::TcpDst) } else { 0 };
        mix_wide(hash, proto << 16 | ports)
    }

    fn hash_either(&mut self, hash: u64, ipv4: Field, ipv6: Field) -> u64 {
        if self.has(Prerequisite::Ipv4) {
            return mix_wide(hash, self.constant(ipv4));
        }
        if self.has(Prerequisite::Ipv6) {
            return mix_wide(hash, self.constant(ipv6));
        }
        hash
    }
}

/// Which of several, each of which has a share: the highest random weight wins, so that one that comes or goes
/// moves only what it gets or had.  Shares are exact: -ln(u)/w is smallest with probability w / sum of all w.
pub(super) fn choose_weighted(hash: u64, shares: impl Iterator<Item = (u32, u16)>) -> Option<u32> {
    let mut best: Option<(f64, u32)> = None;
    for (id, weight) in shares {
        if weight == 0 {
            continue;
        }
        let random = draw(hash, u64::from(id)) >> 11;
        let uniform = (random as f64 + 1.0) / (1_u64 << 53) as f64;
        let score = -uniform.ln() / f64::from(weight);
        if best.is_none_or(|(least, _)| score < least) {
            best = Some((score, id));
        }
    }
    best.map(|(_, id)| id)
}
