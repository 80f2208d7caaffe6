//! Fields on the wire: which class and number names which bits of which field.
//!
//! Sources: OpenFlow 1.3.5 section 7.2.3.7 (class 0x8000) and `ovs-fields(7)` (Nicira's classes 0x0000 and 0x0001,
//! Ericsson's class 0x1000).  A field may have several names; the first of a field's whole is the one emitted.

use tulle_flow::{Field, SubField};

use crate::bytes::{Parsed, Put, Reader};
use crate::error::{EmitError, ErrorCode};

const BASIC: u16 = 0x8000;
const NXM_0: u16 = 0x0000;
const NXM_1: u16 = 0x0001;
const ERICSSON: u16 = 0x1000;
const EXPERIMENTER: u16 = 0xffff;
const ONF: u32 = 0x4f4e_4600;

/// A name of some bits of a field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Oxm {
    class: u16,
    number: u8,
    pub field: Field,
    /// Bytes of a value, without mask and experimenter.
    bytes: u8,
    /// The significant bits of a value.
    pub wire: u128,
    /// Where a value's bit 0 lies in the field.
    pub offset: u32,
}

const fn oxm(class: u16, number: u8, field: Field, bytes: u8, bits: u32) -> Oxm {
    part(class, number, field, bytes, bits, 0)
}

const fn part(class: u16, number: u8, field: Field, bytes: u8, bits: u32, offset: u32) -> Oxm {
    let wire = if bits == 128 { u128::MAX } else { (1 << bits) - 1 };
    Oxm { class, number, field, bytes, wire, offset }
}

pub(crate) static VLAN_VID: Oxm = part(BASIC, 6, Field::VlanTci, 2, 13, 0);
pub(crate) static VLAN_PCP: Oxm = part(BASIC, 7, Field::VlanTci, 1, 3, 13);
pub(crate) static VLAN_TCI: Oxm = oxm(NXM_0, 4, Field::VlanTci, 2, 16);
pub(crate) static IP_DSCP: Oxm = part(BASIC, 8, Field::IpTos, 1, 6, 2);
pub(crate) static IP_ECN: Oxm = part(BASIC, 9, Field::IpTos, 1, 2, 0);

/// Names of parts of a field, and the name of Nicira's that keeps DSCP in place.
static PARTS: [&Oxm; 6] = [
    &VLAN_VID,
    &VLAN_PCP,
    &IP_DSCP,
    &IP_ECN,
    &part(NXM_1, 28, Field::IpTos, 1, 2, 0),
    &Oxm { class: NXM_0, number: 5, field: Field::IpTos, bytes: 1, wire: 0xfc, offset: 0 },
];

