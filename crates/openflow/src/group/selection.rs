//! How a selecting group chooses a bucket (Netronome's property, as `ovs-ofctl(8)` describes it under `selection_method`).

use tulle_flow::Field;

use super::GroupKind;
use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::matching::{emit_field_masks, parse_field_masks};
use crate::property::{EXPERIMENTER, Property, next_property, unknown};

const NETRONOME: u32 = 0x0000_154d;
/// What early versions of Open vSwitch sent.
const NETRONOME_OLD: u32 = 0x0000_1540;
const SELECTION_METHOD: u32 = 1;
const NAME_LEN: usize = 16;

/// Which hash chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectionMethod {
    /// Over the fields given, or those of the default method where none are.
    Hash,
    /// That of the data path.
    DatapathHash,
}

/// How a bucket is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Which hash.
    pub method: SelectionMethod,
    /// For `Hash` the basis; for `DatapathHash` the hash's number in its upper half and the basis in its lower one.
    pub parameter: u64,
    /// Which bits of which fields are hashed.
    pub fields: Vec<(Field, u128)>,
}

impl Selection {
    pub(super) fn parse_properties(body: &mut Reader<'_>, kind: GroupKind) -> Parsed<Option<Selection>> {
        let mut found = None;
        while let Some(property) = next_property(body)? {
            let mut content = property.body;
            let names = (property.kind, content.u32(), content.u32());
            match names {
                (EXPERIMENTER, Ok(NETRONOME | NETRONOME_OLD), Ok(SELECTION_METHOD)) => {
                    found = Some(Selection::parse(content, kind)?);
                }
                (EXPERIMENTER, Ok(NETRONOME | NETRONOME_OLD), _) => {
                    return Err(ErrorCode::BadPropertyExperimenterType);
                }
                (kind, ..) => return Err(unknown(Property { kind, body: property.body })),
            }
        }
        Ok(found)
    }

    fn parse(mut body: Reader<'_>, kind: GroupKind) -> Parsed<Selection> {
        if kind != GroupKind::Select {
            return Err(ErrorCode::BadPropertyValue);
        }
        body.skip(4)?;
        let name = body.text(NAME_LEN)?;
        let parameter = body.u64()?;
        let method = match name.as_str() {
            "hash" => SelectionMethod::Hash,
            "dp_hash" => SelectionMethod::DatapathHash,
            _ => return Err(ErrorCode::BadPropertyValue),
        };
        if method != SelectionMethod::Hash && !body.is_empty() {
            return Err(ErrorCode::BadPropertyValue);
        }
        Ok(Selection { method, parameter, fields: parse_field_masks(body)? })
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        let start = out.len();
        out.u16(EXPERIMENTER);
        out.u16(0);
        out.u32(NETRONOME);
        out.u32(SELECTION_METHOD);
        out.zeros(4);
        let name = match self.method {
            SelectionMethod::Hash => "hash",
            SelectionMethod::DatapathHash => "dp_hash",
        };
        out.text(name, NAME_LEN);
        out.u64(self.parameter);
        emit_field_masks(&self.fields, out)?;
        out.set_length(start + 2, start);
        out.align(start);
        Ok(())
    }
}
