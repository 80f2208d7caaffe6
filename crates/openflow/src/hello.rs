//! Hello: which versions each side speaks (OpenFlow 1.3.5 section 7.5.1).

use crate::bytes::{Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::version::{Version, Versions};

const VERSION_BITMAP: u16 = 1;

/// The first message of each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Bit n set: speaks wire version n.  `None` where no bitmap came: the header's version is the highest spoken.
    pub versions: Option<u32>,
}

impl Hello {
    /// What one who speaks these versions says.
    pub fn offering(versions: Versions) -> Hello {
        Hello { versions: Some(versions.bitmap()) }
    }

    /// The version to speak with the sender, whose header bore `theirs`, for one who speaks `ours`.
    ///
    /// With a bitmap on both sides it is the highest in common, and else the lower of the two highest (OpenFlow
    /// 1.3.5 section 6.3.1), if that is one of `ours`.
    pub fn negotiate(&self, theirs: u8, ours: Versions) -> Option<Version> {
        match self.versions {
            Some(bitmap) => ours.common(Versions::from_bitmap(bitmap)).highest(),
            None => {
                let lower = theirs.min(ours.highest()?.wire());
                Version::from_wire(lower).filter(|version| ours.contains(*version))
            }
        }
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

    pub(crate) fn emit(&self, out: &mut Writer<'_>) {
        if let Some(versions) = self.versions {
            out.u16(VERSION_BITMAP);
            out.u16(8);
            out.u32(versions);
        }
    }
}
