//! What tables counted (OpenFlow 1.3.5 section 7.3.5.4).

use crate::bytes::{Parsed, Put, Reader};

/// What a table counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// The table.
    pub table: u8,
    /// Flows in it.
    pub active: u32,
    /// Packets looked up.
    pub lookups: u64,
    /// Packets that a flow matched.
    pub matched: u64,
}

impl TableStats {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<TableStats> {
        let table = body.u8()?;
        body.skip(3)?;
        Ok(TableStats { table, active: body.u32()?, lookups: body.u64()?, matched: body.u64()? })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.u8(self.table);
        out.zeros(3);
        out.u32(self.active);
        out.u64(self.lookups);
        out.u64(self.matched);
    }
}
