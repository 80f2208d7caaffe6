//! `ofp_match` of OpenFlow 1.0: a fixed structure with bits that say what is left open (section 5.2.3).

use tulle_flow::{Field, Match};

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::port_number::{emit_short_port, parse_short_port, to_short};

const IN_PORT: u32 = 1;
const VLAN: u32 = 1 << 1;
const ETH_SRC: u32 = 1 << 2;
const ETH_DST: u32 = 1 << 3;
const ETH_TYPE: u32 = 1 << 4;
const IP_PROTO: u32 = 1 << 5;
const TP_SRC: u32 = 1 << 6;
const TP_DST: u32 = 1 << 7;
const IP_SRC_SHIFT: u32 = 8;
const IP_DST_SHIFT: u32 = 14;
const VLAN_PCP: u32 = 1 << 20;
const IP_TOS: u32 = 1 << 21;

/// "No VLAN tag".
const NO_VLAN: u16 = 0xffff;
/// The bit that says that there is a tag.
const PRESENT: u128 = 0x1000;
const PCP_SHIFT: u32 = 13;

/// The structure.
#[derive(Clone, Copy, Default)]
struct Wire {
    wildcards: u32,
    in_port: u32,
    eth_src: u64,
    eth_dst: u64,
    vlan: u16,
    pcp: u8,
    eth_type: u16,
    tos: u8,
    proto: u8,
    ip_src: u32,
    ip_dst: u32,
    tp_src: u16,
    tp_dst: u16,
}

fn parse_mac(body: &mut Reader<'_>) -> Parsed<u64> {
    Ok(body.number(6)? as u64)
}

/// Parses the structure.  What cannot be (ports of a packet that is not IP) is passed over, as it is in other switches.
pub(crate) fn parse(body: &mut Reader<'_>) -> Parsed<Match> {
    let mut wire = Wire {
        wildcards: body.u32()?,
        in_port: parse_short_port(body)?,
        eth_src: parse_mac(body)?,
        eth_dst: parse_mac(body)?,
        vlan: body.u16()?,
        pcp: body.u8()?,
        ..Wire::default()
    };
    body.skip(1)?;
    (wire.eth_type, wire.tos, wire.proto) = (body.u16()?, body.u8()?, body.u8()?);
    body.skip(2)?;
    (wire.ip_src, wire.ip_dst) = (body.u32()?, body.u32()?);
    (wire.tp_src, wire.tp_dst) = (body.u16()?, body.u16()?);
    Ok(wire.to_match())
}

/// The mask for a number of open low bits; 32 and more leave all open.
fn ip_mask(open: u32) -> u128 {
    if open >= 32 { 0 } else { u128::from(u32::MAX << open) }
}

impl Wire {
    fn looks_at(&self, bit: u32) -> bool {
        self.wildcards & bit == 0
    }

    fn to_match(self) -> Match {
        let mut matching = Match::ANY;
        let exact = [
            (IN_PORT, Field::InPort, u128::from(self.in_port)),
            (ETH_SRC, Field::EthSrc, u128::from(self.eth_src)),
            (ETH_DST, Field::EthDst, u128::from(self.eth_dst)),
            (ETH_TYPE, Field::EthType, u128::from(self.eth_type)),
        ];
        for (_, field, value) in exact.into_iter().filter(|(bit, ..)| self.looks_at(*bit)) {
            matching.require(field, value, u128::MAX);
        }
        self.vlan_to(&mut matching);
        if self.looks_at(ETH_TYPE) {
            match self.eth_type {
                0x0800 => self.ip_to(&mut matching),
                0x0806 => self.arp_to(&mut matching),
                // IPv6 has no addresses here, but a protocol and a type of service.
                0x86dd => self.network_to(&mut matching, false),
                _ => {}
            }
        }
        matching
    }