/// Names of whole fields.
static WHOLES: &[Oxm] = &[
    oxm(BASIC, 0, Field::InPort, 4, 32),
    oxm(BASIC, 2, Field::Metadata, 8, 64),
    oxm(BASIC, 3, Field::EthDst, 6, 48),
    oxm(BASIC, 4, Field::EthSrc, 6, 48),
    oxm(BASIC, 5, Field::EthType, 2, 16),
    oxm(BASIC, 10, Field::IpProto, 1, 8),
    oxm(BASIC, 11, Field::IpSrc, 4, 32),
    oxm(BASIC, 12, Field::IpDst, 4, 32),
    oxm(BASIC, 13, Field::TcpSrc, 2, 16),
    oxm(BASIC, 14, Field::TcpDst, 2, 16),
    oxm(BASIC, 15, Field::UdpSrc, 2, 16),
    oxm(BASIC, 16, Field::UdpDst, 2, 16),
    oxm(BASIC, 19, Field::IcmpType, 1, 8),
    oxm(BASIC, 20, Field::IcmpCode, 1, 8),
    oxm(BASIC, 21, Field::ArpOp, 2, 16),
    oxm(BASIC, 22, Field::ArpSpa, 4, 32),
    oxm(BASIC, 23, Field::ArpTpa, 4, 32),
    oxm(BASIC, 24, Field::ArpSha, 6, 48),
    oxm(BASIC, 25, Field::ArpTha, 6, 48),
    oxm(BASIC, 26, Field::Ipv6Src, 16, 128),
    oxm(BASIC, 27, Field::Ipv6Dst, 16, 128),
    oxm(BASIC, 28, Field::Ipv6Label, 4, 20),
    oxm(BASIC, 29, Field::Icmpv6Type, 1, 8),
    oxm(BASIC, 30, Field::Icmpv6Code, 1, 8),
    oxm(BASIC, 31, Field::NdTarget, 16, 128),
    oxm(BASIC, 32, Field::NdSll, 6, 48),
    oxm(BASIC, 33, Field::NdTll, 6, 48),
    oxm(BASIC, 38, Field::TunId, 8, 64),
    oxm(EXPERIMENTER, 42, Field::TcpFlags, 2, 12),
    oxm(ERICSSON, 1, Field::NdReserved, 4, 32),
    oxm(ERICSSON, 2, Field::NdOptionsType, 1, 8),
    oxm(NXM_0, 4, Field::VlanTci, 2, 16),
    oxm(NXM_1, 0, Field::Reg0, 4, 32),
    oxm(NXM_1, 1, Field::Reg1, 4, 32),
    oxm(NXM_1, 2, Field::Reg2, 4, 32),
    oxm(NXM_1, 3, Field::Reg3, 4, 32),
    oxm(NXM_1, 4, Field::Reg4, 4, 32),
    oxm(NXM_1, 5, Field::Reg5, 4, 32),
    oxm(NXM_1, 6, Field::Reg6, 4, 32),
    oxm(NXM_1, 7, Field::Reg7, 4, 32),
    oxm(NXM_1, 8, Field::Reg8, 4, 32),
    oxm(NXM_1, 9, Field::Reg9, 4, 32),
    oxm(NXM_1, 10, Field::Reg10, 4, 32),
    oxm(NXM_1, 11, Field::Reg11, 4, 32),
    oxm(NXM_1, 12, Field::Reg12, 4, 32),
    oxm(NXM_1, 13, Field::Reg13, 4, 32),
    oxm(NXM_1, 14, Field::Reg14, 4, 32),
    oxm(NXM_1, 15, Field::Reg15, 4, 32),
    oxm(NXM_1, 26, Field::IpFrag, 1, 2),
    oxm(NXM_1, 29, Field::IpTtl, 1, 8),
    oxm(NXM_1, 31, Field::TunSrc, 4, 32),
    oxm(NXM_1, 32, Field::TunDst, 4, 32),
    oxm(NXM_1, 16, Field::TunId, 8, 64),
    oxm(NXM_1, 17, Field::ArpSha, 6, 48),
    oxm(NXM_1, 18, Field::ArpTha, 6, 48),
    oxm(NXM_1, 19, Field::Ipv6Src, 16, 128),
    oxm(NXM_1, 20, Field::Ipv6Dst, 16, 128),
    oxm(NXM_1, 21, Field::Icmpv6Type, 1, 8),
    oxm(NXM_1, 22, Field::Icmpv6Code, 1, 8),
    oxm(NXM_1, 23, Field::NdTarget, 16, 128),
    oxm(NXM_1, 24, Field::NdSll, 6, 48),
    oxm(NXM_1, 25, Field::NdTll, 6, 48),
    oxm(NXM_1, 27, Field::Ipv6Label, 4, 20),
    oxm(NXM_1, 34, Field::TcpFlags, 2, 12),
    oxm(NXM_0, 0, Field::InPort, 2, 16),
    oxm(NXM_0, 1, Field::EthDst, 6, 48),
    oxm(NXM_0, 2, Field::EthSrc, 6, 48),
    oxm(NXM_0, 3, Field::EthType, 2, 16),
    oxm(NXM_0, 6, Field::IpProto, 1, 8),
    oxm(NXM_0, 7, Field::IpSrc, 4, 32),
    oxm(NXM_0, 8, Field::IpDst, 4, 32),
    oxm(NXM_0, 9, Field::TcpSrc, 2, 16),
    oxm(NXM_0, 10, Field::TcpDst, 2, 16),
    oxm(NXM_0, 11, Field::UdpSrc, 2, 16),
    oxm(NXM_0, 12, Field::UdpDst, 2, 16),
    oxm(NXM_0, 13, Field::IcmpType, 1, 8),
    oxm(NXM_0, 14, Field::IcmpCode, 1, 8),
    oxm(NXM_0, 15, Field::ArpOp, 2, 16),
    oxm(NXM_0, 16, Field::ArpSpa, 4, 32),
    oxm(NXM_0, 17, Field::ArpTpa, 4, 32),
];

/// A header on the wire.
#[derive(Clone, Copy)]
pub(crate) struct OxmHeader {
    pub oxm: &'static Oxm,
    pub masked: bool,
    /// Bytes of value and mask that follow.
    payload: usize,
}

impl OxmHeader {
    /// Parses a header and the experimenter id that may follow; an unknown name is `BadField`.
    pub fn parse(reader: &mut Reader<'_>) -> Parsed<OxmHeader> {
        let (class, number, length) = (reader.u16()?, reader.u8()?, usize::from(reader.u8()?));
        let experimenter = class == EXPERIMENTER;
        if experimenter && reader.u32()? != ONF {
            return Err(ErrorCode::BadField);
        }
        let oxm = Oxm::named(class, number >> 1).ok_or(ErrorCode::BadField)?;
        let payload =
            length.checked_sub(if experimenter { 4 } else { 0 }).ok_or(ErrorCode::BadMatchLength)?;
        Ok(OxmHeader { oxm, masked: number & 1 == 1, payload })
    }

