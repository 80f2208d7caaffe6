//! Tables' configuration: changing, reporting, and telling of vacancy (OpenFlow 1.3.5 section 7.3.3,
//! 1.4 sections 7.3.3, 7.3.5.17 and 7.4.5).

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::property::{emit_property, emit_u32, next_property, unknown};
use crate::version::Version;

const EVICTION: u16 = 2;
const VACANCY: u16 = 3;

/// Bits of a table's configuration.
pub mod table_config {
    /// The bits of OpenFlow 1.1 that say what becomes of packets that no flow matches (deprecated since 1.3).
    pub const MISS: u32 = 3;
    /// A full table gives up flows for new ones (`OFPTC_EVICTION`).
    pub const EVICTION: u32 = 1 << 2;
    /// Table-status messages tell of vacancy (`OFPTC_VACANCY_EVENTS`).
    pub const VACANCY_EVENTS: u32 = 1 << 3;
    /// What eviction looks at: importance (`OFPTMPEF_IMPORTANCE`).
    pub const EVICT_BY_IMPORTANCE: u32 = 1 << 1;
    /// What eviction looks at: the time that a flow has left (`OFPTMPEF_LIFETIME`).
    pub const EVICT_BY_LIFETIME: u32 = 1 << 2;
}

/// When to tell of a table's free room, in per cent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vacancy {
    /// Tell when less is free.
    pub down: u8,
    /// Tell when more is free again.
    pub up: u8,
    /// What is free now; 0 in requests.
    pub current: u8,
}

/// A table's configuration, in requests, in descriptions and in table-status messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableConfig {
    /// The table; [`TABLE_ALL`](crate::TABLE_ALL) in requests means every table.
    pub table: u8,
    /// [`table_config`] bits.
    pub config: u32,
    /// What eviction looks at; since OpenFlow 1.4.
    pub eviction: Option<u32>,
    /// When to tell of vacancy; since OpenFlow 1.4.
    pub vacancy: Option<Vacancy>,
}

impl TableConfig {
    /// Parses a table-mod message.
    pub(crate) fn parse_request(mut body: Reader<'_>) -> Parsed<TableConfig> {
        let table = body.u8()?;
        body.skip(3)?;
        let mut change = TableConfig { table, config: body.u32()?, ..TableConfig::default() };
        if body.version() >= Version::V14 {
            change.parse_properties(body)?;
            // Only the switch knows what is free now.
            if change.vacancy.is_some_and(|vacancy| vacancy.current != 0) {
                return Err(ErrorCode::BadPropertyValue);
            }
        } else {
            body.finish()?;
        }
        Ok(change)
    }

    pub(crate) fn emit_request(&self, out: &mut Writer<'_>) -> Emitted {
        if out.version() == Version::V10 {
            return out.lacks("a table-mod");
        }
        out.u8(self.table);
        out.zeros(3);
        out.u32(self.config);
        if out.version() >= Version::V14 {
            let vacancy = self.vacancy.map(|vacancy| Vacancy { current: 0, ..vacancy });
            TableConfig { vacancy, ..*self }.emit_properties(out);
        }
        Ok(())
    }

    /// Parses one description.
    pub(crate) fn parse(body: &mut Reader<'_>) -> Parsed<TableConfig> {
        let short = ErrorCode::BadRequestLength;
        let length = usize::from(body.u16()?).checked_sub(2).ok_or(short)?;
        let mut entry = body.part(length, short)?;
        let table = entry.u8()?;
        entry.skip(1)?;
        let mut description = TableConfig { table, config: entry.u32()?, ..TableConfig::default() };
        description.parse_properties(entry)?;
        Ok(description)
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.u16(0);
        out.u8(self.table);
        out.u8(0);
        out.u32(self.config);
        self.emit_properties(out);
        out.set_length(start, start);
        Ok(())
    }

    fn parse_properties(&mut self, mut body: Reader<'_>) -> Parsed<()> {
        while let Some(mut property) = next_property(&mut body)? {
            let repeated = match property.kind {
                EVICTION => self.eviction.replace(property.u32()?).is_some(),
                VACANCY => {
                    let (down, up) = (property.body.u8()?, property.body.u8()?);
                    let current = property.body.u8()?;
                    self.vacancy.replace(Vacancy { down, up, current }).is_some()
                }
                _ => return Err(unknown(property)),
            };
            if repeated {
                return Err(ErrorCode::DuplicateProperty);
            }
        }
        match self.vacancy {
            Some(vacancy) if vacancy.up > 100 || vacancy.down > vacancy.up => {
                Err(ErrorCode::BadPropertyValue)
            }
            _ => Ok(()),
        }
    }

    fn emit_properties(&self, out: &mut Writer<'_>) {
        if let Some(flags) = self.eviction {
            emit_u32(EVICTION, flags, out);
        }
        if let Some(vacancy) = self.vacancy {
            emit_property(VACANCY, out, |out| {
                [vacancy.down, vacancy.up, vacancy.current, 0].into_iter().for_each(|byte| out.u8(byte));
            });
        }
    }
}

/// Why a table-status message comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableStatusReason {
    /// Less room than the lower threshold.
    VacancyDown,
    /// More room than the upper threshold.
    VacancyUp,
}

/// Tells a controller of a table's vacancy (OpenFlow 1.4 and later).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableStatus {
    /// Why.
    pub reason: TableStatusReason,
    /// The table.
    pub table: TableConfig,
}

impl TableStatus {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<TableStatus> {
        let reason = match body.u8()? {
            3 => TableStatusReason::VacancyDown,
            4 => TableStatusReason::VacancyUp,
            _ => return Err(ErrorCode::BadReason),
        };
        body.skip(7)?;
        let table = TableConfig::parse(&mut body)?;
        body.finish()?;
        Ok(TableStatus { reason, table })
    }

    pub(crate) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        if out.version() < Version::V14 {
            return out.lacks("a table-status");
        }
        out.u8(match self.reason {
            TableStatusReason::VacancyDown => 3,
            TableStatusReason::VacancyUp => 4,
        });
        out.zeros(7);
        self.table.emit(out)
    }
}
