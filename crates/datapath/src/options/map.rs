//! The map itself: which option is which field, and where its value lies in a key.

use thiserror::Error;
use tulle_flow::{OPTION_BYTES, OPTION_FIELDS, OPTION_SPACE};

use super::SLOTS;

/// An option and the field that it is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionMapping {
    /// The option's class.
    pub class: u16,
    /// Its type, of which the highest bit says that it is critical.
    pub kind: u8,
    /// Bytes of its value: a multiple of 4, at most 124.
    pub length: u8,
    /// The number of the field.
    pub index: u8,
}

/// Why a change of the map is refused; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OptionMapError {
    /// The length is none that an option may have.
    #[error("an option of {0} bytes cannot be")]
    BadLength(u8),
    /// There is no such field.
    #[error("there is no tun_metadata{0}")]
    BadIndex(u8),
    /// The values of all fields have no room.
    #[error("options have {OPTION_SPACE} bytes together")]
    Full,
    /// The field stands for another option.
    #[error("tun_metadata{0} is mapped already")]
    FieldMapped(u8),
    /// The option stands behind another field.
    #[error("option {0:#x}, type {1:#x} is mapped already")]
    OptionMapped(u16, u8),
    /// A flow uses the field.
    #[error("a flow uses tun_metadata{0}")]
    InUse(u8),
}

/// What is known of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapped {
    class: u16,
    kind: u8,
    /// The words of its value in a key, the first one first.
    slots: Box<[u8]>,
}

/// Which options are which fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OptionMap {
    /// By number.
    fields: Vec<Option<Mapped>>,
    /// Class and type of each option that is mapped, and the number of its field.
    keys: Vec<(u32, u8)>,
    /// Words that are taken, a bit for each.
    taken: u32,
}

impl OptionMap {
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn mapped(&self, index: u8) -> Option<&Mapped> {
        self.fields.get(usize::from(index))?.as_ref()
    }

    /// The words of a field's value in a key; none where it is not mapped.
    pub fn slots(&self, index: u8) -> &[u8] {
        self.mapped(index).map_or(&[], |mapped| &mapped.slots)
    }

    /// Bytes of a field's value; nothing where it is not mapped.
    pub fn length(&self, index: u8) -> Option<usize> {
        self.mapped(index).map(|mapped| 4 * mapped.slots.len())
    }

    /// Class and type of a field's option.
    pub fn option(&self, index: u8) -> Option<(u16, u8)> {
        self.mapped(index).map(|mapped| (mapped.class, mapped.kind))
    }

    /// The field that an option is taken for.
    pub fn field(&self, class: u16, kind: u8) -> Option<u8> {
        let wanted = key_of(class, kind);
        self.keys.iter().find(|(key, _)| *key == wanted).map(|(_, index)| *index)
    }

    /// All mappings, in the order of the fields.
    pub fn mappings(&self) -> impl Iterator<Item = OptionMapping> + '_ {
        self.fields.iter().zip(0..).filter_map(|(mapped, index)| {
            let Mapped { class, kind, slots } = mapped.as_ref()?;
            Some(OptionMapping { class: *class, kind: *kind, length: 4 * slots.len() as u8, index })
        })
    }

    /// Adds mappings, all or none of them.
    pub fn add(&mut self, mappings: &[OptionMapping]) -> Result<(), OptionMapError> {
        let mut changed = self.clone();
        mappings.iter().try_for_each(|mapping| changed.add_one(mapping))?;
        *self = changed;
        Ok(())
    }

    fn add_one(&mut self, mapping: &OptionMapping) -> Result<(), OptionMapError> {
        let OptionMapping { class, kind, length, index } = *mapping;
        if usize::from(index) >= OPTION_FIELDS {
            return Err(OptionMapError::BadIndex(index));
        }
        if length % 4 != 0 || usize::from(length) > OPTION_BYTES {
            return Err(OptionMapError::BadLength(length));
        }
        if self.mapped(index).is_some() {
            return Err(OptionMapError::FieldMapped(index));
        }
        if self.field(class, kind).is_some() {
            return Err(OptionMapError::OptionMapped(class, kind));
        }
        let slots: Box<[u8]> = self.free().take(usize::from(length) / 4).collect();
        if 4 * slots.len() < usize::from(length) {
            return Err(OptionMapError::Full);
        }
        self.taken |= slots.iter().fold(0, |taken, slot| taken | 1 << slot);
        self.fields.resize(self.fields.len().max(usize::from(index) + 1), None);
        self.fields[usize::from(index)] = Some(Mapped { class, kind, slots });
        self.keys.push((key_of(class, kind), index));
        Ok(())
    }

    /// The words that nobody has.
    fn free(&self) -> impl Iterator<Item = u8> + use<> {
        let taken = self.taken;
        (0..SLOTS as u8).filter(move |slot| taken >> slot & 1 == 0)
    }

    /// Takes mappings away; a field that is not mapped is passed over.
    pub fn remove(&mut self, indexes: impl Iterator<Item = u8>) {
        for index in indexes {
            let place = self.fields.get_mut(usize::from(index));
            let Some(mapped) = place.and_then(Option::take) else { continue };
            self.keys.retain(|(_, known)| *known != index);
            self.taken &= !mapped.slots.iter().fold(0, |taken, slot| taken | 1 << slot);
        }
    }
}

fn key_of(class: u16, kind: u8) -> u32 {
    u32::from(class) << 8 | u32::from(kind)
}
