//! Fields on the wire: which class and number names which field.
//!
//! Sources: OpenFlow 1.3.5 section 7.2.3.7 and 1.5.1 section 7.2.3.8 (class 0x8000), `ovs-fields(7)` (Nicira's classes
//! 0x0000 and 0x0001, packet registers 0x8001, Ericsson's class 0x1000, experimenters).  A field may have several names.

mod names;
mod options;

use tulle_flow::{Field, SubField};

use crate::bytes::{Parsed, Put, Reader, Writer};
use crate::error::{EmitError, ErrorCode};
use crate::experimenter::ONF;
use crate::version::Version;
use names::NAMES;
pub(crate) use options::emit_option;

const NXM_0: u16 = 0x0000;
const NXM_1: u16 = 0x0001;
const ERICSSON: u16 = 0x1000;
const BASIC: u16 = 0x8000;
const REGISTERS: u16 = 0x8001;
const EXPERIMENTER: u16 = 0xffff;

/// A name of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Oxm {
    class: u16,
    /// Of class `EXPERIMENTER` only.
    experimenter: u32,
    number: u8,
    pub field: Field,
    /// Bytes of a value, without mask and experimenter.
    bytes: u8,
    /// The significant bits of a value.
    pub wire: u128,
    /// The first version that knows the name.
    since: Version,
}

impl Oxm {
    fn named(class: u16, experimenter: u32, number: u8) -> Option<&'static Oxm> {
        NAMES
            .iter()
            .find(|oxm| oxm.class == class && oxm.number == number && oxm.experimenter == experimenter)
            .or_else(|| options::named(class, number))
    }

    /// All names of a field, those that a version prefers first: Nicira's in OpenFlow 1.0, the standard's later.
    fn names(field: Field, version: Version) -> impl Iterator<Item = &'static Oxm> {
        let of_field = move |oxm: &&Oxm| oxm.field == field && oxm.since <= version;
        let old = version == Version::V10;
        let preferred = NAMES.iter().filter(of_field).filter(move |oxm| old == oxm.is_nicira());
        let others = NAMES.iter().filter(of_field).filter(move |oxm| old != oxm.is_nicira());
        preferred.chain(others).chain(options::of(field))
    }

    fn is_nicira(&self) -> bool {
        matches!(self.class, NXM_0 | NXM_1)
    }

    /// The name of a field; the type of service has none but Nicira's, which leaves the lower two bits out.
    pub fn of(field: Field, version: Version) -> Option<&'static Oxm> {
        Oxm::names(field, version).next()
    }

    /// A name whose header takes four bytes, all that some actions have room for.
    pub fn short(field: Field, version: Version) -> Option<&'static Oxm> {
        Oxm::names(field, version).find(|oxm| oxm.class != EXPERIMENTER)
    }

    /// All fields' names, each once, as a switch reports what it can match.
    pub fn reported(version: Version) -> impl Iterator<Item = &'static Oxm> {
        let hidden = |field: Field| matches!(field, Field::VlanTci | Field::IpTos);
        Field::EVERY
            .iter()
            .filter(move |field| !hidden(**field))
            .filter_map(move |field| Oxm::of(*field, version))
    }

    /// How many bits a value has.
    pub fn bits(&self) -> u32 {
        if self.field.option().is_some() {
            return self.field.bits();
        }
        128 - self.wire.leading_zeros()
    }

    /// The mask in the field that a wire mask stands for: all of it where all that the wire has is looked at.
    pub fn field_mask(&self, mask: u128) -> u128 {
        if mask == self.wire && self.field != Field::IpTos { self.field.ones() } else { mask }
    }

    /// The bits of the field that a range of the wire value stands for.
    pub fn sub_field(&self, offset: u32, bits: u32) -> Option<SubField> {
        let fits = offset.checked_add(bits)? <= self.bits();
        if fits { SubField::new(self.field, offset, bits) } else { None }
    }

    /// The field's value for a wire value; 16-bit reserved port numbers become those of 32 bits.
    pub fn field_value(&self, value: u128) -> u128 {
        let short_port = self.field == Field::InPort && self.bytes == 2 && value >= 0xff00;
        if short_port { value | 0xffff_0000 } else { value }
    }

    /// True where the header takes four bytes, not eight.
    pub fn has_short_header(&self) -> bool {
        self.class != EXPERIMENTER
    }

    fn experimenter_len(&self) -> usize {
        if self.class == EXPERIMENTER { 4 } else { 0 }
    }

    /// Emits the header, with the experimenter id where the class has one.
    pub fn emit_header(&self, masked: bool, out: &mut Writer<'_>) {
        let values = usize::from(self.bytes) * if masked { 2 } else { 1 };
        out.u16(self.class);
        out.u8((self.number << 1) | u8::from(masked));
        out.u8((values + self.experimenter_len()) as u8);
        if self.class == EXPERIMENTER {
            out.u32(self.experimenter);
        }
    }

    /// Emits header, value and, where the mask is not full, mask.
    pub fn emit(&self, value: u128, mask: u128, out: &mut Writer<'_>) {
        let (value, mask) = (value & mask & self.wire, mask & self.wire);
        let masked = mask != self.wire;
        self.emit_header(masked, out);
        out.number(value, usize::from(self.bytes));
        if masked {
            out.number(mask, usize::from(self.bytes));
        }
    }
}