    fn vlan_to(&self, matching: &mut Match) {
        let (vid, pcp) = (self.looks_at(VLAN), self.looks_at(VLAN_PCP));
        if vid && self.vlan == NO_VLAN {
            return matching.require(Field::VlanTci, 0, u128::MAX);
        }
        let mut value = if vid || pcp { PRESENT } else { 0 };
        let mut mask = value;
        if vid {
            value |= u128::from(self.vlan & 0x0fff);
            mask |= 0x0fff;
        }
        if pcp {
            value |= u128::from(self.pcp & 7) << PCP_SHIFT;
            mask |= 7 << PCP_SHIFT;
        }
        matching.require(Field::VlanTci, value, mask);
    }

    fn addresses(&self) -> [(u128, u128); 2] {
        let mask = |shift: u32| ip_mask((self.wildcards >> shift) & 0x3f);
        [(self.ip_src.into(), mask(IP_SRC_SHIFT)), (self.ip_dst.into(), mask(IP_DST_SHIFT))]
    }

    fn arp_to(&self, matching: &mut Match) {
        let [(source, source_mask), (target, target_mask)] = self.addresses();
        matching.require(Field::ArpSpa, source, source_mask);
        matching.require(Field::ArpTpa, target, target_mask);
        if self.looks_at(IP_PROTO) {
            matching.require(Field::ArpOp, self.proto.into(), u128::MAX);
        }
    }

    fn ip_to(&self, matching: &mut Match) {
        let [(source, source_mask), (target, target_mask)] = self.addresses();
        matching.require(Field::IpSrc, source, source_mask);
        matching.require(Field::IpDst, target, target_mask);
        self.network_to(matching, true);
    }

    fn network_to(&self, matching: &mut Match, is_v4: bool) {
        if self.looks_at(IP_TOS) {
            matching.require(Field::IpTos, (self.tos & 0xfc).into(), 0xfc);
        }
        if !self.looks_at(IP_PROTO) {
            return;
        }
        matching.require(Field::IpProto, self.proto.into(), u128::MAX);
        let (source, target) = match (self.proto, is_v4) {
            (1, true) => (Field::IcmpType, Field::IcmpCode),
            (58, false) => (Field::Icmpv6Type, Field::Icmpv6Code),
            (6, _) => (Field::TcpSrc, Field::TcpDst),
            (17, _) => (Field::UdpSrc, Field::UdpDst),
            (132, _) => (Field::SctpSrc, Field::SctpDst),
            _ => return,
        };
        for (bit, field, value) in [(TP_SRC, source, self.tp_src), (TP_DST, target, self.tp_dst)] {
            if self.looks_at(bit) {
                matching.require(field, value.into(), u128::MAX);
            }
        }
    }
}

/// How many low bits an IPv4 mask leaves open; none where it is no prefix.
fn open_bits(mask: u128) -> Option<u32> {
    let mask = mask as u32;
    let open = mask.trailing_zeros();
    (mask == 0 || mask == u32::MAX << open).then_some(open)
}

/// The structure for a match; none where it cannot hold it.
fn wire_of(matching: &Match) -> Option<Wire> {
    let all = IN_PORT | VLAN | ETH_SRC | ETH_DST | ETH_TYPE | IP_PROTO | TP_SRC | TP_DST | VLAN_PCP | IP_TOS;
    let mut wire = Wire { wildcards: all | 32 << IP_SRC_SHIFT | 32 << IP_DST_SHIFT, ..Wire::default() };
    if matching.mask().field(Field::TunPresent) != 0 {
        return None;
    }
    for (field, value, mask) in matching.fields() {
        wire.put(field, value, mask)?;
    }
    Some(wire)
}

