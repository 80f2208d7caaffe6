//! Which Geneve options are which `tun_metadata` fields.

use tulle_datapath::{OptionMapError, OptionMapping};
use tulle_flow::{OPTION_FIELDS, OPTION_SPACE};
use tulle_openflow::{ErrorCode, Message, TlvMap, TlvTable, TlvTableCommand, TlvTableMod, Xid};

use super::Session;
use super::changes::Answer;
use crate::engine::Engine;

impl Session {
    pub(super) fn change_options(&mut self, engine: &mut Engine, xid: Xid, change: TlvTableMod) {
        match engine.change_options(&change) {
            Ok(()) => self.keep(engine, true),
            Err(code) => self.refuse(xid, &Message::TlvTableMod(change), code),
        }
    }
}

impl Engine {
    /// Changes the map, all that is asked or nothing.
    pub(crate) fn change_options(&mut self, change: &TlvTableMod) -> Answer {
        let indexes = |maps: &[TlvMap]| maps.iter().map(|map| map.index as u8).collect::<Vec<u8>>();
        let changed = match change.command {
            TlvTableCommand::Add => {
                let mappings: Vec<_> = change.maps.iter().map(mapping).collect();
                self.datapath.map_options(&mappings)
            }
            TlvTableCommand::Delete => self.datapath.unmap_options(&indexes(&change.maps)),
            TlvTableCommand::Clear => self.datapath.unmap_options(&indexes(&self.options().maps)),
        };
        changed.map_err(|error| code(&error))
    }

    /// The map.
    pub(crate) fn options(&self) -> TlvTable {
        let map = |mapping: OptionMapping| {
            let OptionMapping { class, kind, length, index } = mapping;
            TlvMap { class, kind, length, index: u16::from(index) }
        };
        TlvTable {
            max_space: OPTION_SPACE as u32,
            max_fields: OPTION_FIELDS as u16,
            maps: self.datapath.option_mappings().into_iter().map(map).collect(),
        }
    }
}

/// The codec lets no number through that is not one of a field.
fn mapping(map: &TlvMap) -> OptionMapping {
    let TlvMap { class, kind, length, index } = *map;
    OptionMapping { class, kind, length, index: u8::try_from(index).unwrap_or(u8::MAX) }
}

fn code(error: &OptionMapError) -> ErrorCode {
    match error {
        OptionMapError::BadLength(_) => ErrorCode::TlvBadLength,
        OptionMapError::BadIndex(_) => ErrorCode::TlvBadIndex,
        OptionMapError::Full => ErrorCode::TlvTableFull,
        OptionMapError::FieldMapped(_) => ErrorCode::TlvAlreadyMapped,
        OptionMapError::OptionMapped(..) => ErrorCode::TlvDuplicateEntry,
        OptionMapError::InUse(_) => ErrorCode::TlvInUse,
    }
}
