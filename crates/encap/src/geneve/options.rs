//! Geneve options: type, length and value (RFC 8926 section 3.5).

use crate::DropReason;

/// Bytes of options that a header can have.
pub const MOST_OPTIONS: usize = 252;
/// Bit of an option's type: who does not know it must drop the frame.
pub const CRITICAL: u8 = 0x80;

const HEADER_LEN: usize = 4;
const LEN_MASK: u8 = 0x1f;
const MOST_DATA: usize = LEN_MASK as usize * 4;

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneveOption<'a> {
    /// Who defines the type.
    pub class: u16,
    /// Type, [`CRITICAL`] included.
    pub kind: u8,
    /// 0 to 124 bytes, a multiple of 4.
    pub data: &'a [u8],
}

impl GeneveOption<'_> {
    /// Whether who does not know it must drop the frame.
    #[must_use]
    pub fn critical(&self) -> bool {
        self.kind & CRITICAL != 0
    }
}

/// The options of a header in turn.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = GeneveOption<'a>;

    #[inline]
    fn next(&mut self) -> Option<GeneveOption<'a>> {
        let ([high, low, kind, len], rest) = self.rest.split_first_chunk::<HEADER_LEN>()?;
        let (data, rest) = rest.split_at_checked(usize::from(len & LEN_MASK) * 4)?;
        self.rest = rest;
        Some(GeneveOption { class: u16::from_be_bytes([*high, *low]), kind: *kind, data })
    }
}

/// Walks options in their wire form, up to the first that is cut short.
#[must_use]
pub fn options(bytes: &[u8]) -> Options<'_> {
    Options { rest: bytes }
}

/// Whether one of the options is critical. Errors: more than 252 bytes, or an option that ends beyond
/// them or leaves a rest.
#[inline]
pub fn check_options(bytes: &[u8]) -> Result<bool, DropReason> {
    if bytes.len() > MOST_OPTIONS {
        return Err(DropReason::GeneveBadOptions);
    }
    let (mut walk, mut critical) = (options(bytes), false);
    for option in walk.by_ref() {
        critical |= option.critical();
    }
    if walk.rest.is_empty() { Ok(critical) } else { Err(DropReason::GeneveBadOptions) }
}

/// Writes an option at `at` and gives where the next one goes; `None` without room, or for data that is
/// no multiple of 4 bytes or over 124. Reserved bits are 0.
pub fn put_option(out: &mut [u8], at: usize, option: &GeneveOption<'_>) -> Option<usize> {
    let GeneveOption { class, kind, data } = *option;
    if data.len() % 4 != 0 || data.len() > MOST_DATA {
        return None;
    }
    let end = at.checked_add(HEADER_LEN + data.len())?;
    let (header, room) = out.get_mut(at..end)?.split_at_mut(HEADER_LEN);
    let [high, low] = class.to_be_bytes();
    header.copy_from_slice(&[high, low, kind, (data.len() / 4) as u8]);
    room.copy_from_slice(data);
    Some(end)
}
