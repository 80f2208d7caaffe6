//! Properties: what OpenFlow 1.4 and Nicira's extensions append to structures, in type-length-value form.
//!
//! The length leaves out the padding to 8 bytes (OpenFlow 1.4 section 7.2.1).

use crate::bytes::{Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;

/// The type of an experimenter's property.
pub(crate) const EXPERIMENTER: u16 = 0xffff;

/// One property.
pub(crate) struct Property<'a> {
    pub kind: u16,
    /// What follows type and length.
    pub body: Reader<'a>,
}

/// Takes the next property; none at the end.
pub(crate) fn next_property<'a>(reader: &mut Reader<'a>) -> Parsed<Option<Property<'a>>> {
    if reader.is_empty() {
        return Ok(None);
    }
    let short = ErrorCode::BadPropertyLength;
    let mut head = reader.blaming(short);
    let (kind, length) = (head.u16()?, usize::from(head.u16()?));
    let body = head.part(length.checked_sub(4).ok_or(short)?, short)?;
    let padding = length.next_multiple_of(8) - length;
    head.skip(padding)?;
    reader.skip(length + padding)?;
    Ok(Some(Property { kind, body }))
}

/// What to answer to a property that is not known.
pub(crate) fn unknown(mut property: Property<'_>) -> ErrorCode {
    match (property.kind, property.body.u32()) {
        (EXPERIMENTER, Ok(_)) => ErrorCode::BadPropertyExperimenter,
        (EXPERIMENTER, Err(short)) => short,
        _ => ErrorCode::BadPropertyType,
    }
}

/// Fails, for a structure whose properties are all unknown.
pub(crate) fn refuse_properties(mut reader: Reader<'_>) -> Parsed<()> {
    match next_property(&mut reader)? {
        Some(property) => Err(unknown(property)),
        None => Ok(()),
    }
}

/// Writes a property around its body, and pads it.
pub(crate) fn emit_property(kind: u16, out: &mut Writer<'_>, body: impl FnOnce(&mut Writer<'_>)) {
    let start = out.len();
    out.u16(kind);
    out.u16(0);
    body(out);
    out.set_length(start + 2, start);
    out.align(start);
}

impl Property<'_> {
    /// The whole body as a number of 8 bits, padded or not.
    pub fn u8(mut self) -> Parsed<u8> {
        self.body.u8()
    }

    /// The whole body as a number of 16 bits, padded or not.
    pub fn u16(mut self) -> Parsed<u16> {
        self.body.u16()
    }

    /// The whole body as a number of 32 bits.
    pub fn u32(mut self) -> Parsed<u32> {
        let value = self.body.u32()?;
        self.body.finish()?;
        Ok(value)
    }

    /// The whole body as a number of 64 bits, after 4 bytes of padding.
    pub fn u64(mut self) -> Parsed<u64> {
        self.body.skip(4)?;
        let value = self.body.u64()?;
        self.body.finish()?;
        Ok(value)
    }
}

/// A property that holds 8 bits, with padding that counts.
pub(crate) fn emit_u8(kind: u16, value: u8, out: &mut Writer<'_>) {
    emit_property(kind, out, |out| {
        out.u8(value);
        out.zeros(3);
    });
}

/// A property that holds 16 bits, with padding that counts.
pub(crate) fn emit_u16(kind: u16, value: u16, out: &mut Writer<'_>) {
    emit_property(kind, out, |out| {
        out.u16(value);
        out.zeros(2);
    });
}

/// A property that holds 32 bits.
pub(crate) fn emit_u32(kind: u16, value: u32, out: &mut Writer<'_>) {
    emit_property(kind, out, |out| out.u32(value));
}

/// A property that holds 64 bits, after 4 bytes of padding.
pub(crate) fn emit_u64(kind: u16, value: u64, out: &mut Writer<'_>) {
    emit_property(kind, out, |out| {
        out.zeros(4);
        out.u64(value);
    });
}
