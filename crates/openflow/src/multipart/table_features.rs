//! What tables can do, and setting it (OpenFlow 1.3.5 section 7.3.5.5, 1.5.1 section 7.3.5.18).

use tulle_flow::Field;

use crate::actions;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::{EmitError, ErrorCode};
use crate::instructions;
use crate::oxm::{Oxm, OxmHeader};
use crate::property::{EXPERIMENTER, Property, emit_property, next_property};
use crate::version::Version;

const NAME_LEN: usize = 32;

/// Types of property; those for a table miss are one higher, and need not be there where they are the same.
const INSTRUCTIONS: u16 = 0;
const NEXT_TABLES: u16 = 2;
const WRITE_ACTIONS: u16 = 4;
const APPLY_ACTIONS: u16 = 6;
const MATCH: u16 = 8;
const WILDCARDS: u16 = 10;
const WRITE_SET_FIELDS: u16 = 12;
const APPLY_SET_FIELDS: u16 = 14;

/// Something that a table can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableCapability {
    /// Types of instructions.
    Instructions(Vec<u16>),
    /// Tables that can be gone to.
    NextTables(Vec<u8>),
    /// Types of actions in an action set.
    WriteActions(Vec<u16>),
    /// Types of actions that can be applied.
    ApplyActions(Vec<u16>),
    /// Fields that can be matched, and whether with masks.
    Match(Vec<(Field, bool)>),
    /// Fields that need not be matched.
    Wildcards(Vec<Field>),
    /// Fields that an action set can set.
    WriteSetFields(Vec<Field>),
    /// Fields that applied actions can set.
    ApplySetFields(Vec<Field>),
}

/// Something that a table can do, for its flows or for the packets that none matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableProperty {
    /// Said of the packets that no flow matches.
    pub miss: bool,
    /// What.
    pub capability: TableCapability,
}

/// What to do with tables that a request names (OpenFlow 1.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TableFeaturesCommand {
    /// Have these tables and no others; the only one before OpenFlow 1.5.
    #[default]
    Replace,
    /// Change these tables.
    Modify,
    /// Enable these tables.
    Enable,
    /// Disable these tables.
    Disable,
}

const COMMANDS: [TableFeaturesCommand; 4] = [
    TableFeaturesCommand::Replace,
    TableFeaturesCommand::Modify,
    TableFeaturesCommand::Enable,
    TableFeaturesCommand::Disable,
];

/// A table and what it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFeatures {
    /// The table.
    pub table: u8,
    /// In requests of OpenFlow 1.5: what to do with it.
    pub command: TableFeaturesCommand,
    /// Its name, at most 31 bytes.
    pub name: String,
    /// Bits of metadata that can be matched.
    pub metadata_match: u64,
    /// Bits of metadata that can be written.
    pub metadata_write: u64,
    /// `OFPTC_*` bits, or since OpenFlow 1.4 `OFPTFC_*` bits.
    pub capabilities: u32,
    /// Flows that it can hold.
    pub max_entries: u32,
    /// What it can do.
    pub properties: Vec<TableProperty>,
}

impl TableFeatures {
    /// A table that can do all that this codec can say in a version, and go to every table up to the last.
    pub fn complete(version: Version, table: u8, last_table: u8, max_entries: u32) -> TableFeatures {
        let fields: Vec<Field> = Oxm::reported(version).map(|oxm| oxm.field).collect();
        let writable: Vec<Field> = fields.iter().copied().filter(|field| field.is_writable()).collect();
        let kinds = actions::kinds(version);
        let capabilities = [
            TableCapability::Instructions(instructions::kinds(version).collect()),
            TableCapability::NextTables((table.saturating_add(1)..=last_table).collect()),
            TableCapability::WriteActions(kinds.clone()),
            TableCapability::ApplyActions(kinds),
            TableCapability::Match(fields.iter().map(|field| (*field, field.is_maskable())).collect()),
            TableCapability::Wildcards(fields),
            TableCapability::WriteSetFields(writable.clone()),
            TableCapability::ApplySetFields(writable),
        ];
        let properties =
            capabilities.into_iter().map(|capability| TableProperty { miss: false, capability }).collect();
        TableFeatures {
            table,
            command: TableFeaturesCommand::Replace,
            name: format!("table{table}"),
            metadata_match: u64::MAX,
            metadata_write: u64::MAX,
            capabilities: 0,
            max_entries,
            properties,
        }
    }

    /// The tables that its flows can go to.
    pub fn next_tables(&self) -> &[u8] {
        let tables = self.properties.iter().find_map(|property| match &property.capability {
            TableCapability::NextTables(tables) if !property.miss => Some(tables.as_slice()),
            _ => None,
        });
        tables.unwrap_or_default()
    }

    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<TableFeatures> {
        let short = ErrorCode::BadPropertyLength;
        let length = usize::from(body.u16()?).checked_sub(2).ok_or(short)?;
        let mut entry = body.part(length, short)?;
        let (table, command) = (entry.u8()?, usize::from(entry.u8()?));
        entry.skip(4)?;
        let command = match entry.version() {
            Version::V15 => *COMMANDS.get(command).ok_or(ErrorCode::BadTableFeaturesCommand)?,
            _ => TableFeaturesCommand::Replace,
        };
        let mut features = TableFeatures {
            table,
            command,
            name: entry.text(NAME_LEN)?,
            metadata_match: entry.u64()?,
            metadata_write: entry.u64()?,
            capabilities: entry.u32()?,
            max_entries: entry.u32()?,
            properties: Vec::new(),
        };
        while let Some(property) = next_property(&mut entry)? {
            features.properties.extend(parse_property(property)?);
        }
        Ok(features)
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.u16(0);
        out.u8(self.table);
        let command = if out.version() == Version::V15 { self.command as u8 } else { 0 };
        out.u8(command);
        out.zeros(4);
        out.text(&self.name, NAME_LEN);
        out.u64(self.metadata_match);
        out.u64(self.metadata_write);
        out.u32(self.capabilities);
        out.u32(self.max_entries);
        self.properties.iter().try_for_each(|property| property.emit(out))?;
        out.set_length(start, start);
        Ok(())
    }
}