    /// Parses the value and mask that follow: `(value, mask)` in wire position.
    pub fn parse_value(&self, reader: &mut Reader<'_>) -> Parsed<(u128, u128)> {
        let size = usize::from(self.oxm.bytes);
        if self.payload != if self.masked { 2 * size } else { size } {
            return Err(ErrorCode::BadMatchLength);
        }
        let value = reader.number(size)?;
        let mask = if self.masked { reader.number(size)? } else { self.oxm.wire };
        if value & !mask != 0 && self.masked {
            return Err(ErrorCode::BadWildcards);
        }
        if value & !self.oxm.wire != 0 {
            return Err(ErrorCode::BadValue);
        }
        Ok((value, mask & self.oxm.wire))
    }
}

impl Oxm {
    fn named(class: u16, number: u8) -> Option<&'static Oxm> {
        let is = |oxm: &&'static Oxm| oxm.class == class && oxm.number == number;
        WHOLES.iter().find(is).or_else(|| PARTS.iter().copied().find(is))
    }

    /// The name of a whole field; the type of service has none.
    pub fn whole(field: Field) -> Option<&'static Oxm> {
        WHOLES.iter().find(|oxm| oxm.field == field)
    }

    /// All fields' names, each once, as a switch reports what it can match.
    pub fn reported() -> impl Iterator<Item = &'static Oxm> {
        let first = |(i, oxm): &(usize, &Oxm)| WHOLES[..*i].iter().all(|earlier| earlier.field != oxm.field);
        let wholes = WHOLES.iter().enumerate().filter(first).map(|(_, oxm)| oxm);
        wholes.filter(|oxm| oxm.field != Field::VlanTci).chain(PARTS[..4].iter().copied())
    }

    /// How many bits a value has.
    pub fn bits(&self) -> u32 {
        128 - self.wire.leading_zeros()
    }

    /// True where this names all of its field, whatever fewer bits the wire has for it.
    pub fn is_whole(&self) -> bool {
        !PARTS.contains(&self)
    }

    /// The mask in the field that a wire mask stands for.
    pub fn field_mask(&self, mask: u128) -> u128 {
        if self.is_whole() && mask == self.wire { self.field.ones() } else { mask << self.offset }
    }

    /// The bits of the field that a range of the wire value stands for.
    pub fn sub_field(&self, offset: u32, bits: u32) -> Option<SubField> {
        let fits = offset.checked_add(bits)? <= self.bits();
        if fits { SubField::new(self.field, self.offset + offset, bits) } else { None }
    }

    /// The field's value for a wire value; 16-bit reserved port numbers become those of 32 bits.
    pub fn field_value(&self, value: u128) -> u128 {
        let short_port = self.field == Field::InPort && self.bytes == 2 && value >= 0xff00;
        if short_port { value | 0xffff_0000 } else { value << self.offset }
    }

    /// True where the header takes four bytes, all that some actions have room for.
    pub fn has_short_header(&self) -> bool {
        self.class != EXPERIMENTER
    }

    fn experimenter_len(&self) -> usize {
        if self.class == EXPERIMENTER { 4 } else { 0 }
    }

    /// Emits the header, with the experimenter id where the class has one.
    pub fn emit_header(&self, masked: bool, out: &mut Vec<u8>) {
        let values = usize::from(self.bytes) * if masked { 2 } else { 1 };
        out.u16(self.class);
        out.u8((self.number << 1) | u8::from(masked));
        out.u8((values + self.experimenter_len()) as u8);
        if self.class == EXPERIMENTER {
            out.u32(ONF);
        }
    }

    /// Emits header, value and, where the mask is not full, mask; both in wire position.
    pub fn emit(&self, value: u128, mask: u128, out: &mut Vec<u8>) {
        let (value, mask) = (value & mask & self.wire, mask & self.wire);
        let masked = mask != self.wire;
        self.emit_header(masked, out);
        out.number(value, usize::from(self.bytes));
        if masked {
            out.number(mask, usize::from(self.bytes));
        }
    }
}

/// The name that covers some bits of a field, and the bits that the wire has, from which offset in its value.
pub(crate) fn covering(bits: SubField) -> Result<(&'static Oxm, u32, u32), EmitError> {
    let parts = [&IP_DSCP, &IP_ECN].into_iter().filter(|oxm| oxm.field == bits.field);
    for oxm in Oxm::whole(bits.field).into_iter().chain(parts) {
        let end = oxm.offset + oxm.bits();
        if bits.offset >= oxm.offset && bits.offset < end {
            let reaches = bits.offset + bits.bits;
            if reaches <= end || oxm.is_whole() {
                return Ok((oxm, bits.offset - oxm.offset, reaches.min(end) - bits.offset));
            }
        }
    }
    Err(EmitError::NoSuchSubField(bits))
}
