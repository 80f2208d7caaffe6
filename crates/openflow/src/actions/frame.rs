//! What many actions are made of: the frame, and names of fields with ranges of bits.

use tulle_flow::SubField;

use super::EXPERIMENTER;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::experimenter::NICIRA;
use crate::oxm::{self, Covering, Oxm, OxmHeader};

/// Writes an action's type and length around its body, and pads it.
pub(super) fn framed(
    kind: u16,
    out: &mut Writer<'_>,
    body: impl FnOnce(&mut Writer<'_>) -> Emitted,
) -> Emitted {
    let start = out.len();
    out.u16(kind);
    out.u16(0);
    body(out)?;
    out.align(start);
    out.set_length(start + 2, start);
    Ok(())
}

/// Writes Nicira's frame around the body of an action, and pads it.
pub(super) fn extension(
    subtype: u16,
    out: &mut Writer<'_>,
    body: impl FnOnce(&mut Writer<'_>) -> Emitted,
) -> Emitted {
    framed(EXPERIMENTER, out, |out| {
        out.u32(NICIRA);
        out.u16(subtype);
        body(out)
    })
}

/// The error of an action for what would be wrong of a match.
pub(super) fn set_error(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::BadField => ErrorCode::BadSetType,
        ErrorCode::BadMatchLength | ErrorCode::BadActionLength => ErrorCode::BadSetLength,
        ErrorCode::BadValue | ErrorCode::BadWildcards => ErrorCode::BadSetArgument,
        other => other,
    }
}

/// A field named without a value.
pub(super) fn parse_name(body: &mut Reader<'_>) -> Parsed<&'static Oxm> {
    let header = OxmHeader::parse(body).map_err(set_error)?;
    if header.masked { Err(ErrorCode::BadSetMask) } else { Ok(header.oxm) }
}

/// Bits of a named field.
pub(super) fn sub_field(oxm: &Oxm, offset: u32, bits: u32) -> Parsed<SubField> {
    oxm.sub_field(offset, bits).ok_or(ErrorCode::BadActionArgument)
}

/// Bits that an action writes.
pub(super) fn target(oxm: &Oxm, offset: u32, bits: u32) -> Parsed<SubField> {
    if oxm.field.is_writable() { sub_field(oxm, offset, bits) } else { Err(ErrorCode::BadSetType) }
}

/// Offset in the upper 10 bits, number of bits less one in the lower 6.
pub(super) fn parse_range(body: &mut Reader<'_>) -> Parsed<(u32, u32)> {
    let range = body.u16()?;
    Ok((u32::from(range >> 6), u32::from(range & 0x3f) + 1))
}

/// The same for bits that a name covers; more than 64 have no form.
pub(super) fn emit_range(covering: &Covering, out: &mut Writer<'_>) -> Emitted {
    if covering.bits > 64 {
        return out.lacks("more than 64 bits at once");
    }
    out.u16(((covering.offset << 6) | (covering.bits - 1)) as u16);
    Ok(())
}

/// The name and range for bits, where four bytes of header fit.
pub(super) fn short(bits: SubField, out: &Writer<'_>) -> Result<Covering, crate::EmitError> {
    oxm::covering(bits, out.version(), true)
}

/// The name and range for bits, where any header fits.
pub(super) fn long(bits: SubField, out: &Writer<'_>) -> Result<Covering, crate::EmitError> {
    oxm::covering(bits, out.version(), false)
}
