//! What tables can do (OpenFlow 1.3.5 section 7.3.5.5).
//!
//! All tables can do the same, so only what tells them apart is kept; the properties are those of this codec.

use crate::bytes::{Parsed, Put, Reader};
use crate::error::ErrorCode;
use crate::instructions::SUPPORTED;
use crate::oxm::Oxm;

const NAME_LEN: usize = 32;

/// Types of property; those for a table miss are one higher, and need not be there where they are the same.
const INSTRUCTIONS: u16 = 0;
const NEXT_TABLES: u16 = 2;
const WRITE_ACTIONS: u16 = 4;
const APPLIED_ACTIONS: u16 = 6;
const MATCH: u16 = 8;
const WILDCARDS: u16 = 10;
const WRITE_SET_FIELD: u16 = 12;
const APPLY_SET_FIELD: u16 = 14;

/// Output, decrement TTL, set field.
const ACTIONS: [u16; 3] = [0, 24, 25];

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFeatures {
    /// The table.
    pub table: u8,
    /// The highest table; earlier ones can go to it.
    pub last_table: u8,
    /// Its name, at most 31 bytes.
    pub name: String,
    /// Flows that it can hold.
    pub max_entries: u32,
}

impl TableFeatures {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<TableFeatures> {
        let short = ErrorCode::BadRequestLength;
        let length = usize::from(body.u16()?).checked_sub(2).ok_or(short)?;
        let mut entry = body.part(length, short)?;
        let table = entry.u8()?;
        entry.skip(5)?;
        let name = entry.text(NAME_LEN)?;
        entry.skip(20)?;
        let max_entries = entry.u32()?;
        let mut last_table = table;
        while !entry.is_empty() {
            let (kind, length) = (entry.u16()?, usize::from(entry.u16()?));
            let content = entry.take(length.checked_sub(4).ok_or(short)?)?;
            entry.skip(length.next_multiple_of(8) - length)?;
            if kind == NEXT_TABLES {
                last_table = content.iter().copied().fold(last_table, u8::max);
            }
        }
        Ok(TableFeatures { table, last_table, name, max_entries })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.u16(0);
        out.u8(self.table);
        out.zeros(5);
        out.text(&self.name, NAME_LEN);
        out.u64(u64::MAX); // metadata that can be matched
        out.u64(u64::MAX); // metadata that can be written
        out.u32(0);
        out.u32(self.max_entries);
        self.emit_properties(out);
        out.set_length(start, start);
    }

    fn emit_properties(&self, out: &mut Vec<u8>) {
        property(INSTRUCTIONS, out, |out| SUPPORTED.iter().for_each(|kind| emit_kind(*kind, out)));
        property(NEXT_TABLES, out, |out| out.extend(self.table.saturating_add(1)..=self.last_table));
        property(WRITE_ACTIONS, out, |_| {});
        property(APPLIED_ACTIONS, out, |out| ACTIONS.iter().for_each(|kind| emit_kind(*kind, out)));
        property(MATCH, out, |out| Oxm::reported().for_each(|oxm| oxm.emit_header(true, out)));
        property(WILDCARDS, out, |out| Oxm::reported().for_each(|oxm| oxm.emit_header(false, out)));
        property(WRITE_SET_FIELD, out, |_| {});
        property(APPLY_SET_FIELD, out, |out| Oxm::reported().for_each(|oxm| oxm.emit_header(false, out)));
    }
}

fn emit_kind(kind: u16, out: &mut Vec<u8>) {
    out.u16(kind);
    out.u16(4);
}

/// The length leaves out the padding.
fn property(kind: u16, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.u16(kind);
    out.u16(0);
    content(out);
    out.set_length(start + 2, start);
    out.align(start);
}
