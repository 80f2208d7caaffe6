//! Hello: which versions each side speaks (OpenFlow 1.3.5 section 7.5.1).

use crate::bytes::{Parsed, Put, Reader};
use crate::error::ErrorCode;
use crate::header::VERSION;

const VERSION_BITMAP: u16 = 1;

/// The first message of each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Bit n set: speaks wire version n.  `None` where no bitmap came: the header's version is the highest spoken.
    pub versions: Option<u32>,
}

impl Hello {
    /// What this crate says.
    pub const OURS: Hello = Hello { versions: Some(1 << VERSION) };

    /// True where the sender, whose header bore `version`, speaks OpenFlow 1.3.
    pub fn speaks(&self, version: u8) -> bool {
        self.versions.map_or(version >= VERSION, |versions| versions & (1 << VERSION) != 0)
    }

    /// Unknown elements are skipped, as the standard asks.
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<Hello> {
        let mut hello = Hello { versions: None };
        while body.len() >= 4 {
            let (kind, length) = (body.u16()?, usize::from(body.u16()?));
            let content = length.checked_sub(4).ok_or(ErrorCode::BadRequestLength)?;
            let mut element = body.part(content, ErrorCode::BadRequestLength)?;
            if kind == VERSION_BITMAP {
                hello.versions = Some(element.u32()?);
            }
            let padding = length.next_multiple_of(8) - length;
            body.skip(padding.min(body.len()))?;
        }
        Ok(hello)
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        if let Some(versions) = self.versions {
            out.u16(VERSION_BITMAP);
            out.u16(8);
            out.u32(versions);
        }
    }
}