impl Wire {
    /// Adds a field, where there is room for it.
    fn put(&mut self, field: Field, value: u128, mask: u128) -> Option<()> {
        match field {
            Field::VlanTci => return self.put_vlan(value as u16, mask as u16),
            Field::IpSrc | Field::ArpSpa => {
                self.ip_src = value as u32;
                return self.put_open(IP_SRC_SHIFT, mask);
            }
            Field::IpDst | Field::ArpTpa => {
                self.ip_dst = value as u32;
                return self.put_open(IP_DST_SHIFT, mask);
            }
            Field::IpTos if mask == 0xfc => {
                self.tos = value as u8;
                self.wildcards &= !IP_TOS;
                return Some(());
            }
            _ => {}
        }
        if mask != field.ones() {
            return None;
        }
        let bit = self.put_exact(field, value)?;
        self.wildcards &= !bit;
        Some(())
    }

    fn put_open(&mut self, shift: u32, mask: u128) -> Option<()> {
        self.wildcards = (self.wildcards & !(0x3f << shift)) | open_bits(mask)? << shift;
        Some(())
    }

    fn put_vlan(&mut self, value: u16, mask: u16) -> Option<()> {
        if (value, mask) == (0, 0xffff) {
            self.vlan = NO_VLAN;
            self.wildcards &= !VLAN;
            return Some(());
        }
        let (vid, pcp) = (mask & 0x0fff, mask >> 13);
        if value & 0x1000 == 0 || !matches!(vid, 0 | 0x0fff) || !matches!(pcp, 0 | 7) || (vid, pcp) == (0, 0)
        {
            return None;
        }
        self.vlan = value & vid;
        self.pcp = (value >> 13) as u8;
        self.wildcards &= !(if vid != 0 { VLAN } else { 0 } | if pcp != 0 { VLAN_PCP } else { 0 });
        Some(())
    }

    /// The bit that stands for the field.
    fn put_exact(&mut self, field: Field, value: u128) -> Option<u32> {
        Some(match field {
            Field::InPort => {
                self.in_port = value as u32;
                to_short(self.in_port)?;
                IN_PORT
            }
            Field::EthSrc => put(&mut self.eth_src, value as u64, ETH_SRC),
            Field::EthDst => put(&mut self.eth_dst, value as u64, ETH_DST),
            Field::EthType => put(&mut self.eth_type, value as u16, ETH_TYPE),
            Field::IpProto => put(&mut self.proto, value as u8, IP_PROTO),
            Field::ArpOp if value <= 0xff => put(&mut self.proto, value as u8, IP_PROTO),
            Field::TcpSrc | Field::UdpSrc | Field::SctpSrc | Field::IcmpType | Field::Icmpv6Type => {
                put(&mut self.tp_src, value as u16, TP_SRC)
            }
            Field::TcpDst | Field::UdpDst | Field::SctpDst | Field::IcmpCode | Field::Icmpv6Code => {
                put(&mut self.tp_dst, value as u16, TP_DST)
            }
            _ => return None,
        })
    }

    fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        out.u32(self.wildcards);
        emit_short_port(self.in_port, out)?;
        out.number(self.eth_src.into(), 6);
        out.number(self.eth_dst.into(), 6);
        out.u16(self.vlan);
        out.u8(self.pcp);
        out.u8(0);
        out.u16(self.eth_type);
        out.u8(self.tos);
        out.u8(self.proto);
        out.zeros(2);
        out.u32(self.ip_src);
        out.u32(self.ip_dst);
        out.u16(self.tp_src);
        out.u16(self.tp_dst);
        Ok(())
    }
}

fn put<T>(slot: &mut T, value: T, bit: u32) -> u32 {
    *slot = value;
    bit
}

/// True where the structure can hold the match.
pub(crate) fn holds(matching: &Match) -> bool {
    wire_of(matching).is_some()
}

/// True where the match leaves nothing open that the structure has: such flows come first.
pub(crate) fn is_exact(matching: &Match) -> bool {
    wire_of(matching).is_some_and(|wire| wire.wildcards == 0)
}

/// Emits the structure.
pub(crate) fn emit(matching: &Match, out: &mut Writer<'_>) -> Emitted {
    match wire_of(matching) {
        Some(wire) => wire.emit(out),
        None => out.lacks("this match in its plain form"),
    }
}