/// Parses a property; experimenters' and those for other kinds of table are passed over.
fn parse_property(property: Property<'_>) -> Parsed<Option<TableProperty>> {
    let mut body = property.body;
    let capability = match property.kind & !1 {
        INSTRUCTIONS => TableCapability::Instructions(parse_kinds(body)?),
        NEXT_TABLES => TableCapability::NextTables(body.rest().to_vec()),
        WRITE_ACTIONS => TableCapability::WriteActions(parse_kinds(body)?),
        APPLY_ACTIONS => TableCapability::ApplyActions(parse_kinds(body)?),
        MATCH => TableCapability::Match(parse_fields(body)?),
        WILDCARDS => TableCapability::Wildcards(names(parse_fields(body)?)),
        WRITE_SET_FIELDS => TableCapability::WriteSetFields(names(parse_fields(body)?)),
        APPLY_SET_FIELDS => TableCapability::ApplySetFields(names(parse_fields(body)?)),
        kind if kind == EXPERIMENTER & !1 || body.version() == Version::V15 => return Ok(None),
        _ => return Err(ErrorCode::BadPropertyType),
    };
    // Matches are the same for packets that nothing matches: there is no such property.
    if matches!(property.kind, 9 | 11) {
        return Err(ErrorCode::BadPropertyType);
    }
    Ok(Some(TableProperty { miss: property.kind & 1 == 1, capability }))
}

/// Types of instructions or actions, each with its length; experimenters' have their id in it.
fn parse_kinds(mut body: Reader<'_>) -> Parsed<Vec<u16>> {
    let mut kinds = Vec::new();
    while !body.is_empty() {
        let (kind, length) = (body.u16()?, usize::from(body.u16()?));
        body.skip(length.checked_sub(4).ok_or(ErrorCode::BadPropertyLength)?)?;
        if kind != EXPERIMENTER {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

/// Names of fields; those that are not known are passed over.
fn parse_fields(body: Reader<'_>) -> Parsed<Vec<(Field, bool)>> {
    let mut body = body.blaming(ErrorCode::BadPropertyLength);
    let mut fields = Vec::new();
    while !body.is_empty() {
        if let Some(header) = OxmHeader::skip_unknown(&mut body)? {
            fields.push((header.oxm.field, header.masked));
        }
    }
    Ok(fields)
}

fn names(fields: Vec<(Field, bool)>) -> Vec<Field> {
    fields.into_iter().map(|(field, _)| field).collect()
}

impl TableProperty {
    fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let miss = u16::from(self.miss);
        let emit_all = |kind: u16, kinds: &[u16], out: &mut Writer<'_>| {
            emit_property(kind + miss, out, |out| kinds.iter().for_each(|kind| emit_kind(*kind, out)));
            Ok(())
        };
        match &self.capability {
            TableCapability::Instructions(kinds) => emit_all(INSTRUCTIONS, kinds, out),
            TableCapability::NextTables(tables) => {
                emit_property(NEXT_TABLES + miss, out, |out| out.extend_from_slice(tables));
                Ok(())
            }
            TableCapability::WriteActions(kinds) => emit_all(WRITE_ACTIONS, kinds, out),
            TableCapability::ApplyActions(kinds) => emit_all(APPLY_ACTIONS, kinds, out),
            TableCapability::Match(fields) => emit_fields(MATCH, fields.iter().copied(), out),
            TableCapability::Wildcards(fields) => emit_fields(WILDCARDS, unmasked(fields), out),
            TableCapability::WriteSetFields(fields) => {
                emit_fields(WRITE_SET_FIELDS + miss, unmasked(fields), out)
            }
            TableCapability::ApplySetFields(fields) => {
                emit_fields(APPLY_SET_FIELDS + miss, unmasked(fields), out)
            }
        }
    }
}

fn emit_kind(kind: u16, out: &mut Writer<'_>) {
    out.u16(kind);
    out.u16(4);
}

fn unmasked(fields: &[Field]) -> impl Iterator<Item = (Field, bool)> {
    fields.iter().map(|field| (*field, false))
}

fn emit_fields(kind: u16, fields: impl Iterator<Item = (Field, bool)>, out: &mut Writer<'_>) -> Emitted {
    let version = out.version();
    let named = |(field, masked)| {
        let found = Oxm::of(field, version).map(|oxm| (oxm, masked));
        found.ok_or(EmitError::NoForm { what: "this field", version })
    };
    let named: Vec<(&Oxm, bool)> = fields.map(named).collect::<Result<_, _>>()?;
    emit_property(kind, out, |out| {
        named.iter().for_each(|(oxm, masked)| oxm.emit_header(*masked, out));
    });
    Ok(())
}
