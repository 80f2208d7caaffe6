//! What tables counted (OpenFlow 1.0 section 5.3.5, 1.3.5 section 7.3.5.4).

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::version::Version;

const NAME_LEN: usize = 32;

/// What a table counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// The table.
    pub table: u8,
    /// Flows in it.
    pub active: u32,
    /// Packets looked up.
    pub lookups: u64,
    /// Packets that a flow matched.
    pub matched: u64,
    /// Its name, at most 31 bytes; only OpenFlow 1.0 says it here.
    pub name: String,
    /// Which fields of OpenFlow 1.0 need not be matched (`OFPFW_*`).
    pub wildcards: u32,
    /// Flows that it can hold; only OpenFlow 1.0 says it here.
    pub max_entries: u32,
}

impl TableStats {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<TableStats> {
        let mut stats = TableStats { table: body.u8()?, ..TableStats::default() };
        body.skip(3)?;
        if body.version() == Version::V10 {
            stats.name = body.text(NAME_LEN)?;
            stats.wildcards = body.u32()?;
            stats.max_entries = body.u32()?;
        }
        stats.active = body.u32()?;
        stats.lookups = body.u64()?;
        stats.matched = body.u64()?;
        Ok(stats)
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        out.u8(self.table);
        out.zeros(3);
        if out.version() == Version::V10 {
            out.text(&self.name, NAME_LEN);
            out.u32(self.wildcards);
            out.u32(self.max_entries);
        }
        out.u32(self.active);
        out.u64(self.lookups);
        out.u64(self.matched);
        Ok(())
    }
}
