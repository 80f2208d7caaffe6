//! Options as they stand in a Geneve header (RFC 8926 section 3.5).

use std::fmt;

use tulle_flow::Key;

use super::{OptionMap, PRESENT_WORD, set_slot, slot};
use crate::drop::DropReason;

/// Bytes of class, type and length before each value.
const HEADER: usize = 4;
/// The most bytes that the options of a packet may have.
const MOST: usize = 252;
/// In a type: who does not know the option must drop the packet.
const CRITICAL: u8 = 0x80;

/// True where one of these options is critical, which the header has to say too.
pub fn has_critical(options: &[u8]) -> bool {
    options_of(options).any(|option| option.is_ok_and(|(_, kind, _)| kind & CRITICAL != 0))
}

/// Writes options for people, as Open vSwitch does.
pub(crate) fn describe(options: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if options.is_empty() {
        return Ok(());
    }
    f.write_str("geneve(")?;
    for (class, kind, value) in options_of(options).flatten() {
        write!(f, "{{class={class:#x},type={kind:#x},len={},0x", value.len())?;
        value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("}")?;
    }
    f.write_str(")")
}

/// Class, type and value of each option; an error ends them.
fn options_of(mut rest: &[u8]) -> impl Iterator<Item = Result<(u16, u8, &[u8]), DropReason>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let split = rest.split_first_chunk::<HEADER>().and_then(|(header, behind)| {
            let (value, behind) = behind.split_at_checked(4 * usize::from(header[3] & 0x1f))?;
            Some((*header, value, behind))
        });
        let Some((header, value, behind)) = split else {
            rest = &[];
            return Some(Err(DropReason::TunnelBadOptions));
        };
        rest = behind;
        Some(Ok((u16::from_be_bytes([header[0], header[1]]), header[2], value)))
    })
}

impl OptionMap {
    /// Puts a packet's options into its key.  Those that are not mapped are ignored.  Errors: lengths that do not add
    /// up, or an option that is as long as no flow of this bridge takes it for.
    pub fn extract(&self, options: &[u8], key: &mut Key) -> Result<(), DropReason> {
        if options.is_empty() || self.is_empty() {
            return Ok(());
        }
        for option in options_of(options) {
            let (class, kind, value) = option?;
            let Some(index) = self.field(class, kind) else { continue };
            let slots = self.slots(index);
            if value.len() != 4 * slots.len() {
                return Err(DropReason::TunnelBadOptions);
            }
            key.words[PRESENT_WORD] |= 1 << index;
            for (place, word) in slots.iter().zip(value.chunks_exact(4)) {
                set_slot(key, *place, u32::from_be_bytes([word[0], word[1], word[2], word[3]]), u32::MAX);
            }
        }
        Ok(())
    }

    /// The options that a key has, as a Geneve header takes them; nothing where they are too long for one.
    pub fn emit(&self, key: &Key) -> Option<Box<[u8]>> {
        let present = key.words[PRESENT_WORD];
        let mut out = Vec::new();
        for index in (0..64).filter(|index| present >> index & 1 == 1) {
            let (Some((class, kind)), slots) = (self.option(index), self.slots(index)) else { continue };
            out.extend_from_slice(&class.to_be_bytes());
            out.extend_from_slice(&[kind, slots.len() as u8]);
            slots.iter().for_each(|place| out.extend_from_slice(&slot(key, *place).to_be_bytes()));
        }
        (out.len() <= MOST).then_some(out.into())
    }
}
