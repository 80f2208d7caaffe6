//! Which Geneve option is which `tun_metadata` field (Nicira's `NXT_TLV_TABLE_*`, `ovs-ofctl(8)`).

use tulle_flow::{OPTION_BYTES, OPTION_FIELDS};

use crate::bytes::{Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;

/// An option and its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlvMap {
    /// The option's class.
    pub class: u16,
    /// The option's type.
    pub kind: u8,
    /// Bytes of its value: a multiple of 4, at most 124.
    pub length: u8,
    /// The number of the field.
    pub index: u16,
}

/// What to do with the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlvTableCommand {
    /// Add these.
    Add,
    /// Delete those with these numbers.
    Delete,
    /// Delete all.
    Clear,
}

/// A change of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlvTableMod {
    /// What to do.
    pub command: TlvTableCommand,
    /// With which.
    pub maps: Vec<TlvMap>,
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlvTable {
    /// Bytes that all values together may have.
    pub max_space: u32,
    /// How many fields there are.
    pub max_fields: u16,
    /// What they stand for.
    pub maps: Vec<TlvMap>,
}

fn parse_maps(mut body: Reader<'_>) -> Parsed<Vec<TlvMap>> {
    let mut maps = Vec::new();
    while !body.is_empty() {
        let map = TlvMap { class: body.u16()?, kind: body.u8()?, length: body.u8()?, index: body.u16()? };
        body.skip(2)?;
        if map.length % 4 != 0 || usize::from(map.length) > OPTION_BYTES {
            return Err(ErrorCode::TlvBadLength);
        }
        if usize::from(map.index) >= OPTION_FIELDS {
            return Err(ErrorCode::TlvBadIndex);
        }
        maps.push(map);
    }
    Ok(maps)
}

fn emit_maps(maps: &[TlvMap], out: &mut Writer<'_>) {
    for map in maps {
        out.u16(map.class);
        out.u8(map.kind);
        out.u8(map.length);
        out.u16(map.index);
        out.zeros(2);
    }
}

impl TlvTableMod {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<TlvTableMod> {
        let command = match body.u16()? {
            0 => TlvTableCommand::Add,
            1 => TlvTableCommand::Delete,
            2 => TlvTableCommand::Clear,
            _ => return Err(ErrorCode::TlvBadCommand),
        };
        body.skip(6)?;
        Ok(TlvTableMod { command, maps: parse_maps(body)? })
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) {
        out.u16(self.command as u16);
        out.zeros(6);
        emit_maps(&self.maps, out);
    }
}

impl TlvTable {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<TlvTable> {
        let (max_space, max_fields) = (body.u32()?, body.u16()?);
        body.skip(10)?;
        Ok(TlvTable { max_space, max_fields, maps: parse_maps(body)? })
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) {
        out.u32(self.max_space);
        out.u16(self.max_fields);
        out.zeros(10);
        emit_maps(&self.maps, out);
    }
}