/// A header on the wire.
#[derive(Clone, Copy)]
pub(crate) struct OxmHeader {
    pub oxm: &'static Oxm,
    pub masked: bool,
    /// Bytes of value and mask that follow.
    payload: usize,
}

/// What a header names.
pub(crate) enum Named {
    Field(OxmHeader),
    /// The packet's type (OpenFlow 1.5), which must be Ethernet; so many bytes follow.
    PacketType {
        masked: bool,
        payload: usize,
    },
    /// A flow's cookie, as Nicira's matches may hold it; whether a mask follows.
    Cookie {
        masked: bool,
    },
}

const PACKET_TYPE: u8 = 44;
const COOKIE: u8 = 30;
const COOKIE_LEN: usize = 8;

impl OxmHeader {
    /// Parses a header and the experimenter id that may follow; an unknown name is `BadField`.
    pub fn parse(reader: &mut Reader<'_>) -> Parsed<OxmHeader> {
        match OxmHeader::parse_any(reader)? {
            Named::Field(header) => Ok(header),
            _ => Err(ErrorCode::BadField),
        }
    }

    /// As [`parse`](OxmHeader::parse), with what is no field.
    pub fn parse_any(reader: &mut Reader<'_>) -> Parsed<Named> {
        let (class, number, length) = (reader.u16()?, reader.u8()?, usize::from(reader.u8()?));
        let (number, masked) = (number >> 1, number & 1 == 1);
        let experimenter = if class == EXPERIMENTER { reader.u32()? } else { 0 };
        let ours = if class == EXPERIMENTER { 4 } else { 0 };
        let payload = length.checked_sub(ours).ok_or(ErrorCode::BadMatchLength)?;
        match (class, number) {
            (BASIC, PACKET_TYPE) => return Ok(Named::PacketType { masked, payload }),
            (NXM_1, COOKIE) if payload == COOKIE_LEN * if masked { 2 } else { 1 } => {
                return Ok(Named::Cookie { masked });
            }
            _ => {}
        }
        let oxm = Oxm::named(class, experimenter, number).ok_or(ErrorCode::BadField)?;
        Ok(Named::Field(OxmHeader { oxm, masked, payload }))
    }

    /// Passes over a header that is not known, in a list of names; its experimenter id counts as a value.
    pub fn skip_unknown(reader: &mut Reader<'_>) -> Parsed<Option<OxmHeader>> {
        match OxmHeader::parse_any(reader) {
            Ok(Named::Field(header)) => Ok(Some(header)),
            Ok(_) | Err(ErrorCode::BadField) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Parses the value and mask that follow: `(value, mask)` as the wire has them.
    pub fn parse_value(&self, reader: &mut Reader<'_>) -> Parsed<(u128, u128)> {
        let size = usize::from(self.oxm.bytes);
        if self.option().is_some() {
            return Err(ErrorCode::BadField);
        }
        if self.payload != if self.masked { 2 * size } else { size } {
            return Err(ErrorCode::BadMatchLength);
        }
        let value = reader.number(size)?;
        let all = if size == 16 { u128::MAX } else { (1 << (8 * size)) - 1 };
        let mask = if self.masked { reader.number(size)? } else { all };
        if value & !mask != 0 {
            return Err(ErrorCode::BadWildcards);
        }
        if value & !self.oxm.wire != 0 {
            return Err(ErrorCode::BadValue);
        }
        Ok((value, mask & self.oxm.wire))
    }
}

/// Emits a cookie and its mask, as Nicira's matches hold them.
pub(crate) fn emit_cookie(cookie: u64, mask: u64, out: &mut Writer<'_>) {
    let masked = mask != u64::MAX;
    out.u16(NXM_1);
    out.u8((COOKIE << 1) | u8::from(masked));
    out.u8(if masked { 16 } else { 8 });
    out.u64(cookie & mask);
    if masked {
        out.u64(mask);
    }
}

/// A name that covers some bits of a field, and the bits that the wire has: from which offset, how many.
pub(crate) struct Covering {
    pub oxm: &'static Oxm,
    pub offset: u32,
    pub bits: u32,
}

/// Finds the name for some bits of a field; `short` where only four bytes of header fit.
pub(crate) fn covering(bits: SubField, version: Version, short: bool) -> Result<Covering, EmitError> {
    // The lowest two bits of the type of service go by another name than the rest.
    let ecn = bits.field == Field::IpTos && bits.offset + bits.bits <= 2;
    let field = if ecn { Field::IpEcn } else { bits.field };
    // So do the 16 bits that ports had in OpenFlow 1.0.
    let short_port = field == Field::InPort && bits.offset + bits.bits <= 16;
    let version = if short_port { Version::V10 } else { version };
    let oxm = if short { Oxm::short(field, version) } else { Oxm::of(field, version) };
    let oxm = oxm.filter(|oxm| bits.offset < oxm.bits());
    let Some(oxm) = oxm.filter(|_| bits.field != Field::IpTos || ecn || bits.offset >= 2) else {
        return Err(EmitError::NoSuchSubField(bits));
    };
    Ok(Covering { oxm, offset: bits.offset, bits: bits.bits.min(oxm.bits() - bits.offset) })
}
